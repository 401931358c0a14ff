"""Quantiles with the interval in which the true one lies, also where neighbours are alike.

The interval is by order statistics (binomial; no shape of distribution is assumed).  Requests that come
together wait together, so their latencies are no independent draws: the number of draws is divided by the
autocorrelation time of "above or below the quantile" in order of arrival (Geyer's initial positive sequence;
Geyer, Practical Markov Chain Monte Carlo, 1992), which is what the variance of a quantile grows by.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Quantile:
    """``low`` or ``high`` is None where there are too few draws to bound it on that side."""

    at: float
    value: float
    low: float | None
    high: float | None
    effective_draws: float


def quantile(values: np.ndarray, at: float, *, confidence: float = CONFIDENCE) -> Quantile | None:
    """Of ``values``, (n,), in the order in which they were asked for; None of none."""
    values = np.asarray(values, np.float64)
    n = len(values)
    if n == 0:
        return None
    ordered = np.sort(values)
    value = float(ordered[_rank(n, at)])
    draws = n / autocorrelation_time(values <= value)
    low, high = _bounds(draws, at, confidence)
    return Quantile(
        at,
        value,
        None if low is None else float(ordered[min(int(low * n), n - 1)]),
        None if high is None else float(ordered[min(int(high * n), n - 1)]),
        draws,
    )


def _rank(n: int, at: float) -> int:
    """Of the smallest value that a share ``at`` of all does not exceed."""
    return min(max(int(np.ceil(round(at * n, 9))) - 1, 0), n - 1)


def _bounds(draws: float, at: float, confidence: float) -> tuple[float | None, float | None]:
    """As shares of all, so that they can be looked up among more values than there are draws."""
    m = max(round(draws), 1)
    tail = (1 - confidence) / 2
    low = _binomial_quantile(tail, m, at) - 1  # P(fewer than low + 1 of m are below the quantile) <= tail
    high = _binomial_quantile(1 - tail, m, at)
    return (None if low < 0 else low / m), (None if high >= m else high / m)


def _binomial_quantile(share: float, n: int, p: float) -> int:
    """The smallest k with P(at most k of n) >= share."""
    from scipy.special import bdtr, bdtrik  # on demand: slow to import; scipy.stats takes a second

    k = max(int(np.ceil(bdtrik(share, n, p))), 0)
    return k - 1 if k > 0 and bdtr(k - 1, n, p) >= share else k


def share_interval(hits: np.ndarray, *, confidence: float = CONFIDENCE) -> tuple[float, float, float]:
    """Share of True, and Wilson's interval of it with as many draws as the order in ``hits`` leaves."""
    hits = np.asarray(hits, bool)
    if len(hits) == 0:
        raise ValueError("a share of nothing")
    p, m = float(hits.mean()), max(len(hits) / autocorrelation_time(hits), 1.0)
    return p, *wilson(p, m, confidence)


def wilson(p: float, draws: float, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Wilson's interval of a share, of so many independent draws."""
    z, m = NormalDist().inv_cdf(1 - (1 - confidence) / 2), draws
    middle = (p + z * z / (2 * m)) / (1 + z * z / m)
    half = z / (1 + z * z / m) * math.sqrt(p * (1 - p) / m + z * z / (4 * m * m))
    return max(middle - half, 0.0), min(middle + half, 1.0)


def autocorrelation_time(hits: np.ndarray) -> float:
    """Of a series of bools, at least 1: so many of them tell as much as one independent draw."""
    x = np.asarray(hits, np.float64) - np.mean(hits)
    n, variance = len(x), float(np.mean(x * x))
    if n < 4 or variance == 0:
        return 1.0
    size = 1 << (2 * n - 1).bit_length()
    spectrum = np.fft.rfft(x, size)
    correlation = np.fft.irfft(spectrum * np.conj(spectrum), size)[:n] / (n * variance)
    pairs = correlation[: n - n % 2].reshape(-1, 2).sum(axis=1)
    ends = np.flatnonzero(pairs <= 0)
    positive = np.minimum.accumulate(pairs[: ends[0]] if len(ends) else pairs)
    return float(min(max(2 * positive.sum() - 1, 1.0), n))
