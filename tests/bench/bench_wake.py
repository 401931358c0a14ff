"""What waking late costs: one-way errors with idle processors kept awake and without, by turns in one run.

    sudo .venv/bin/python tests/bench/bench_wake.py [--engine NAME=BINARY ...] [--rounds N]

Over one hop of 1 ms in the fabric, at 200 and at 10,000 packets a second, for each engine that is named (the
installed one by itself; another build beside it to compare with).  Medians over the rounds.  Prints figures,
asserts nothing.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

import numpy as np
from bench_fabric import MS, Row, stream, with_stamps

from orbitmesh.emulator.plane.engine.process import BINARY
from orbitmesh.emulator.plane.kernel.awake import StayAwake

PER_SECOND = (200, 10_000)


def once(binary: Path, per_second: int) -> tuple[float, float, float, float]:
    """p50, p99 and most in µs, and the engine's share of a core in percent."""
    with Row(2, binary=binary) as row:
        with_stamps(row)
        row.set(MS)
        rows, (_, engine_s, _) = stream(row, per_second, 64)
        error_us = (rows[:, 2] - rows[:, 1] - MS) / 1e3
        seconds = 2.0 + 1.5  # the receiver waits that long for more
    p50, p99, most = np.percentile(error_us, [50, 99, 100])
    return float(p50), float(p99), float(most), 100 * engine_s / seconds


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--engine", action="append", default=[], metavar="NAME=BINARY")
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    engines = dict(one.split("=", 1) for one in asked.engine) or {"installed": str(BINARY)}
    found: dict[tuple[str, bool, int], list[tuple[float, float, float, float]]] = {}
    for _ in range(asked.rounds):
        for name, binary in engines.items():
            for wanted in (False, True):
                with StayAwake(wanted=wanted) as awake:
                    for per_second in PER_SECOND:
                        key = (name, awake.state.held, per_second)
                        found.setdefault(key, []).append(once(Path(binary), per_second))
    for (name, held, per_second), rounds in found.items():
        p50, p99, most, share = (statistics.median(column) for column in zip(*rounds, strict=True))
        each = ", ".join(f"{p99_us:.0f}" for _, p99_us, _, _ in rounds)
        print(
            f"{name}, {per_second:,}/s, {'kept awake' if held else 'may sleep'}: p50 {p50:.1f}, p99 {p99:.0f}"
            f" ({each}), most {most:.0f} µs; the engine took {share:.1f} % of a core"
        )


if __name__ == "__main__":
    main()
