"""Which pair of pipes carries which ground link.  Pure.

A ground link takes two pipes, 2j down from the satellite and 2j + 1 up from the
gateway, while an epoch has it and for the scenario's overlap after that.  Pairs
are used again, the lowest first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...epoch import NS_PER_S, Float64, Int32, Int64
from ...errors import RunError

_NOBODY, _STAYS = -1, np.iinfo(np.int64).max


@dataclass(frozen=True, eq=False)
class GroundLinks:
    """n links, by key (as Links.key(), rising); delay one way, rates emulated; down: from the satellite."""

    key: Int64
    delay_ns: Float64
    slope_ns_per_s: Float64
    down_bps: NDArray[np.float32]
    up_bps: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.key)


class GroundPairs:
    """``owner`` is (n_pairs,) int64: the key of the link that has the pair, or -1.

    The other arrays, (n_pairs,) as well, say what its pipes are like at the last
    ``follow``: a link that an epoch has dropped goes on as its slope says.
    """

    def __init__(self, n_pairs: int) -> None:
        self.owner = np.full(n_pairs, _NOBODY, np.int64)
        self.delay_ns, self.slope_ns_per_s = np.zeros(n_pairs), np.zeros(n_pairs)
        self.down_bps, self.up_bps = np.zeros(n_pairs, np.float32), np.zeros(n_pairs, np.float32)
        self._until_ns = np.full(n_pairs, _STAYS, np.int64)
        self._sim_ns = 0

    def follow(
        self,
        links: GroundLinks,
        sim_ns: int,
        overlap_ns: int,
        broken: Int64 | None = None,
        at_ns: int | None = None,
    ) -> Int32:
        """Give each link of an epoch its pair, (n,) int32; the others go once their overlap is over.

        ``overlap_ns`` 0: at once, as those whose keys are ``broken``; it counts from ``at_ns``, the machine's
        instant of the epoch, where that is given: packets fly in real time.  RunError where there are more
        links than pairs.
        """
        at_ns = sim_ns if at_ns is None else at_ns
        self.delay_ns += self.slope_ns_per_s * ((sim_ns - self._sim_ns) / NS_PER_S)
        self._sim_ns = sim_ns
        taken = self.owner != _NOBODY
        in_epoch = taken & np.isin(self.owner, links.key)
        leaving = taken & ~in_epoch
        fresh = leaving & (self._until_ns == _STAYS)
        self._until_ns[fresh] = at_ns + overlap_ns
        self._until_ns[in_epoch] = _STAYS
        if broken is not None:
            self._until_ns[leaving & np.isin(self.owner, broken)] = at_ns
        self._free(np.flatnonzero(leaving & (self._until_ns <= at_ns)))

        held = np.flatnonzero(self.owner != _NOBODY)
        held = held[np.argsort(self.owner[held])]
        pair = np.full(len(links), -1, np.int32)
        place = np.searchsorted(self.owner[held], links.key)
        known = place < len(held)
        known[known] = self.owner[held[place[known]]] == links.key[known]
        pair[known] = held[place[known]]
        new = np.flatnonzero(~known)
        pair[new] = self._take(len(new))
        self.owner[pair] = links.key
        self._until_ns[pair] = _STAYS
        self.delay_ns[pair], self.slope_ns_per_s[pair] = links.delay_ns, links.slope_ns_per_s
        self.down_bps[pair], self.up_bps[pair] = links.down_bps, links.up_bps
        return pair

    def _take(self, n: int) -> Int64:
        free = np.flatnonzero(self.owner == _NOBODY)
        if n > len(free):
            # a link's overlap ends early where its pipes are needed: the first to go goes first
            lingering = np.flatnonzero(self._until_ns != _STAYS)
            over = lingering[np.argsort(self._until_ns[lingering], kind="stable")]
            self._free(over[: n - len(free)])
            free = np.flatnonzero(self.owner == _NOBODY)
        if n > len(free):
            raise RunError(f"there is room for {len(self.owner)} ground links at once, and not for more")
        return free[:n]

    def _free(self, pairs: Int64) -> None:
        self.owner[pairs] = _NOBODY
        self._until_ns[pairs] = _STAYS
        self.delay_ns[pairs] = self.slope_ns_per_s[pairs] = 0
        self.down_bps[pairs] = self.up_bps[pairs] = 0
