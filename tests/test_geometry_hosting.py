"""Who runs a process, and whom routes lead to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from geometry_toys import scenario
from sgp4.api import WGS72, Satrec
from sgp4.exporter import export_tle

from orbitmesh.emulator.epoch import NS_PER_S
from orbitmesh.emulator.errors import ScenarioError
from orbitmesh.emulator.geometry import Geometry
from orbitmesh.emulator.scenario import loads


def test_a_number_of_satellites_spread_evenly() -> None:
    geometry = Geometry(scenario(compute={"satellites": 6}))
    assert np.flatnonzero(geometry.hosting).tolist() == [0, 11, 22, 33, 44, 55, 66, 67, 68]
    assert geometry.destinations.tolist() == [0, 11, 22, 33, 44, 55, 66, 67, 68]


@pytest.mark.parametrize(
    ("chosen", "n"), [(0, 0), (1, 1), (65, 65), (66, 66), ("all", 66), (["sat-5-10"], 1)]
)
def test_as_many_as_asked_for_and_every_gateway(chosen: object, n: int) -> None:
    geometry = Geometry(scenario(compute={"satellites": chosen}))
    assert geometry.hosting[:66].sum() == n
    assert geometry.hosting[66:].all()


def test_new_destinations_are_routed_to_from_the_next_epoch_on() -> None:
    geometry = Geometry(scenario(compute={"satellites": 0}))
    epochs = geometry.epochs(0, NS_PER_S)
    assert next(epochs).path(66, 5) is None
    geometry.add_destinations([5, 67])
    after = next(epochs)
    assert after.routes.destinations.tolist() == [5, 66, 67, 68]
    assert after.path(66, 5) is not None
    geometry.set_destinations([68, 3])
    assert next(epochs).routes.destinations.tolist() == [3, 68]


def test_routes_to_more_destinations_are_those_that_the_epoch_would_have_had() -> None:
    alike = {"policy": "nearest"}  # least-delay links differently for those who run more processes
    few, all_of_them = (Geometry(scenario(ground=alike, compute={"satellites": n})) for n in (0, "all"))
    epoch, whole = few.epoch_at(0), all_of_them.epoch_at(0)
    more = few.more_routes(epoch, [67, 5, 40])
    assert more.destinations.tolist() == [5, 40]  # gateways have routes to them already
    joined = replace(epoch, routes=epoch.routes.joined(more))
    assert joined.routes.destinations.tolist() == [5, 40, 66, 67, 68]
    for source in range(69):
        for destination in (5, 40, 66, 67, 68):
            assert joined.path(source, destination) == whole.path(source, destination)
    assert epoch.path(66, 5) is None


def test_destinations_go_again_but_for_those_that_host_a_process() -> None:
    geometry = Geometry(scenario(compute={"satellites": ["sat-0-3"]}))
    geometry.add_destinations([5, 6])
    geometry.remove_destinations([5, 3, 66])
    assert geometry.destinations.tolist() == [3, 6, 66, 67, 68]


@pytest.mark.parametrize("chosen", [0, ["sat-0-3"], 1])
def test_a_satellite_that_a_task_names_runs_a_node_process(chosen: object) -> None:
    task = {"kind": "checksum", "size": 10, "satellite": "sat-5-10"}
    geometry = Geometry(scenario(compute={"satellites": chosen, "tasks": [task]}))
    assert geometry.hosting[geometry.nodes.index["sat-5-10"]]
    without = Geometry(scenario(compute={"satellites": chosen})).hosting
    assert geometry.hosting.sum() == without.sum() + 1


@pytest.mark.parametrize("wrong", [-1, 69])
def test_a_destination_that_is_not_there(wrong: int) -> None:
    geometry = Geometry(scenario())
    with pytest.raises(IndexError, match="nodes are numbered 0 to 68"):
        geometry.add_destinations([wrong])
    assert len(geometry.destinations) == 69


@pytest.fixture
def tle(tmp_path: Path) -> Path:
    """Two satellites as a file: only reading it tells how many there are."""
    lines = []
    for number in (1, 2):
        satrec, turn = Satrec(), 2 * np.pi
        satrec.sgp4init(
            WGS72, "i", number, 28_064.0, 0.0, 0.0, 0.0, 0.001, 0.0, 0.9, number, 15 * turn / 1440, 0.0
        )  # epoch in days from 1949-12-31: 2026-11-01
        lines += export_tle(satrec)
    path = tmp_path / "two.tle"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize(
    ("compute", "said"),
    [
        (
            'satellites = ["sat-0-1", "sat-0-7"]',
            r"compute.satellites\[1\]: there is no satellite 'sat-0-7': did you mean 'sat-0-\d'",
        ),
        ("satellites = 3", "3 satellites are to run node processes, and there are 2"),
        (
            'tasks = [{ kind = "checksum", size = 9, satellite = "sat-0-7" }]\nsatellites = 1',
            r"compute.tasks\[0\].satellite: there is no satellite 'sat-0-7'",
        ),
    ],
)
def test_satellites_of_a_file_that_are_not_there(tle: Path, compute: str, said: str) -> None:
    text = f"""name = "toy"
[constellation]
shells = [{{ tle = "two.tle" }}]
[compute]
{compute}
[ground]
min-elevation = "10 deg"
stations = [{{ name = "a", latitude = "0 deg", longitude = "0 deg" }}]
[run]
start = 2026-11-01T00:00:00Z
"""
    with pytest.raises(ScenarioError, match=said) as caught:
        Geometry(loads(text, base=tle.parent))
    assert caught.value.line == 5
    assert str(caught.value.key).startswith("compute.")
