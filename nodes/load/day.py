"""A rate that follows the hour of the day, and the time in which so many requests are due."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

_NS_PER_HOUR = 3600 * 10**9


class DayCurve:
    """Relative rate by local hour: straight lines between the middles of the hours, over and over; mean 1.

    Pure.  ``due(t)`` is the integral of the rate from 0 to t in hours, ``when`` its inverse: requests that
    come by a process of rate 1 on the axis of ``due`` come by the day's rate on that of time.
    """

    def __init__(self, hours: Sequence[float], local_hour_at_start: float) -> None:
        mean = sum(hours) / len(hours)
        self._rates = [hour / mean for hour in hours]
        self._n = len(hours)
        # knots at the middles: hour i is worth its factor at i + 0.5
        pieces = [(self._rates[i] + self._rates[(i + 1) % self._n]) / 2 for i in range(self._n)]
        self._due = [0.0, *accumulate(pieces)]  # at each knot, from the first
        self._day_due = self._due[-1]
        self._start = (local_hour_at_start - 0.5) % self._n
        self._due_at_start = self._due_from_knot(self._start)

    @property
    def flat(self) -> bool:
        return max(self._rates) == min(self._rates)

    def _due_from_knot(self, hours: float) -> float:
        days, within = divmod(hours, self._n)
        knot = min(int(within), self._n - 1)
        x = within - knot
        a, b = self._rates[knot], self._rates[(knot + 1) % self._n]
        return days * self._day_due + self._due[knot] + a * x + (b - a) * x * x / 2

    def due(self, hours: float) -> float:
        return self._due_from_knot(self._start + hours) - self._due_at_start

    def when(self, due: float) -> float:
        """Hours from the start; the first instant where the rate is 0 for a while."""
        days, within = divmod(self._due_at_start + due, self._day_due)
        knot = self._knot(within)
        a, b = self._rates[knot], self._rates[(knot + 1) % self._n]
        rest = within - self._due[knot]
        slope = b - a
        # the smaller root of slope/2 x² + a x - rest, in the form that loses no digits
        root = (a * a + 2 * slope * rest) if a * a + 2 * slope * rest > 0 else 0.0
        x = 2 * rest / (a + root**0.5) if rest > 0 else 0.0
        return days * self._n + knot + min(x, 1.0) - self._start

    def _knot(self, within: float) -> int:
        low, high = 0, self._n - 1
        while low < high:
            middle = (low + high + 1) // 2
            if self._due[middle] <= within:
                low = middle
            else:
                high = middle - 1
        return low


def hours_of_ns(ns: int) -> float:
    return ns / _NS_PER_HOUR


def ns_of_hours(hours: float) -> int:
    return round(hours * _NS_PER_HOUR)
