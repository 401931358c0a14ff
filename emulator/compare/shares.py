"""Rows of shares: what was lost, or left without an answer, of all that was sent.  Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..shown import counted
from .bootstrap import DRAWS, shares, spread, weights
from .latencies import LEAST_MOMENTS, LEAST_SAMPLES, LONG, Times, few_moments, held
from .rows import CONFIDENCE, Row

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


def share_row(
    figure: str, of: str, seed: tuple[int, ...], floor: float,
    a: tuple[Ints, Bools], b: tuple[Ints, Bools], *, paired: bool,
) -> Row:  # fmt: skip
    """Instants and hits of two runs.  ``paired``: the same blocks of time are drawn of both."""
    (when_a, hit_a), (when_b, hit_b) = a, b
    n_a, n_b = len(hit_a), len(hit_b)
    base, other = (float(hit.mean()) if len(hit) else None for hit in (hit_a, hit_b))
    if min(n_a, n_b) < LEAST_SAMPLES or base is None or other is None:
        return Row(
            figure, of, "", "ratio", base, other,
            None if base is None or other is None else other - base,
            samples_base=n_a, samples_other=n_b, samples_needed=LEAST_SAMPLES, paired=paired,
            why=f"takes {counted(LEAST_SAMPLES, 'sample')} of each run, and there are {min(n_a, n_b):,}",
        )  # fmt: skip
    hits_a, hits_b = hit_a.astype(np.float64), hit_b.astype(np.float64)
    series = [(when_a, hits_a - base), (when_b, hits_b - other)]
    if paired:
        times_a = times_b = Times([when_a, when_b], series)
    else:
        times_a, times_b = Times([when_a], series[:1]), Times([when_b], series[1:])
    draws = []
    sides = (times_a, when_a, hits_a, 0), (times_b, when_b, hits_b, 0 if paired else 1)
    for times, when, hit, stream in sides:
        block = times.blocks(when)
        hits = np.bincount(block, hit, times.n).astype(np.float64)
        all_of_it = np.bincount(block, minlength=times.n).astype(np.float64)
        draws.append(shares(hits, all_of_it, weights(times.n, DRAWS, (*seed, stream))))
    fewest = min(held(times.blocks(when)) for times, when, *_ in sides)
    if fewest < LEAST_MOMENTS:
        return Row(
            figure, of, "", "ratio", base, other, other - base, samples_base=n_a, samples_other=n_b,
            paired=paired, why=few_moments(fewest),
        )  # fmt: skip
    found = spread(draws[1] - draws[0], other - base, fewest, CONFIDENCE, floor)
    # of what did not happen once in n, 3 in n is the most that is likely (95 %)
    low = found.low - (3 / n_a if base == 0 else 0.0)
    high = found.high + (3 / n_b if other == 0 else 0.0)
    return Row(
        figure, of, "", "ratio", base, other, other - base, max(low, -1.0), min(high, 1.0), floor, p=found.p,
        samples_base=n_a, samples_other=n_b, paired=paired, blocks=fewest, block_ns=times_a.block_ns,
        why=LONG if times_a.is_long or times_b.is_long else "",
    )  # fmt: skip
