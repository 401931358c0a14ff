"""What interventions cost in packets, each its own: counted on the links that it broke, or let lose.

A link's drops belong to whoever broke it from just before that until a second after it is whole again, or
has gone from the epochs: so long what was in flight may take to come to its end.
"""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass
from threading import RLock
from typing import Protocol

import numpy as np

from ..epoch import Bool, Epoch, Int64, Links
from ..interventions import Force, Interventions
from .ticks import Ahead, Tick

_LINGERS_NS = 1_000_000_000
_STAYS = np.iinfo(np.int64).max
#: columns of what a plane counts
FAILED, SET = 0, 1
_NONE = np.empty(0, np.int64)


class CountsDrops(Protocol):
    """The part of a MeshPlane that is asked.  ``turn``: its lock, which is the book's, too."""

    @property
    def turn(self) -> RLock: ...
    def drop_places(self, rows: Int64) -> Int64: ...
    def drops(self, places: Int64) -> Int64: ...


@dataclass(frozen=True)
class Cost:
    """Packets: ``failed``, in flight on what failed, or sent there since; ``lost``, by a loss set."""

    failed: int = 0
    lost: int = 0

    def to_dict(self) -> dict[str, int]:
        return {"packets_failed": self.failed, "packets_lost": self.lost}


class InterventionLosses:
    """``prepare`` before an epoch is prepared, ``begin`` just before it is committed, ``tick`` after that."""

    def __init__(self, plane: CountsDrops, kept: Interventions) -> None:
        self._plane, self._kept, self._turn = plane, kept, plane.turn
        # of each place that is watched, for whom and what: what was counted before, and until when
        self._place, self._number, self._column = _NONE, _NONE, _NONE
        self._before, self._until_mono_ns = _NONE, _NONE
        self._fresh: list[tuple[Int64, Int64, int]] = []
        self._total: dict[int, list[int]] = defaultdict(lambda: [0, 0])

    # ---- in the conductor's thread

    def prepare(self, current: Epoch | None, ahead: Ahead) -> None:
        """Links that the next epoch breaks are there now, and perhaps not then."""
        self._fresh = []
        if current is None or not ahead.intervened.begun:
            return
        force = self._kept.at(ahead.epoch.sim_ns)
        if force.breaks:
            rows = np.flatnonzero(force.hits(current.links.a, current.links.b))
            self._find(current.links, rows, force, FAILED)
        if force.changed:
            rows = np.flatnonzero(force.lossy_by(current.links.a, current.links.b) >= 0)
            self._find(current.links, rows, force, SET)

    def begin(self) -> None:
        with self._turn:
            self._watch()

    def tick(self, tick: Tick) -> None:
        links = tick.epoch.links
        if links.up is None and links.loss_ratio is None and not len(self._place):
            return
        force = self._kept.at(tick.epoch.sim_ns)
        with self._turn:
            self._fresh = []
            if links.up is not None:
                self._find(links, np.flatnonzero(~links.up), force, FAILED)
            if links.loss_ratio is not None:
                self._find(links, np.flatnonzero(~np.isnan(links.loss_ratio)), force, SET)
            self._let_go(time.monotonic_ns())
            self._watch()

    def places_gone(self, places: Int64) -> None:
        """They are about to be given to others; by the plane, in its turn."""
        self._close(np.isin(self._place, places))

    # ---- from any thread

    def costs(self) -> dict[int, Cost]:
        """By number, until now; those that have cost nothing are not named."""
        with self._turn:
            found = {number: list(each) for number, each in self._total.items()}
            if len(self._place):
                for number, column, n in zip(
                    self._number.tolist(), self._column.tolist(), self._since().tolist(), strict=True
                ):
                    found.setdefault(number, [0, 0])[column] += n
        return {number: Cost(*each) for number, each in found.items() if any(each)}

    # ---- inside

    def _find(self, links: Links, rows: Int64, force: Force, column: int) -> None:
        if not len(rows):
            return
        a, b = links.a[rows], links.b[rows]
        number = force.broken_by(a, b) if column == FAILED else force.lossy_by(a, b)
        places = self._plane.drop_places(rows)
        place, number = places.ravel(), np.repeat(number, places.shape[1])
        known = (place >= 0) & (number >= 0)
        self._fresh.append((place[known], number[known], column))

    def _watch(self) -> None:
        """Those that were found, from now on; those that were watched go on."""
        for place, number, column in self._fresh:
            # what another has there from now on is no more of whom it was
            if len(place):
                order = np.argsort(place)
                at = order[np.minimum(np.searchsorted(place[order], self._place), len(place) - 1)]
                is_here = (place[at] == self._place) & (self._column == column)
                self._close(is_here & (number[at] != self._number))
            mine = _ids(self._place, self._number, self._column)
            asked = _ids(place, number, np.full(len(place), column))
            again = np.isin(mine, asked)
            self._until_mono_ns[again] = _STAYS
            new = ~np.isin(asked, mine)
            if not new.any():
                continue
            self._place = np.concatenate([self._place, place[new]])
            self._number = np.concatenate([self._number, number[new]])
            self._column = np.concatenate([self._column, np.full(int(new.sum()), column)])
            before = self._plane.drops(place[new])[:, column]
            self._before = np.concatenate([self._before, before])
            until = np.full(int(new.sum()), _STAYS)
            self._until_mono_ns = np.concatenate([self._until_mono_ns, until])
        self._fresh = []

    def _let_go(self, now_mono_ns: int) -> None:
        """What this tick does not hit any more has a while to go; whose while is over is counted."""
        hit = np.zeros(len(self._place), np.bool_)
        for place, number, column in self._fresh:
            asked = _ids(place, number, np.full(len(place), column))
            hit |= np.isin(_ids(self._place, self._number, self._column), asked)
        leaving = ~hit & (self._until_mono_ns == _STAYS)
        self._until_mono_ns[leaving] = now_mono_ns + _LINGERS_NS
        self._close(self._until_mono_ns <= now_mono_ns)

    def _close(self, over: Bool) -> None:
        if not over.any():
            return
        for number, column, n in zip(
            self._number[over].tolist(),
            self._column[over].tolist(),
            self._since(over).tolist(),
            strict=True,
        ):
            self._total[number][column] += n
        kept = ~over
        self._place, self._number, self._column = self._place[kept], self._number[kept], self._column[kept]
        self._before, self._until_mono_ns = self._before[kept], self._until_mono_ns[kept]

    def _since(self, rows: Bool | None = None) -> Int64:
        """(n,) packets since each is watched."""
        rows = np.ones(len(self._place), np.bool_) if rows is None else rows
        counted = self._plane.drops(self._place[rows])
        column = self._column[rows]
        since: Int64 = counted[np.arange(len(column)), column] - self._before[rows]
        return np.maximum(since, 0)


def _ids(place: Int64, number: Int64, column: Int64) -> Int64:
    ids: Int64 = ((place << 1 | column) << 24) | (number & 0xFFFFFF)
    return ids
