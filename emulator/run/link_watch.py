"""What packets waited on the links by which customers are answered, looked at ten times a second.

Into the feed, for the recorder: an answer's wait on a link is the mean of the packets that came to that
link in the tenth of a second in which its own did.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Protocol

from ..epoch import Epoch, Int64, Nodes
from ..feed.feed import Feed
from ..plane.mesh import LinkReader
from .rounds import Rounds
from .ticks import Tick

_LOOK_S = 0.1
_TELL_EVERY = 10  # looks
# An answer that began with another assignment may still be on its way for so long.
_KEPT_NS = 120_000_000_000
# Below it the engine's own lateness is more; back-to-back packets would fill the record.
LEAST_WAIT_NS = 10_000

Row = tuple[int, int, str, int, int, int]  # since, until, "a>b", packets, waited, lost


class ReadsLinks(Protocol):
    """The part of a MeshPlane that is looked at."""

    def link_reader(self, ways: Sequence[tuple[int, int]]) -> LinkReader | None: ...


class LinkWatch:
    """``asking``: (gateway, class) pairs.  ``tick`` after each tick, in the conductor's thread."""

    def __init__(
        self,
        plane: ReadsLinks,
        nodes: Nodes,
        asking: Sequence[tuple[str, str]],
        feed: Feed,
        on_failure: Callable[[BaseException], None],
    ) -> None:
        self._plane, self._nodes, self._feed = plane, nodes, feed
        self._asking = [(nodes.index[gateway], customer_class) for gateway, customer_class in asking]
        self._served: dict[tuple[int, int], int] = {}  # gateway and satellite: assigned at last
        self._reader: LinkReader | None = None
        self._before: tuple[int, Int64] | None = None
        self._rows: list[Row] = []
        self._turn = threading.Lock()
        self._looks = 0
        self._rounds = Rounds("links", _LOOK_S, self._look_and_tell, on_failure, at_end=self._tell)

    def start(self) -> None:
        if self._asking and self._reader is not None:
            self._rounds.start()

    def stop(self) -> None:
        self._rounds.stop()

    def tick(self, tick: Tick) -> None:
        if not self._asking:
            return
        now_ns = tick.t0_mono_ns
        for gateway, customer_class in self._asking:
            satellite = tick.assignment.serves(gateway, customer_class)
            if satellite is not None:
                self._served[gateway, satellite] = now_ns
        self._served = {pair: at for pair, at in self._served.items() if now_ns - at < _KEPT_NS}
        reader = self._plane.link_reader(ways_of(tick.epoch, list(self._served)))
        with self._turn:
            self._look()
            self._reader = reader
            self._before = None if reader is None else (time.monotonic_ns(), reader.read())

    def _look_and_tell(self) -> None:
        with self._turn:
            self._look()
        self._looks += 1
        if self._looks % _TELL_EVERY == 0:
            self._tell()

    def _look(self) -> None:
        if self._reader is None or self._before is None:
            return
        since_ns, before = self._before
        now_ns, now = time.monotonic_ns(), self._reader.read()
        self._before = now_ns, now
        names = self._nodes.names
        links = [f"{names[u]}>{names[v]}" for u, v in self._reader.ways]
        self._rows += rows_between(links, since_ns, before, now_ns, now)

    def _tell(self) -> None:
        with self._turn:
            self._look()
            rows, self._rows = self._rows, []
            until_ns = self._before[0] if self._before is not None else time.monotonic_ns()
        told: dict[str, Any] = {"until_mono_ns": until_ns, "rows": rows}
        self._feed.put("links", told)


def ways_of(epoch: Epoch, pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Each direction of a link that is on the way of one of these pairs, there or back."""
    found: set[tuple[int, int]] = set()
    for one, other in pairs:
        for ends in ((one, other), (other, one)):
            if (way := epoch.way(*ends)) is not None:
                found.update(pairwise(map(int, way.nodes)))
    return sorted(found)


def rows_between(
    links: Sequence[str], since_ns: int, before: Int64, until_ns: int, after: Int64
) -> list[Row]:
    """Of the links on which packets waited, or were lost, between two readings."""
    rows = []
    for link, (packets, waited_ns, lost) in zip(links, (after - before).tolist(), strict=True):
        # below 0: the link went, and its place was given to another
        if packets > 0 and (waited_ns >= packets * LEAST_WAIT_NS or lost > 0):
            rows.append((since_ns, until_ns, link, packets, max(0, waited_ns), max(0, lost)))
    return rows
