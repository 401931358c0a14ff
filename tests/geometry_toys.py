"""A toy scenario and its first epochs, for the tests of what geometry makes of it."""

from __future__ import annotations

import itertools
from typing import Any

from orbitmesh.emulator.epoch import Epoch
from orbitmesh.emulator.geometry import Geometry
from orbitmesh.emulator.scenario import Scenario

CITIES = [
    {"name": "london", "latitude": "51.5 deg", "longitude": "-0.1 deg"},
    {"name": "nairobi", "latitude": "-1.3 deg", "longitude": "36.8 deg", "altitude": "1795 m"},
    {"name": "tokyo", "latitude": "35.7 deg", "longitude": "139.7 deg", "antennas": 1},
]


#: Elements of a file of their own, and the scenario that reads them from sats.tle beside it.
TLE = """\
1 25544U 98067A   26304.69339541  .00001764  00000-0  38792-4 0  9996
2 25544  51.6439 211.2001 0007417  17.6667  85.6398 15.50103472202482
"""
OF_TLE = """
name = "of-tle"
[[constellation.shells]]
tle = "sats.tle"
[ground]
min-elevation = "10 deg"
[[ground.stations]]
name = "here"
latitude = "10 deg"
longitude = "10 deg"
[run]
start = "2026-11-01T00:00:00Z"
duration = "10 s"
"""


def scenario(code: str = "S:780:86.4:66/6/1", **sections: dict[str, Any]) -> Scenario:
    made: dict[str, Any] = {
        "name": "toy",
        "constellation": {"shells": [{"code": code}]},
        "ground": {"stations": CITIES, "min-elevation": "5 deg"},
        "run": {"start": "2026-11-01T00:00:00Z"},
    }
    for section, keys in sections.items():
        made[section] = {**made.get(section, {}), **keys}
    return Scenario.model_validate(made)


def first(geometry: Geometry, n: int, step_ns: int, start_sim_ns: int = 0) -> list[Epoch]:
    return list(itertools.islice(geometry.epochs(start_sim_ns, step_ns), n))
