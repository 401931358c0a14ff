"""How a run goes, each second: how late packets left the engine, and what all links carried and lost.

Into the feed, for the recorder.  What links carried is counted where that is a look at shared memory, and of
so few links that the look holds no tick up.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from ..epoch import Epoch, Int64
from ..feed.feed import Feed
from ..plane.backend import Carrier, Lateness
from ..plane.mesh import Carried
from .clock import Clock
from .rounds import Rounds

_LOOK_S = 1.0
MOST_COUNTED = 10_000  # links; the look keeps a commit waiting, 1.5 ms for 3,400 of them
_COUNTS_IN_MEMORY = "engine"


class TellsCarried(Protocol):
    """The part of a MeshPlane that is looked at."""

    def carried(self, rows: Int64 | None) -> Carried | None: ...


class CourseWatch:
    """From ``start`` to ``stop``."""

    def __init__(
        self,
        plane: TellsCarried,
        backend: Carrier,
        clock: Clock,
        epoch: Callable[[], Epoch | None],
        feed: Feed,
        on_failure: Callable[[BaseException], None],
    ) -> None:
        self._plane, self._backend, self._clock, self._epoch = plane, backend, clock, epoch
        self._feed = feed
        self._before_mono_ns = 0
        self._late: Lateness | None = None
        self._counted: tuple[Int64, Int64] | None = None
        self._rounds = Rounds("course", _LOOK_S, self._look, on_failure)

    def start(self) -> None:
        self._before_mono_ns, self._late = time.monotonic_ns(), self._backend.lateness()
        self._rounds.start()

    def stop(self) -> None:
        self._rounds.stop()

    def _look(self) -> None:
        mono_ns, sim_ns = time.monotonic_ns(), self._clock.sim_ns()
        late, counted = self._backend.lateness(), self._count()
        row = lateness_of(self._late, late) | carried_of(self._counted, counted)
        lasted_ns = mono_ns - self._before_mono_ns
        self._before_mono_ns, self._late, self._counted = mono_ns, late, counted
        if row:
            self._feed.put("course", {"sim_ns": sim_ns, "mono_ns": mono_ns, "lasted_ns": lasted_ns} | row)

    def _count(self) -> tuple[Int64, Int64] | None:
        """Keys of links, and what each has counted; None: not known now."""
        epoch = self._epoch()
        if epoch is None or self._backend.name != _COUNTS_IN_MEMORY or len(epoch.links) > MOST_COUNTED:
            return None
        found = self._plane.carried(None)
        # of the plane's own epoch: another may have come since the one above was asked for
        return None if found is None else (found.links.key(), found.columns)


def lateness_of(before: Lateness | None, now: Lateness | None) -> dict[str, Any]:
    """Of the packets that left between two looks; nothing where none can be told."""
    if before is None or now is None:
        return {}
    found = now.since(before)
    return {
        "late_packets": int(found.count.sum()),
        "late_p50_ns": found.quantile_ns(0.5),
        "late_p99_ns": found.quantile_ns(0.99),
        "late_max_ns": found.max_ns or None,
    }


def carried_of(before: tuple[Int64, Int64] | None, now: tuple[Int64, Int64] | None) -> dict[str, Any]:
    """By all links together, of (n,) keys and (n, 4) columns as in Carried; nothing where none can be told.

    A link that is new, or counts anew, has counted all since; what one that is gone counted last is lost.
    """
    if before is None or now is None:
        return {}
    more = now[1].copy()
    _, here, there = np.intersect1d(now[0], before[0], assume_unique=True, return_indices=True)
    since = more[here] - before[1][there]
    goes_on = (since >= 0).all(axis=1)
    more[here[goes_on]] = since[goes_on]
    up, down, packets, lost = more.sum(axis=0).tolist()
    return {"bytes": up + down, "packets": packets, "lost": lost}
