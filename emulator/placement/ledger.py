"""Requests placed and not finished, by what they were expected to take: never by what was measured."""

from __future__ import annotations

import numpy as np

from ..epoch import NS_PER_S, Float64, Int64

#: who waits longer than this is no longer counted: customers give up, and the book stays small
LONGEST_NS = 600 * NS_PER_S


class Ledger:
    """A fluid: what a gateway sends in a step arrives evenly over it, and leaves as evenly later."""

    def __init__(self, n_satellites: int) -> None:
        self._n = n_satellites
        nothing = np.empty(0)
        self._column: Int64 = np.empty(0, np.int64)
        self._begin_ns, self._end_ns, self._takes_ns, self._count = nothing, nothing, nothing, nothing

    def placed(
        self, column: Int64, count: Float64, takes_ns: Float64, begin_sim_ns: int, end_sim_ns: int
    ) -> None:
        """(p,): so many requests to each satellite, by column, between two instants, each taking so long."""
        n = len(column)
        if end_sim_ns <= begin_sim_ns or n == 0:
            return
        self._column = np.concatenate([self._column, column])
        self._begin_ns = np.concatenate([self._begin_ns, np.full(n, float(begin_sim_ns))])
        self._end_ns = np.concatenate([self._end_ns, np.full(n, float(end_sim_ns))])
        self._takes_ns = np.concatenate([self._takes_ns, np.minimum(takes_ns, LONGEST_NS)])
        self._count = np.concatenate([self._count, count])

    def in_flight(self, sim_ns: int) -> Float64:
        """(h,) at an instant after all that was placed; what is finished by then is forgotten."""
        since = np.maximum(self._begin_ns, sim_ns - self._takes_ns)
        left = np.clip((self._end_ns - since) / (self._end_ns - self._begin_ns), 0.0, 1.0)
        found: Float64 = np.bincount(self._column, left * self._count, self._n).astype(np.float64)
        stay = left > 0
        if not stay.all():
            self._column, self._count = self._column[stay], self._count[stay]
            self._begin_ns, self._end_ns = self._begin_ns[stay], self._end_ns[stay]
            self._takes_ns = self._takes_ns[stay]
        return found
