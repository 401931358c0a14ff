"""A look at a run now and then while no page does: for what charts and events will tell of that time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ..control.client import Client
from ..errors import OrbitmeshError, RunEnded
from ..feed.feed import Entry
from ..feed.opened import opened
from . import messages
from .epochs import EpochWriter
from .traffic import Traffic

if TYPE_CHECKING:
    from .live import LiveSource

#: of entries, for what was before
KINDS = ("event", "status")
_COUNTING_RATIO = 0.005  # of the time, at most: some planes ask the kernel of each link
_TRIES = 2  # an epoch may come between it and what its links carried


class Glance:
    """For the reader's thread."""

    def __init__(self, source: LiveSource) -> None:
        self._source = source
        self._next_count_s = 0.0
        self.forget()

    def forget(self) -> None:
        """What was counted: a page looks meanwhile, and that is noted elsewhere."""
        self._writer = EpochWriter(self._source.shown)
        self._traffic = Traffic(self._source.shown.scenario.run.rate_scale)

    def look(self, client: Client, seen: int) -> int:
        """From an entry's number on; the number of the next one, or -1: the run is over."""
        watching = client.watching(seen, kinds=KINDS)
        while (news := watching.read(0)) is not None:
            if isinstance(news, Entry):
                tell_past(self._source, news)
        if watching.is_at_end:
            return -1
        if time.monotonic() >= self._next_count_s:
            self._count(client)
        return watching.position or 0

    def _count(self, client: Client) -> None:
        for _ in range(_TRIES):
            entry = client.watching(epochs=True, kinds=("epoch",)).read(0)
            if not isinstance(entry, Entry):
                return  # the mesh is being built
            epoch = opened(entry)
            self._writer.take(epoch)
            rows = self._writer.rows
            self._traffic.epoch(epoch, rows, self._writer.links_number)
            began_s = time.monotonic()
            try:
                answer = client.carried(None if rows is None else rows.tolist())
            except RunEnded:
                raise
            except OrbitmeshError:
                continue  # rows of an epoch that has gone
            finally:
                now_s = time.monotonic()
                self._next_count_s = now_s + (now_s - began_s) / _COUNTING_RATIO
            if answer["epoch_number"] == epoch.number:
                found = self._traffic.take(answer)
                if found is not None:
                    self._source.call(self._source.past.traffic, epoch.sim_ns, found)
                return


def tell_past(source: LiveSource, entry: Entry) -> None:
    """An event, or a status of before."""
    if entry.kind == "status":
        source.call(source.past.status, entry.value)
    elif entry.kind == "event":
        message = messages.event(entry.number + 1, entry.value, source.nodes, source.now_sim_ns())
        source.call(source.take_event, entry.number + 1, message)
