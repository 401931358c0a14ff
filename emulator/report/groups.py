"""Many values at once: quantiles of groups, bins of time.  Pure; a million values in less than a second."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MOST_BINS = 120
_NICE = (1, 2, 5)


def quantiles_of_groups(group: Ints, values: Floats, n_groups: int, qs: Sequence[float]) -> Floats:
    """(n_groups, len(qs)): of each group of the values that are numbers, by numpy's linear interpolation.

    NaN for a group without any.  ``group`` is (n,), negative where a value belongs to none.
    """
    found = np.full((n_groups, len(qs)), np.nan)
    use = (group >= 0) & ~np.isnan(values)
    group, values = group[use], values[use]
    if not len(values):
        return found
    order = np.lexsort((values, group))
    group, values = group[order], values[order]
    begin = np.searchsorted(group, np.arange(n_groups))
    n = np.searchsorted(group, np.arange(n_groups), side="right") - begin
    some = n > 0
    for column, q in enumerate(qs):
        place = q * (n[some] - 1)
        low = np.floor(place).astype(np.int64)
        high = np.minimum(low + 1, n[some] - 1)
        first, second = values[begin[some] + low], values[begin[some] + high]
        found[some, column] = first + (second - first) * (place - low)
    return found


def counts_of_groups(group: Ints, n_groups: int, use: NDArray[np.bool_] | None = None) -> Ints:
    kept = group[(group >= 0) if use is None else (group >= 0) & use]
    return np.bincount(kept, minlength=n_groups).astype(np.int64)


class Bins:
    """Equal spans of time from ``begin_ns`` to ``end_ns``, of a width that people count in."""

    def __init__(self, begin_ns: float, end_ns: float, most: int = MOST_BINS, least_ns: float = 1.0) -> None:
        """``least_ns``: no bin is narrower, as where that is how often something is measured."""
        self.begin_ns, self.end_ns = float(begin_ns), float(max(end_ns, begin_ns + 1))
        self.least_ns = least_ns
        self.width_ns = nice_width(self.end_ns - self.begin_ns, most, least_ns)
        self.n = max(1, int(np.ceil((self.end_ns - self.begin_ns) / self.width_ns)))

    def of(self, instants_ns: Floats) -> Ints:
        """Which bin each is in; -1: in none."""
        place = np.floor((instants_ns - self.begin_ns) / self.width_ns)
        place = np.where(instants_ns == self.end_ns, self.n - 1, place)
        outside = np.isnan(place) | (place < 0) | (place >= self.n)
        return np.where(outside, -1, place).astype(np.int64)

    @property
    def middles_s(self) -> Floats:
        return np.asarray((self.begin_ns + (np.arange(self.n) + 0.5) * self.width_ns) / 1e9, np.float64)


def nice_width(long_ns: float, most: int, least_ns: float = 1.0) -> float:
    """1, 2 or 5 times a power of ten of nanoseconds, the least that needs no more than so many."""
    wanted = max(long_ns / most, least_ns, 1)
    power = 10 ** np.floor(np.log10(wanted))
    return float(next(k * power for k in (*_NICE, 10) if k * power >= wanted * (1 - 1e-12)))


def numbers(values: Any, digits: int = 6) -> tuple[float | None, ...]:
    """For a plot's data: None for what is no number; so many digits as a screen could show."""
    return tuple(
        None if not np.isfinite(v) else float(f"{v:.{digits}g}") for v in np.asarray(values, np.float64)
    )
