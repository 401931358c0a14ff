"""Scenes to export: a few satellites over a while."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orbitmesh.emulator.exports.scene import Scene
from orbitmesh.emulator.geometry import Geometry
from orbitmesh.emulator.links.coverage import Window
from orbitmesh.emulator.scenario import Scenario

sys.path.append(str(Path(__file__).parents[1]))
from geometry_toys import CITIES, scenario

START = datetime(2026, 11, 1, tzinfo=UTC)
S_NS = 10**9
RAW = {
    "name": "toy",
    "ground": {"stations": CITIES, "min-elevation": "5 deg"},
    "run": {"start": "2026-11-01T00:00:00Z", "duration": "1 h"},
}


def scene(
    code: str = "S:780:86.4:66/6/1",
    *,
    minutes: float = 20,
    step_s: float = 10,
    nodes: Sequence[str] = (),
    begin_s: float = 0,
    title: str = "a toy",
    faults: Sequence[dict[str, Any]] = (),
    **sections: Any,
) -> Scene:
    made = scenario(code, **sections)
    if faults:
        made = Scenario.model_validate(
            RAW | {"constellation": {"shells": [{"code": code}]}, "faults": [*faults]}
        )
    begin_ns, long_ns = round(begin_s * S_NS), round(minutes * 60 * S_NS)
    geometry = Geometry(made, Window(begin_ns, long_ns, "plan"))
    return Scene.of(title, geometry, made.run.start_utc, begin_ns, long_ns, round(step_s * S_NS), nodes)


def text(write: Callable[[Scene], Iterator[str]], of: Scene) -> str:
    return "".join(write(of))
