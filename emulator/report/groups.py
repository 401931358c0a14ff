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
_OF_CLOCKS_S = (10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14_400, 43_200, 86_400)
# longest first; an axis counts in one from so many of it on
_UNITS = (("h", 3_600e9), ("min", 60e9), ("s", 1e9))
_MANY = 5


def quantiles_of_groups(group: Ints, values: Floats, n_groups: int, qs: Sequence[float]) -> Floats:
    """(n_groups, len(qs)): of each group of the values that are numbers, by numpy's linear interpolation.

    NaN for a group without any.  ``group`` is (n,), negative where a value belongs to none.
    """
    found = np.full((n_groups, len(qs)), np.nan)
    use = (group >= 0) & ~np.isnan(values)
    group, values = group[use], values[use]
    if not len(values):
        return found
    group, values = _sorted(group, values, n_groups)
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


def _sorted(group: Ints, values: Floats, n_groups: int) -> tuple[Ints, Floats]:
    """By group, then value."""
    if n_groups == 1:
        return group, np.sort(values)
    order = np.argsort(values)
    # numbers of 16 bits are sorted in one go through them
    narrow = group[order].astype(np.int16 if n_groups < 2**15 else np.int64)
    order = order[np.argsort(narrow, kind="stable")]
    return group[order], values[order]


def counts_of_groups(group: Ints, n_groups: int, use: NDArray[np.bool_] | None = None) -> Ints:
    kept = group[(group >= 0) if use is None else (group >= 0) & use]
    return np.bincount(kept, minlength=n_groups).astype(np.int64)


class Bins:
    """Equal spans of time, of a width that people count in, in which all is from ``from_ns`` to ``end_ns``.

    The first may begin a part of its width before: at ``begin_ns``, so that each ends where a clock would.
    """

    def __init__(self, from_ns: float, end_ns: float, most: int = MOST_BINS, least_ns: float = 1.0) -> None:
        """``least_ns``: no bin is narrower, as where that is how often something is measured."""
        self.from_ns, self.end_ns = float(from_ns), float(max(end_ns, from_ns + 1))
        self.least_ns = least_ns
        self.width_ns = nice_width(self.end_ns - self.from_ns, most, least_ns)
        self.begin_ns = float(np.floor(self.from_ns / self.width_ns) * self.width_ns)
        self.n = max(1, int(np.ceil((self.end_ns - self.begin_ns) / self.width_ns)))

    def of(self, instants_ns: Floats) -> Ints:
        """Which bin each is in; -1: in none."""
        place = np.floor((instants_ns - self.begin_ns) / self.width_ns)
        place = np.where(instants_ns == self.end_ns, self.n - 1, place)
        outside = np.isnan(place) | (place < 0) | (place >= self.n)
        return np.where(outside, -1, place).astype(np.int64)

    @property
    def _unit(self) -> tuple[str, float]:
        """In which people would say how long that is."""
        return next((unit for unit in _UNITS if self.end_ns - self.from_ns >= unit[1] * _MANY), _UNITS[-1])

    def shown(self, instants_ns: Any) -> Any:
        """As the axis counts them."""
        return np.asarray(instants_ns, np.float64) / self._unit[1]

    @property
    def middles(self) -> Floats:
        return np.asarray(self.shown(self.begin_ns + (np.arange(self.n) + 0.5) * self.width_ns), np.float64)

    @property
    def x_range(self) -> tuple[float, float]:
        """With the whole of the last bin: its point is in its middle."""
        return float(self.shown(self.begin_ns)), float(self.shown(self.begin_ns + self.n * self.width_ns))

    @property
    def axis(self) -> str:
        return f"emulated time, {self._unit[0]}"

    @property
    def whole(self) -> str:
        begin, end = float(self.shown(self.from_ns)), self.shown(self.end_ns)
        return f"{round(begin, 1):,g} to {end:,.1f} {self._unit[0]} of emulated time"

    @property
    def long(self) -> str:
        return f"{float(self.shown(self.end_ns - self.from_ns)):,.1f} {self._unit[0]} of emulated time"

    @property
    def width(self) -> str:
        unit = next((unit for unit in _UNITS if self.width_ns >= unit[1]), _UNITS[-1])
        return f"{self.width_ns / unit[1]:g} {unit[0]}"


def nice_width(long_ns: float, most: int, least_ns: float = 1.0) -> float:
    """The least that needs no more than so many: as clocks have them, else 1, 2 or 5 times a power of ten."""
    wanted = max(long_ns / most, least_ns, 1)
    if (
        clock := next((s * 1e9 for s in _OF_CLOCKS_S if s * 1e9 >= wanted * (1 - 1e-12)), None)
    ) and wanted > 5e9:
        return clock
    power = 10 ** np.floor(np.log10(wanted))
    return float(next(k * power for k in (*_NICE, 10) if k * power >= wanted * (1 - 1e-12)))


def numbers(values: Any, digits: int = 6) -> tuple[float | None, ...]:
    """For a plot's data: None for what is no number; so many digits as a screen could show."""
    return tuple(
        None if not np.isfinite(v) else float(f"{v:.{digits}g}") for v in np.asarray(values, np.float64)
    )
