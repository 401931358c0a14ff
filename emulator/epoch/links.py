"""The links of an instant: who is joined to whom, how far, at what rate.  Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise

import numpy as np

from ..arrays import Bool, Float64, Int32, Int64, UInt8, pair_keys


class LinkKind(IntEnum):
    LASER = 0
    GROUND = 1


@dataclass(frozen=True, eq=False)
class Links:
    """Every link that exists at an instant; a struct of (n,) arrays sorted by ``(a, b)``, a < b.

    ``delay_ns`` is one way (range / c) at the epoch's instant, and
    ``delay_slope_ns_per_s`` how it changes (range rate / c).  Rates are
    physical, one per direction; the scenario's ``rate_scale`` is applied where
    the emulated network is made.  ``up``: False where a link has failed and the
    routes do not know yet (None: all are up).  ``broken``: keys, rising, of
    those that failed and are in the epoch no more: nothing lingers on them.
    ``loss_ratio``: of those that lose otherwise than the scenario's links do,
    NaN for the others (None: for all).
    """

    a: Int32
    b: Int32
    kind: UInt8
    delay_ns: Float64
    delay_slope_ns_per_s: Float64
    rate_ab_bps: Int64
    rate_ba_bps: Int64
    up: Bool | None = None
    broken: Int64 | None = None
    loss_ratio: Float64 | None = None

    def __len__(self) -> int:
        return len(self.a)

    def key(self) -> Int64:
        """(n,) int64, one number per pair of nodes, rising."""
        return pair_keys(self.a, self.b)

    def find(self, u: int, v: int) -> int:
        """Row of the link between two nodes, or -1."""
        low, high = min(u, v), max(u, v)
        first, last = np.searchsorted(self.a, np.array([low, low + 1], self.a.dtype)).tolist()
        row = first + int(np.searchsorted(self.b[first:last], np.array(high, self.b.dtype)))
        return row if row < last and self.b[row] == high else -1

    def along(self, path: Sequence[int]) -> Int64:
        """(hops,) int64: the rows of the links along a path; KeyError where one is missing."""
        rows = [self.find(u, v) for u, v in pairwise(path)]
        for hop, row in enumerate(rows):
            if row < 0:
                raise KeyError(f"no link between nodes {path[hop]} and {path[hop + 1]}")
        return np.array(rows, np.int64)
