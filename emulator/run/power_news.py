"""Into the feed: which satellites with a process are in the shadow, and what holds them back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..epoch import HELD_BACK_BY, Bool, Epoch
from ..feed.feed import Feed
from .ticks import Tick

_DARK = 0.5  # of the Sun's disk: the edge that a shadow without a penumbra has


class PowerNews:
    """``tick`` after each tick, in the conductor's thread; the first is only held against."""

    def __init__(self, feed: Feed, names: Sequence[str], hosting: Bool, n_satellites: int) -> None:
        self._feed, self._names = feed, names
        self._hosts = np.flatnonzero(hosting[:n_satellites])
        self._before: Epoch | None = None

    def tick(self, tick: Tick) -> None:
        before, self._before = self._before, tick.epoch
        for event in power_events(before, tick.epoch, self._hosts.tolist(), self._names):
            self._feed.put("event", event)


def power_events(
    before: Epoch | None, epoch: Epoch, hosts: Sequence[int], names: Sequence[str]
) -> list[dict[str, Any]]:
    """What changed for these satellites between two epochs; nothing where they have no platforms."""
    if before is None or before.platforms is None or epoch.platforms is None:
        return []
    old, new = before.platforms, epoch.platforms
    rows = np.asarray(hosts, np.int64)
    was, is_dark = old.sunlit_ratio[rows] < _DARK, new.sunlit_ratio[rows] < _DARK
    when = {"number": epoch.number, "sim_ns": epoch.sim_ns}
    told = []
    for event, changed in (("eclipse", is_dark & ~was), ("sunlight", was & ~is_dark)):
        if changed.any():
            of = [names[row] for row in rows[changed].tolist()]
            told.append({"event": event} | when | {"n": len(of), "of": of})
    other = rows[old.cause[rows] != new.cause[rows]].tolist()
    if other:
        held = [
            {
                "satellite": names[row],
                "cause": HELD_BACK_BY[new.cause[row]] or None,
                "capacity_ratio": float(new.capacity_ratio[row]),
            }
            for row in other
        ]
        told.append({"event": "held back"} | when | {"n": len(held), "of": held})
    return told
