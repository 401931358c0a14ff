"""How soon an intervention is in force in a mesh that runs, and what 1,000 of them cost a tick.

sudo .venv/bin/python tests/bench/bench_interventions.py [SCENARIO …]
"""

from __future__ import annotations

import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

import numpy as np

from orbitmesh.emulator import Emulation, Scenario
from orbitmesh.emulator.geometry import Geometry
from orbitmesh.emulator.interventions import Change, Intervention, Named

TIMES = 20
MANY = 1_000
TICKS = 30


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


def ticks_ms(name: str, n: int, one_in: int = 2) -> float:
    """The median tick of the geometry with n interventions in force; one in so many fails a laser, the others
    change one: with the lasers ways change, too, which is no cost of the interventions."""
    geometry = Geometry(Scenario.load(name))
    links = geometry.epoch_at(0).links
    keys = links.key()[links.kind == 0]
    asked = []
    for i in range(n):
        change = Change(10**7) if (i + 1) % one_in else None
        asked.append(Intervention("a laser", Named(links=keys[[i * 7 % len(keys)]]), 0, None, change))
    geometry.interventions.add(*asked)
    took = []
    series = geometry.epochs(0, 10**9)
    for _ in islice(range(TICKS), TICKS):
        began = time.perf_counter()
        next(series)
        took.append((time.perf_counter() - began) * 1e3)
    return float(np.median(took))


def main() -> None:
    for name in sys.argv[1:] or ("demo", "starlink-shell1"):
        found = in_force_ms(name)
        p50, p90 = np.percentile(found, [50, 90])
        most, n = max(found), len(found)
        print(f"{name}: in force after {p50:.1f} ms (p50), {p90:.1f} (p90), {most:.1f} (most) of {n}")
        turns = [(ticks_ms(name, 0), ticks_ms(name, MANY), ticks_ms(name, MANY, MANY + 1)) for _ in range(3)]
        without, half, none = (float(np.median(each)) for each in zip(*turns, strict=True))
        print(
            f"{name}: a tick {without:.2f} ms; with {MANY:,} interventions, half of which fail lasers, "
            f"{half:.2f}; where none does, {none:.2f}"
        )


if __name__ == "__main__":
    main()
