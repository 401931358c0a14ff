"""How far a figure goes from run to run by itself.  Pure.

The spread among blocks of one run says nothing of what stays for the whole of a run and is another in the
next: a neighbour on the machine, the place where the kernel put a process.  What there is to tell it by:
what the links' calibration allows; of what neither physics nor the serving node explains, half, and how it
drifts over the fifths of either run; and, where they are given, further runs of the base's scenario.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .blocks import bins_of
from .bootstrap import DRAWS, quantiles, weights

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PARTS = 5
_SHORT = 12 * PARTS  # blocks that a drift is longer than
HOST_RATIO = 0.5
_LEAST_BEYOND = 2  # samples beyond a quantile in a fifth; with fewer it is no quantile


def links_floor_ns(summary: Mapping[str, Any], q: float, hops: float) -> float:
    """There and back, by the calibration that the run was held against; 0 where there was none."""
    budget = summary.get("error_budget") or {}
    first = budget.get("first_p50_ns" if q <= 0.5 else "first_p99_ns")
    per_hop = budget.get("per_hop_ns")
    if not isinstance(first, int | float) or not isinstance(per_hop, int | float):
        return 0.0
    return 2 * (float(first) + float(per_hop) * max(hops - 1, 0.0))


def host_floor_ns(rest_ns: Floats, q: float) -> float:
    """Half of what the host itself took at that quantile: from run to run it moves by up to so much."""
    return HOST_RATIO * float(np.quantile(rest_ns, q)) if len(rest_ns) else 0.0


def drift_ns(rest_ns: Floats, when_ns: Ints, q: float, seed: Sequence[int]) -> float:
    """Standard deviation from fifth to fifth of a run, less what short blocks of time explain.

    0 where the fifths have too few samples to tell.
    """
    if len(rest_ns) == 0:
        return 0.0
    begin, span = int(when_ns.min()), int(np.ptp(when_ns)) + 1
    part = bins_of(when_ns, begin, span, PARTS)
    if np.bincount(part, minlength=PARTS).min() * (1 - q) < _LEAST_BEYOND:
        return 0.0
    fifths = [float(np.quantile(rest_ns[part == k], q)) for k in range(PARTS)]
    block = bins_of(when_ns, begin, span, _SHORT)
    draws = quantiles(rest_ns, block, weights(_SHORT, DRAWS // 4, seed), [q])
    drift = float(np.var(fifths, ddof=1)) - PARTS * float(np.nanvar(draws))
    return math.sqrt(max(drift, 0.0))


def drift_floor_ns(drifts_ns: Sequence[float]) -> float:
    """How far two runs differ (95 %) that drift so."""
    from scipy.special import stdtrit

    return float(stdtrit(PARTS - 1, 0.975)) * float(np.linalg.norm(drifts_ns))


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
