"""Entries of a run's feed on their way to pages: messages are made here, in the reader's own thread."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from ..control.client import Client
from ..course import Course
from ..errors import OrbitmeshError
from ..feed.feed import Entry
from ..feed.opened import opened
from . import messages

if TYPE_CHECKING:
    from .live import LiveSource

log = logging.getLogger(__name__)

_MOST_INTERVENTIONS = 500  # that are listed
_ANEW_S = 1.0  # between two looks at what is failed or changed


class Reader:
    """What takes long is done here, before the event loop is told."""

    def __init__(self, source: LiveSource) -> None:
        self._source = source
        self._writer, self._shown = source.writer, source.shown
        self._looked_s, self._is_stale = 0.0, False
        self._asker: Client | None = None

    def take(self, entry: Entry) -> None:
        source, value = self._source, entry.value
        match entry.kind:
            case "epoch":
                self._epoch(entry)
            case "clock":
                course = Course(value["t0_sim_ns"], value["t0_mono_ns"], value["ratio"])
                is_later = self._writer.epoch is not None and course.sim_ns >= self._writer.epoch.sim_ns
                message = self._writer.message(course, course.sim_ns) if is_later else b""
                source.call(source.take_course, course, message)
            case "status":
                if self._is_stale and time.monotonic() - self._looked_s > _ANEW_S:
                    self.intervened()
                source.call(source.take_status, value, messages.status(value, source.nodes))
            case "event":
                now_ns = source.now_sim_ns()
                message = messages.event(entry.number + 1, value, source.nodes, now_ns)
                source.call(source.take_event, entry.number + 1, message)
                if value["event"].startswith("intervention"):
                    self._is_stale = True
                    if time.monotonic() - self._looked_s > _ANEW_S:
                        self.intervened()

    def close(self) -> None:
        asker, self._asker = self._asker, None
        if asker is not None:
            asker.__exit__()

    def _epoch(self, entry: Entry) -> None:
        source, value = self._source, entry.value
        epoch = opened(entry)
        course = Course(value["t0_sim_ns"] or epoch.sim_ns, value["t0_mono_ns"], value["ratio"])
        is_other = self._writer.take(epoch, source.asks.wanted_rows(epoch))
        links = self._writer.links_message if is_other else b""
        source.call(source.take_epoch, epoch, self._writer.rows, course, links, self._writer.message(course))
        source.asks.follow(epoch)

    def intervened(self) -> None:
        """What is failed or changed now, asked anew."""
        self._is_stale, self._looked_s = False, time.monotonic()
        source = self._source
        try:
            if self._asker is None:
                self._asker = source.connect()
            listed = self._asker.interventions()
            _, self._shown.interventions, _ = self._asker.scenario()
        except OrbitmeshError as error:
            self.close()
            self._is_stale = True
            log.warning("what is failed or changed cannot be asked: %s", error)
            return
        epoch = self._writer.message(source.course) if self._writer.epoch is not None else b""
        source.call(source.take_interventions, messages.interventions(listed[:_MOST_INTERVENTIONS]), epoch)
