"""What has been read of a run's feed: its latest word, and counters of what happened since reading began."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Any, Protocol

from ..feed.feed import Entry, Missed, Watcher
from ..feed.parcels import Parcel
from ..record.totals import MOST_GATEWAYS, OTHERS
from .epoch_figures import EpochFigures, figures
from .layout import Labels, Layout

#: those of the feed; what else may come is counted together
EVENTS = (
    "laser lost", "laser gained", "handover", "eclipse", "sunlight", "held back", "refused", "served again",
    "intervention", "intervention ended", "late tick", "node died", "light breached", "fault", "paused",
    "resumed", "stepped", "speed",
)  # fmt: skip


class EndingWatcher(Watcher, Protocol):
    is_at_end: bool


class Seen:
    """One thread takes; any may ask."""

    def __init__(self, layout: Layout | None = None) -> None:
        """``layout``: None of a mesh elsewhere, of which no epochs come."""
        self.layout = layout
        self.gateways = Labels(MOST_GATEWAYS, () if layout is None else layout.gateways)
        self.status: dict[str, Any] = {}
        self.digest: dict[str, Any] = {}
        self.events: Counter[str] = Counter(dict.fromkeys((*EVENTS, OTHERS), 0))
        self.handovers: Counter[str] = Counter()
        self.missed = 0
        self.status_mono_s: float | None = None
        self._lock = threading.Lock()
        self._parcel: Parcel | None = None
        self._figures: EpochFigures | None = None

    def follow(self, watching: EndingWatcher) -> None:
        """Until the feed has ended."""
        while True:
            news = watching.read()
            if news is not None:
                self.take(news)
            elif watching.is_at_end:
                return

    def take(self, news: Entry | Missed) -> None:
        with self._lock:
            if isinstance(news, Missed):
                self.missed += len(news)
            elif news.kind == "epoch":
                self._keep(news.parcel)
            elif news.kind == "status":
                self.status, self.status_mono_s = news.value, time.monotonic()
                self.digest = news.value.get("digest") or self.digest
            elif news.kind == "digest":
                self.digest = news.value
            elif news.kind == "event":
                self._count(news.value)

    def epoch_figures(self) -> EpochFigures | None:
        """Of the latest epoch, added up when somebody asks; None: none has come."""
        with self._lock:
            if self._parcel is not None and self.layout is not None:
                try:
                    self._figures = figures(self._parcel.open(), self.layout)
                finally:
                    self._keep(None)
            return self._figures

    def close(self) -> None:
        with self._lock:
            self._keep(None)

    def _keep(self, parcel: Parcel | None) -> None:
        if self._parcel is not None:
            self._parcel.close()
        self._parcel = parcel

    def _count(self, event: dict[str, Any]) -> None:
        name, n = str(event.get("event")), int(event.get("n", 1))
        self.events[name if name in EVENTS else OTHERS] += n
        if name == "handover":
            told = [self.gateways.of(str(each["gateway"])) for each in event.get("of", ())]
            self.handovers.update(told)
            if n > len(told):
                self.handovers[OTHERS] += n - len(told)
