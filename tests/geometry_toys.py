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
