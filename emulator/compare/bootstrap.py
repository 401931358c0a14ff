"""Quantiles and shares of blocks of time that are drawn anew, many times at once.  Pure.

A draw is how often each block comes in it: a row of weights.  Values are sorted once into bins at their own
ranks (each value its own bin up to MOST_EXACT of them), and all draws' quantiles follow from one product of
matrices: a million samples and 2,000 draws take a second.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DRAWS = 2000
MOST_EXACT = 2048
_AT_ONCE = 250  # draws of one product: it stays in the processor's cache
_COUNTED = 10  # so many draws beyond a bound are a share that may be counted


def weights(n_blocks: int, draws: int, seed: Sequence[int]) -> Floats:
    """(draws, n_blocks): how often each block comes.  The same seed gives the same."""
    random = np.random.default_rng([*seed, n_blocks])
    return random.multinomial(n_blocks, np.full(n_blocks, 1 / n_blocks), size=draws).astype(np.float64)


def quantiles(values: Floats, block: Ints, weight: Floats, at: Sequence[float]) -> Floats:
    """(draws, len(at)) of values (n,), each in a block; NaN where a draw has none of them."""
    n, n_blocks = len(values), weight.shape[1]
    if n == 0:
        return np.full((len(weight), len(at)), np.nan)
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    edges = _edges(n)
    which = np.repeat(np.arange(len(edges) - 1), np.diff(edges))
    cell = block[order] * (len(edges) - 1) + which
    counts = np.bincount(cell, minlength=n_blocks * (len(edges) - 1)).astype(np.float64)
    counts = counts.reshape(n_blocks, -1)
    low, high = ordered[edges[:-1]], ordered[edges[1:] - 1]
    found = np.empty((len(weight), len(at)))
    for begin in range(0, len(weight), _AT_ONCE):
        rows = weight[begin : begin + _AT_ONCE] @ counts
        below = np.cumsum(rows, axis=1)
        total = below[:, -1]
        line = np.arange(len(rows))
        for k, q in enumerate(at):
            wanted = q * total
            cell_at = np.minimum((below < wanted[:, None]).sum(axis=1), rows.shape[1] - 1)
            inside = rows[line, cell_at]
            part = (wanted - below[line, cell_at] + inside) / np.where(inside > 0, inside, 1)
            value = low[cell_at] + np.clip(part, 0, 1) * (high[cell_at] - low[cell_at])
            found[begin : begin + len(rows), k] = np.where(total > 0, value, np.nan)
    return found


def _edges(n: int) -> Ints:
    """Ranks at which bins begin: finer at both ends, since tails are asked for."""
    if n <= MOST_EXACT:
        return np.arange(n + 1)
    tail = np.geomspace(1, n / 2, MOST_EXACT // 4)
    ranks = np.concatenate([np.linspace(0, n, MOST_EXACT // 2 + 1), n - tail, tail])
    return np.unique(np.round(ranks).astype(np.int64))


def shares(hits: Floats, of: Floats, weight: Floats) -> Floats:
    """(draws,) share of hits, both counted by block; NaN where a draw has none."""
    total = weight @ of
    return np.where(total > 0, (weight @ hits) / np.where(total > 0, total, 1), np.nan)


@dataclass(frozen=True)
class Spread:
    """What the draws of a difference say: its interval, and how likely noise alone goes as far."""

    low: float
    high: float
    p: float  # two-sided, that the difference is beyond the floor by chance
    error: float  # standard error


def spread(draws: Floats, estimate: float, n_blocks: int, confidence: float, floor: float = 0.0) -> Spread:
    """By percentiles, widened for few blocks as Student's t is (Hesterberg, 2015: "expanded percentile").

    ``floor``: differences up to it count as none.  Beyond what draws can count, the tail is taken for that
    of a normal distribution.
    """
    from scipy.special import ndtr, ndtri, stdtr, stdtrit

    draws = draws[np.isfinite(draws)]
    freedom = n_blocks - 1
    wider = np.sqrt(n_blocks / freedom)
    if len(draws) == 0:
        return Spread(np.nan, np.nan, 1.0, np.nan)
    beyond = float(ndtr(-wider * float(stdtrit(freedom, (1 + confidence) / 2))))
    low, high = np.quantile(draws, [beyond, 1 - beyond])
    error = float(draws.std()) * wider
    sign = 1.0 if estimate >= 0 else -1.0
    short = int((sign * draws <= floor).sum())
    tail = (short + 1) / (len(draws) + 1)
    if short < _COUNTED:
        rank = _COUNTED / len(draws)
        far = sign * estimate - float(np.quantile(sign * draws, rank))
        if far > 0:
            scale = far / float(-ndtri(rank))
            tail = min(tail, max(float(ndtr((floor - sign * estimate) / scale)), 1e-300))
        elif sign * estimate > floor and short == 0:  # all draws are alike: nothing varies
            tail = 1e-300
    p = 1.0 if sign * estimate <= floor else min(1.0, 2 * float(stdtr(freedom, ndtri(tail) / wider)))
    return Spread(float(min(low, estimate)), float(max(high, estimate)), p, error)
