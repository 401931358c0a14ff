"""How soon an intervention is in force in a mesh that runs, and what 1,000 of them cost a tick.

sudo .venv/bin/python tests/bench/bench_interventions.py [SCENARIO …]
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from orbitmesh.emulator import Emulation, Scenario
from orbitmesh.emulator.arrays import pair_keys
from orbitmesh.emulator.epoch import Epoch
from orbitmesh.emulator.geometry import Geometry
from orbitmesh.emulator.interventions import Change, Intervention, Named

TIMES = 20
MANY = 1_000
TICKS, FIRST_TICKS = 210, 10


def in_force_ms(name: str) -> list[float]:
    """From the call to the end of the tick that has it."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        scenario = Scenario.load(name)
        with Emulation(scenario, duration_ns=600 * 10**9, out=Path(folder) / "run") as mesh:
            time.sleep(2.0)
            names = mesh.nodes.names
            for i in range(TIMES):
                assert mesh.epoch is not None
                row = 37 * i % len(mesh.epoch.links)
                link = f"{names[mesh.epoch.links.a[row]]}:{names[mesh.epoch.links.b[row]]}"
                found.append(mesh.fail(link)["in_force_ns"] / 1e6)
                time.sleep(0.37)
                found.append(mesh.restore(link)["in_force_ns"] / 1e6)
                time.sleep(0.37)
        ticks = mesh.summary["ticks"]
        print(f"{name}: {ticks['late']} of {ticks['count']} ticks late")
    return found


def ticks_ms(name: str) -> dict[str, float]:
    """The median tick of the geometry by what is in force, tick by tick by turns: what else the machine does
    falls on all alike.  Where lasers fail ways change, which is no cost of the interventions: "without those
    lasers" is what is left of it where they are not in the mesh at all."""
    kinds = {
        "without": series(name, 0),
        "half fail": series(name, MANY),
        "none fails": series(name, MANY, one_in=MANY + 1),
        "without those lasers": series(name, MANY, removed=True),
    }
    took: dict[str, list[float]] = {kind: [] for kind in kinds}
    turn = deque(kinds)
    for _ in range(TICKS):
        turn.rotate(-1)
        for kind in turn:
            began = time.perf_counter()
            next(kinds[kind])
            took[kind].append((time.perf_counter() - began) * 1e3)
    return {kind: float(np.median(each[FIRST_TICKS:])) for kind, each in took.items()}


def series(name: str, n: int, *, one_in: int = 2, removed: bool = False) -> Iterator[Epoch]:
    """With n interventions in force: one in so many fails a laser, the others change one; ``removed``: those
    that would fail are not of the pattern, and nothing is in force."""
    geometry = Geometry(Scenario.load(name))
    links = geometry.epoch_at(0).links
    keys = links.key()[links.kind == 0]
    asked = []
    for i in range(n):
        change = Change(10**7) if (i + 1) % one_in else None
        asked.append(Intervention("a laser", Named(links=keys[[i * 7 % len(keys)]]), 0, None, change))
    if removed:
        mesh = geometry._mesh
        gone = [each.named.links[0] for each in asked if each.change is None]
        kept = ~np.isin(pair_keys(*mesh._grid.T), gone)
        mesh._grid, mesh._grid_terminals = mesh._grid[kept], mesh._grid_terminals[kept]
    else:
        geometry.interventions.add(*asked)
    return geometry.epochs(0, 10**9)


def main() -> None:
    for name in sys.argv[1:] or ("demo", "starlink-shell1"):
        found = in_force_ms(name)
        p50, p90 = np.percentile(found, [50, 90])
        most, n = max(found), len(found)
        print(f"{name}: in force after {p50:.1f} ms (p50), {p90:.1f} (p90), {most:.1f} (most) of {n}")
        ticks = ticks_ms(name)
        print(
            f"{name}: a tick with {MANY:,} interventions in force, by turns, median of {TICKS - FIRST_TICKS}"
        )
        for kind, ms in ticks.items():
            print(f"{name}: {kind:21} {ms:.2f} ms ({100 * (ms / ticks['without'] - 1):+.1f} %)")


if __name__ == "__main__":
    main()
