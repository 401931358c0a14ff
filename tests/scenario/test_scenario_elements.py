"""One constellation, given in each way that there is: the paths planned on it are the same."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from sgp4 import exporter
from sgp4.api import WGS72, Satrec

from orbitmesh.emulator.orbit import Fleet
from orbitmesh.emulator.plan import PlanRow, plan_rows
from orbitmesh.emulator.scenario import Scenario, loads

PLANES, SLOTS, ALTITUDE_KM = 4, 10, 780.0
TEXT = """name = "same"
[constellation]
shells = [%s]
[lasers]
%s
[ground]
min-elevation = "5 deg"
%s
stations = [
    { name = "london", latitude = "51.5 deg", longitude = "0 deg" },
    { name = "tokyo", latitude = "35.7 deg", longitude = "139.7 deg" },
]
[run]
start = 2026-11-01T00:00:00Z
"""
SHAPE = f"shape = [{PLANES}, {SLOTS}]"
EXPLICIT = ", ".join(
    f'{{ altitude = "{ALTITUDE_KM} km", inclination = "70 deg", raan = "{90 * p} deg", '
    f'phase = "{9 * p} deg", satellites = {SLOTS} }}'
    for p in range(PLANES)
)
SHELLS = {
    "code": f"{{ code = 'D:{ALTITUDE_KM:g}:70:{PLANES * SLOTS}/{PLANES}/1' }}",
    "planes": f"{{ planes = [{EXPLICIT}] }}",
    "tle": f'{{ tle = "same.tle", {SHAPE} }}',
    "csv": f'{{ omm = "same.csv", {SHAPE} }}',
    "json": f'{{ omm = "same.json", {SHAPE} }}',
    "xml": f'{{ omm = "same.xml", {SHAPE} }}',
}


def satellites() -> list[tuple[str, Satrec]]:
    """The satellites of the code, with what else a message says of one."""
    scenario = loads(TEXT % (SHELLS["code"], "", ""))
    fleet = Fleet.build(scenario.constellation, scenario.run.start_utc, scenario.base)
    found = []
    for number, (name, element) in enumerate(zip(fleet.names, fleet.elements, strict=True)):
        satrec, known = Satrec(), element.satrec
        epoch_days = known.jdsatepoch + known.jdsatepochF - 2433281.5  # from 1949-12-31T00:00:00Z
        satrec.sgp4init(
            WGS72, "i", 70001 + number, epoch_days, 0, 0, 0, known.ecco, known.argpo, known.inclo,
            known.mo, known.no_kozai, known.nodeo,
        )  # fmt: skip
        satrec.classification, satrec.intldesg = "U", "26001A"
        satrec.ephtype, satrec.elnum, satrec.revnum = 0, 999, 1
        found.append((name, satrec))
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("elements")
    found = satellites()
    lines = ["\n".join((name, *exporter.export_tle(satrec))) for name, satrec in found]
    (folder / "same.tle").write_text("\n".join(lines) + "\n")
    records: list[dict[str, Any]] = [exporter.export_omm(satrec, name) for name, satrec in found]
    (folder / "same.json").write_text(json.dumps(records))
    with (folder / "same.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(records[0]))
        writer.writeheader()
        writer.writerows(records)
    bodies = ["".join(f"<{key}>{value}</{key}>" for key, value in each.items()) for each in records]
    messages = [f"<omm><body><segment><data>{body}</data></segment></body></omm>" for body in bodies]
    (folder / "same.xml").write_text(f"<ndm>{''.join(messages)}</ndm>")
    return folder


def planned(folder: Path, shell: str, lasers: str = "", ground: str = "") -> list[PlanRow]:
    path = folder / "same.toml"
    path.write_text(TEXT % (shell, lasers, ground))
    pairs = ["london:tokyo", "sat-0-0:sat-0-5"]
    return list(plan_rows(Scenario.load(path), pairs, duration_ns=3 * 10**9, step_ns=10**9))


@pytest.mark.parametrize("given", [given for given in SHELLS if given != "code"])
def test_the_same_shell_gives_the_same_paths(folder: Path, given: str) -> None:
    wanted, got = planned(folder, SHELLS["code"]), planned(folder, SHELLS[given])
    assert wanted[0].rtt_ns is not None, "london reaches tokyo"
    assert [row._replace(rtt_ns=None, known_as=()) for row in got] == [
        row._replace(rtt_ns=None) for row in wanted
    ]
    for a, b in zip(got, wanted, strict=True):
        assert a.rtt_ns == pytest.approx(b.rtt_ns, abs=2_000)  # a TLE has four decimals: 12 m


def test_without_a_shape_all_are_one_plane_and_the_nearest_are_linked(folder: Path) -> None:
    rows = planned(folder, '{ tle = "same.tle" }', 'pattern = "nearest"\nterminals = 4')
    assert rows[0].path[0] == "gw-london"
    assert all(name.startswith("sat-0-") for name in rows[0].path[1:-1])


@pytest.mark.parametrize(
    ("lasers", "ground"),
    [
        ("", 'policy = "longest-visibility"'),
        ("", 'max-slant-range = "2500 km"'),
        ('pattern = "none"', "relay = true"),
        ('terminal = { power = "2 W", aperture = "10 cm", photons-per-bit = 40, ceiling = "1 Gbit/s",'
         ' ladder = ["1 Mbit/s", "1 Gbit/s"] }', "antennas = 1"),
    ],
)  # fmt: skip
def test_what_else_a_scenario_may_ask_for_is_planned(folder: Path, lasers: str, ground: str) -> None:
    rows = planned(folder, SHELLS["code"], lasers, ground)
    assert len(rows) == 6
    if "none" in lasers:
        assert rows[1].path == (), "no laser, no way between satellites"
