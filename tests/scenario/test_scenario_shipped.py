"""The scenarios that come with orbitmesh, and the number that names one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from orbitmesh.emulator.orbit import (
    Fleet,
    station_positions_itrs_km,
    station_zeniths_itrs,
    sun_direction_itrs,
)
from orbitmesh.emulator.scenario import Scenario, load, loads, scenario_hash, shipped

NAMES = [
    "ai1-eclipse", "ai1-inference", "ai1-million", "ai1-pilot", "demo", "pocket", "starlink-shell1",
    "train-cluster",
]  # fmt: skip


def test_what_is_shipped() -> None:
    found = shipped()
    assert [scenario.name for scenario in found] == NAMES
    for scenario in found:
        assert scenario.title
        loaded = Scenario.load(scenario.name)
        assert (loaded.name, loaded.title, loaded.path) == (scenario.name, scenario.title, scenario.path)


def test_a_file_of_a_shipped_name_needs_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "demo").write_text(
        (shipped()[NAMES.index("demo")].path).read_text().replace('"demo"', '"mine"')
    )
    monkeypatch.chdir(tmp_path)
    assert load("demo").name == "demo"
    assert load("./demo").name == "mine"


def fleet(scenario: Scenario) -> Fleet:
    return Fleet.build(scenario.constellation, scenario.run.start_utc, scenario.base)


def best_elevations_deg(scenario: Scenario, hours: float, step_s: int) -> np.ndarray:
    """(stations, instants): the elevation of the highest satellite."""
    satellites = fleet(scenario)
    position = station_positions_itrs_km(scenario.ground.stations, scenario.ground.ellipsoid)
    zenith = station_zeniths_itrs(scenario.ground.stations)
    best = []
    for sim_s in range(0, int(hours * 3600), step_s):
        states = satellites.states_itrs(np.array([sim_s * 10**9]))
        towards = states.position_km[None, :, 0] - position[:, None]
        sine = np.einsum("mnk,mk->mn", towards, zenith) / np.linalg.norm(towards, axis=2)
        best.append(np.degrees(np.arcsin(sine.max(axis=1))))
    return np.array(best).T


def test_demo_is_the_polar_shell_and_no_gateway_is_ever_alone() -> None:
    demo = load("demo")
    satellites = fleet(demo)
    assert (len(satellites), satellites.shells[0].star, satellites.shells[0].n_planes) == (66, True, 6)
    assert len(demo.ground.stations) == 8
    assert demo.compute.satellites == "all"
    mask_deg = np.degrees(demo.ground.min_elevation_rad or 0)
    assert best_elevations_deg(demo, 24, 60).min() > mask_deg + 3


def test_starlink_shell1_has_1584_satellites_and_thirty_gateways_below_it() -> None:
    scenario = load("starlink-shell1")
    assert len(fleet(scenario)) == 1584
    assert len(scenario.ground.stations) == 30
    assert scenario.compute.satellites == 64
    assert best_elevations_deg(scenario, 2, 120).min() > 25


def test_ai1_pilot_is_what_its_file_says() -> None:
    scenario = load("ai1-pilot")
    satellites = fleet(scenario)
    assert [(s.name, len(s), s.star) for s in satellites.shells] == [
        ("dawn-dusk", 360, True),
        ("low-latitudes", 360, False),
    ]
    best = best_elevations_deg(scenario, 24, 300)
    stations = scenario.ground.stations
    for station, elevation_deg in zip(stations, best, strict=True):
        mask_rad = station.min_elevation_rad or scenario.ground.min_elevation_rad or 0
        seen = (elevation_deg > np.degrees(mask_rad)).mean()
        assert seen > (0.7 if station.name in ("inuvik", "troll") else 0.999), station.name
    # the normal of a dawn-dusk plane looks towards the Sun

    states = satellites.states_itrs(np.zeros(1, np.int64))
    sun = sun_direction_itrs(np.array([satellites.start_unix_ns]))[0]
    omega = np.array([0, 0, 7.2921159e-5])
    for plane in range(12):
        row = satellites.shells[0].first + 30 * plane
        position = states.position_km[row, 0]
        inertial = states.velocity_km_per_s[row, 0] + np.cross(omega, position)
        normal = np.cross(position, inertial)
        off_deg = np.degrees(np.arccos(abs(normal @ sun) / np.linalg.norm(normal)))
        assert off_deg < 36  # 23.4 of the season and the inclination, 11 of the band


# -- hash -----------------------------------------------------------------------------------------

TEXT = """\
name = "h"
[[constellation.shells]]
tle = "some.tle"
[run]
start = 2026-11-01T00:00:00Z
duration = "60 s"
"""


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    both = tmp_path / "a", tmp_path / "b"
    for folder in both:
        folder.mkdir()
        (folder / "some.tle").write_text("elements")
    return both


def test_a_hash_is_of_what_shapes_the_run(folders: tuple[Path, Path]) -> None:
    here, there = folders
    first = scenario_hash(loads(TEXT, base=here))
    assert len(first) == 64
    same = TEXT.replace('"60 s"', '"1 min"').replace("00:00:00Z", "02:00:00+02:00") + "# a comment\n"
    assert scenario_hash(loads(same, base=there)) == first
    assert scenario_hash(loads(TEXT.replace("60 s", "61 s"), base=here)) != first
    (there / "some.tle").write_text("other elements")
    assert scenario_hash(loads(TEXT, base=there)) != first


def test_hashes_of_the_shipped_scenarios_differ_and_stay() -> None:
    hashes = [scenario_hash(load(name)) for name in NAMES]
    assert len(set(hashes)) == len(NAMES)
    assert hashes == [scenario_hash(load(name)) for name in NAMES]
