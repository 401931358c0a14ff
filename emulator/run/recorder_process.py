"""The recorder process, from the run's side: what it is handed, and what it says (see record/facts.py)."""

from __future__ import annotations

import queue
import socket
import threading
import time
from typing import Any

from ..errors import FasterThanLight, RunError
from ..feed.feed import Entry, Feed, Missed
from ..feed.forwarder import Forwarder
from ..feed.parcels import send
from ..processes import Child, tell
from ..record.facts import RunFacts, RunHeader
from ..safe_files import Folder
from . import programs
from .news import ClockNews, EpochNews, singly
from .supervision import Supervision

_FINISH_TIMEOUT_S = 60.0
# of the feed, beside what the recorder finds itself
_RECORDED = {"intervention", "intervention ended", "paused", "resumed", "stepped", "speed"}


class RecorderProcess:
    """``digest`` is of the last seconds; ``summary`` is there once ``finish`` has returned."""

    def __init__(self, supervision: Supervision, samples: socket.socket, feed: Feed, folder: Folder) -> None:
        self._supervision, self._feed = supervision, feed
        self._forwarder: Forwarder | None = None
        self._child = supervision.start("recorder", programs.RECORDER, samples, folder_fd=folder.fd)
        supervision.hear(self._child, self._heard)
        supervision.at_death(self._died)
        self.header: RunHeader | None = None  # of the record, once it has been opened
        self.digest: dict[str, Any] = {}
        self.summary: dict[str, Any] = {}
        self.opened: queue.Queue[None] = queue.Queue()  # told once, when the record is open
        self._is_open = False
        self._recorded = threading.Event()

    def open(self, header: RunHeader) -> None:
        """From now on it is sent what is put into the feed."""
        self.header = header
        tell(self._child, ("open", header))
        self._forwarder = Forwarder(
            self._feed.reader(), self._send, "to the recorder", self._supervision.fail
        )

    def _send(self, news: Entry | Missed) -> None:
        if isinstance(news, Missed):
            self._child.control.send(("missed", news.first, news.last))
        elif news.kind == "links":
            self._child.control.send(("links", news.value["until_mono_ns"], news.value["rows"]))
        elif news.kind == "course":
            self._child.control.send(("course", news.value))
        elif news.kind == "event" and news.value["event"] in _RECORDED:
            for each in singly(news.value):
                self._child.control.send(("intervention", each))
        elif news.kind == "epoch":
            assert news.parcel is not None
            epoch: EpochNews = news.value
            when = (epoch.course, epoch.began_mono_ns, epoch.in_force_mono_ns)
            handed = (epoch.changes.handovers, epoch.changes.n_handovers)
            send(self._child.control, "epoch", news.parcel, epoch.more, *when, *handed)
        elif news.kind == "clock":
            clock: ClockNews = news.value
            self._child.control.send(("clock", clock.course, clock.began_mono_ns, clock.in_force_mono_ns))

    def finish(self, facts: RunFacts) -> bool:
        """Whether it wrote the summary: it may be what died, or does not finish."""
        deadline = time.monotonic() + _FINISH_TIMEOUT_S
        self._feed.close()
        if self._forwarder is not None and self._forwarder.join(_FINISH_TIMEOUT_S):
            tell(self._child, ("finish", facts))  # it has all epochs that it can have
        if not self._recorded.wait(max(0.0, deadline - time.monotonic())):
            self._supervision.fail(
                RunError(f"the recorder did not finish within {_FINISH_TIMEOUT_S:.0f} s; is the disk slow?")
            )
        return bool(self.summary)

    def _died(self, child: Child) -> None:
        if child is self._child:
            self._recorded.set()

    def _heard(self) -> None:
        message = self._child.control.recv()
        match message[0]:
            case "ready":
                self._is_open = True
                self.opened.put(None)
            case "digest":
                self.digest = message[1]
                self._feed.put("digest", message[1], stands=True)
            case "fault":
                if not self._is_open:  # it could not be opened, and leaves nothing
                    self.header = None
                event = "light breached" if isinstance(message[1], FasterThanLight) else "fault"
                self._feed.put("event", {"event": event, "text": str(message[1])})
                self._supervision.fail(message[1])
            case "finished":
                self._supervision.may_end(self._child)
                self.summary = message[1]
                self._recorded.set()
