"""What a mesh did lately: its epochs, with when they were in force, and its events.  Read from its feed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from ..epoch import Epoch
from ..feed.feed import Entry
from ..record.truth import History
from ..run.news import ClockNews, EpochNews

if TYPE_CHECKING:
    from ..run.running import RunningMesh

_MOST_EVENTS = 10_000
_MOST_EPOCHS_BYTES = 1_300_000_000


@dataclass(frozen=True)
class Event:
    """As the feed tells it, with the machine's clock."""

    mono_ns: int
    sim_ns: int
    told: dict[str, Any]


@dataclass(frozen=True)
class _Span:
    """An epoch, and how emulated time went on from it, or from another instant of it."""

    epoch: Epoch
    news: EpochNews | ClockNews


class Watch:
    """Of one mesh; ``catch_up`` before and after what is to be understood, and now and then meanwhile."""

    def __init__(self, mesh: RunningMesh) -> None:
        self._mesh = mesh
        self._reader = mesh.feed.reader(present=True)
        self._spans: deque[_Span] = deque()
        self._events: deque[Event] = deque(maxlen=_MOST_EVENTS)
        self._happened_mono_ns = 0  # what is told after an epoch came into force with it

    def catch_up(self) -> None:
        while (news := self._reader.read(0)) is not None:
            if not isinstance(news, Entry):
                continue  # missed: that was before what is asked about
            if news.kind == "event" and "sim_ns" in news.value:
                self._events.append(Event(self._happened_mono_ns, news.value["sim_ns"], news.value))
            elif news.kind == "epoch":
                self._take(news)
            elif news.kind == "clock" and self._spans:
                self._append(_Span(self._spans[-1].epoch, news.value))

    def forget(self) -> None:
        """All but the epoch in force."""
        while len(self._spans) > 1:
            self._spans.popleft()

    def history(self) -> History:
        """The epochs since ``forget``."""
        found = History(self._mesh.nodes, self._mesh.scenario.run.rate_scale)
        current = self._mesh.epoch
        for span in self._spans:
            epoch, news = span.epoch, span.news
            if current is not None and current.number == epoch.number:
                epoch = current  # it may have routes that were asked for since
            found.add(epoch, news.course, news.began_mono_ns, news.in_force_mono_ns)
        return found

    def events(self, from_mono_ns: int, to_mono_ns: int) -> Iterator[Event]:
        return (event for event in self._events if from_mono_ns <= event.mono_ns <= to_mono_ns)

    def _take(self, entry: Entry) -> None:
        news: EpochNews = entry.value
        assert entry.parcel is not None
        epoch: Epoch = entry.parcel.open()
        entry.parcel.close()
        if news.more is not None:
            epoch = replace(epoch, routes=epoch.routes.joined(news.more))
        self._append(_Span(epoch, news))

    def _append(self, span: _Span) -> None:
        self._spans.append(span)
        self._happened_mono_ns = span.news.in_force_mono_ns
        while len(self._spans) > 2 and sum(each.epoch.n_bytes for each in self._spans) > _MOST_EPOCHS_BYTES:
            self._spans.popleft()


_watches: WeakKeyDictionary[Any, Watch] = WeakKeyDictionary()


def watch_of(mesh: RunningMesh) -> Watch:
    """One for each mesh, whoever made it."""
    if mesh not in _watches:
        _watches[mesh] = Watch(mesh)
    return _watches[mesh]
