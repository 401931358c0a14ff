"""How far a figure goes from run to run by itself.  Pure.

The spread among blocks of one run says nothing of what stays for the whole of a run and is another in the
next: a neighbour on the machine, the place where the kernel put a process.  What there is to tell it by:
what the links' calibration allows; how the base drifts over its own fifths, in what neither physics nor the
serving node explains; and, where they are given, further runs of the base's scenario.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .bootstrap import DRAWS, quantiles, weights

Floats = NDArray[np.float64]

PARTS = 5
_LEAST_BEYOND = 2  # samples beyond a quantile in a fifth; with fewer it is no quantile


def links_floor_ns(summary: Mapping[str, Any], q: float, hops: float) -> float:
    """There and back, by the calibration that the run was held against; 0 where there was none."""
    budget = summary.get("error_budget") or {}
    first = budget.get("first_p50_ns" if q <= 0.5 else "first_p99_ns")
    per_hop = budget.get("per_hop_ns")
    if not isinstance(first, int | float) or not isinstance(per_hop, int | float):
        return 0.0
    return 2 * (float(first) + float(per_hop) * max(hops - 1, 0.0))


def drift_floor_ns(rest_ns: Floats, part: NDArray[np.int64], block: NDArray[np.int64], n_blocks: int,
                   q: float, seed: Sequence[int]) -> float:  # fmt: skip
    """How far two runs differ (95 %) that drift as the fifths (``part``) of this one do, less sampling.

    0 where the fifths have too few samples to tell.
    """
    from scipy.special import stdtrit

    counts = np.bincount(part, minlength=PARTS)
    if len(rest_ns) == 0 or counts.min() * (1 - q) < _LEAST_BEYOND:
        return 0.0
    fifths = [float(np.quantile(rest_ns[part == k], q)) for k in range(PARTS)]
    draws = quantiles(rest_ns, block, weights(n_blocks, DRAWS // 4, seed), [q])
    drift = float(np.var(fifths, ddof=1)) - PARTS * float(np.nanvar(draws))
    return float(stdtrit(PARTS - 1, 0.975)) * float(np.sqrt(2 * max(drift, 0.0)))


def again_floor(figures: Sequence[float]) -> float:
    """How far two runs differ (95 %) whose figures scatter as those of these runs of one scenario do.

    Of two runs nothing but their difference is known: it is taken as it is.
    """
    from scipy.special import stdtrit

    if len(figures) < 2:
        return 0.0
    if len(figures) == 2:
        return abs(figures[1] - figures[0])
    scatter = float(np.std(figures, ddof=1))
    return float(stdtrit(len(figures) - 1, 0.975)) * scatter * float(np.sqrt(2))
