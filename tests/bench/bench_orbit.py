"""Positions and velocities of whole constellations: what they take, and how far from SGP4 they lie.

    python tests/bench/bench_orbit.py [--instants 40] [CODE ...]

Of each constellation code: the time to build the fleet and the memory it adds,
median and worst of one instant of all satellites (one thread, wall time), the
same by SGP4 itself for those of up to 10,000, and the largest distance from
SGP4 of random satellites at random instants of a day.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from sgp4.api import SatrecArray

from orbitmesh.emulator.epoch import NS_PER_S
from orbitmesh.emulator.orbit import Fleet
from orbitmesh.emulator.orbit.propagate import states_itrs
from orbitmesh.emulator.scenario.constellation import Constellation

START = datetime(2026, 11, 1, tzinfo=UTC)
DAY_NS = 86_400 * NS_PER_S
CODES = (
    "D:550:53:1584/72/39",
    "D:540:53.2:1584/72/1+D:550:53:1584/72/39+D:570:70:720/36/1+D:560:97.6:520/10/1",
    "D:550:53:100000/200/1",
    "+".join(f"D:{500 + 10 * i}:{44 + 2 * i}:100000/250/1" for i in range(10)),
)
MOST_BY_SGP4 = 10_000
LOOKED_AT = 500


def resident_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def timed_ms(call: Callable[[np.ndarray], object], count: int) -> tuple[float, float]:
    """Median and worst."""
    taken = []
    for second in range(count):
        began = time.perf_counter()
        call(np.array([second * NS_PER_S]))
        taken.append((time.perf_counter() - began) * 1e3)
    return float(np.median(taken)), max(taken)


def measure(code: str, instants: int) -> None:
    before_mib, began = resident_mib(), time.perf_counter()
    fleet = Fleet.build(Constellation.model_validate({"shells": [{"code": code}]}), START, Path.cwd())
    built_ms, more_mib = (time.perf_counter() - began) * 1e3, resident_mib() - before_mib
    median_ms, worst_ms = timed_ms(fleet.states_itrs, instants)
    print(f"{len(fleet):,} satellites in {len(fleet.shells)} shells: {fleet.propagation[0].method}")
    print(f"  built in {built_ms:.1f} ms, {more_mib:.0f} MiB more")
    print(f"  an instant: median {median_ms:.2f} ms, worst {worst_ms:.2f} ms")
    random = np.random.default_rng(1)
    some = random.choice(len(fleet), min(LOOKED_AT, len(fleet)), replace=False)
    if len(fleet) <= MOST_BY_SGP4:
        every = SatrecArray([each.satrec for each in fleet.elements])
        median_ms, worst_ms = timed_ms(
            lambda sim_ns: states_itrs(every, fleet.start_unix_ns + sim_ns, fleet.dut1_s), instants
        )
        print(f"  by SGP4 itself: median {median_ms:.2f} ms, worst {worst_ms:.2f} ms")
    satrecs = SatrecArray([fleet.elements[i].satrec for i in some.tolist()])
    off_mm = 0.0
    for sim_ns in random.integers(0, DAY_NS, 10).reshape(-1, 1):
        direct = states_itrs(satrecs, fleet.start_unix_ns + sim_ns, fleet.dut1_s)
        off_km = np.linalg.norm(fleet.states_itrs(sim_ns).position_km[some] - direct.position_km, axis=-1)
        off_mm = max(off_mm, float(off_km.max()) * 1e6)
    said_mm = max(each.error_km for each in fleet.propagation) * 1e6
    print(
        f"  from SGP4: at most {off_mm:.4f} mm of {len(some)} at 10 instants; the fleet says {said_mm:.4f} mm"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("codes", nargs="*", default=CODES)
    parser.add_argument("--instants", type=int, default=40)
    arguments = parser.parse_args()
    for code in arguments.codes:
        measure(code, max(2, arguments.instants))


if __name__ == "__main__":
    main()
