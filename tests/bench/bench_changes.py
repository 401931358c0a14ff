"""What changed among the two million links of ai1-million: by one walk, and by numpy's sets, by turns.

.venv/bin/python tests/bench/bench_changes.py [--satellites N] [--changed N] [--turns N]
"""

from __future__ import annotations

import argparse
import time
from statistics import median

import numpy as np

from orbitmesh.emulator.arrays import Int64
from orbitmesh.emulator.epoch import LinkKind, Links
from orbitmesh.emulator.links.changes import link_changes


def ring(n: int, without: set[int]) -> Links:
    """Two lasers a satellite, but for those that are left out."""
    a = np.repeat(np.arange(n, dtype=np.int32), 2)
    b = np.minimum(a + np.tile(np.array([1, 1000], np.int32), n), n + 1000)
    kept = np.ones(len(a), np.bool_)
    kept[list(without)] = False
    a, b = a[kept], b[kept]
    m = len(a)
    zeros = np.zeros(m, np.int64)
    return Links(a, b, np.zeros(m, np.uint8), np.zeros(m), np.zeros(m), zeros, zeros)


def by_sets(old: Links, new: Links) -> tuple[Int64, Int64]:
    before, after = old.key()[old.kind == LinkKind.LASER], new.key()[new.kind == LinkKind.LASER]
    return (
        before[~np.isin(before, after, assume_unique=True)],
        after[~np.isin(after, before, assume_unique=True)],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--satellites", type=int, default=1_000_000)
    parser.add_argument("--changed", type=int, default=200)
    parser.add_argument("--turns", type=int, default=7)
    options = parser.parse_args()
    random = np.random.default_rng(1)
    picked = random.choice(2 * options.satellites, 2 * options.changed, replace=False).tolist()
    old = ring(options.satellites, set(picked[: options.changed]))
    new = ring(options.satellites, set(picked[options.changed :]))
    walk_ms, sets_ms = list[float](), list[float]()
    for _ in range(options.turns):
        began = time.perf_counter()
        found = link_changes(old, new)
        walked = time.perf_counter()
        lost, gained = by_sets(old, new)
        sets_ms.append(1e3 * (time.perf_counter() - walked))
        walk_ms.append(1e3 * (walked - began))
        assert (found.n_lasers_lost, found.n_lasers_gained) == (len(lost), len(gained))
    print(f"{len(old):,} links, {len(lost)} lost and {len(gained)} gained, {options.turns} turns, medians:")
    print(f"one walk {median(walk_ms):.1f} ms, sets {median(sets_ms):.0f} ms")


if __name__ == "__main__":
    main()
