"""The feed and its readers; see the package."""

from __future__ import annotations

import os
import threading
from collections import deque
from dataclasses import dataclass, field, replace
from typing import Any

from .parcels import Parcel

#: What is kept for readers that are behind: that many entries, and no more bytes than that beyond the newest.
MOST_ENTRIES = 512
MOST_BYTES = 2 << 30


@dataclass(frozen=True)
class Entry:
    """``parcel``, where there is one, is the receiver's to close."""

    number: int
    kind: str
    value: Any
    parcel: Parcel | None = None


@dataclass(frozen=True)
class Missed:
    """Entries ``first`` to ``last`` went before they were read."""

    first: int
    last: int

    def __len__(self) -> int:
        return self.last - self.first + 1


@dataclass
class _Kept:
    entry: Entry
    size_bytes: int = field(default=0)


class Feed:
    """``put`` may be called from any thread, and takes no longer however slow the readers are."""

    def __init__(self, most_entries: int = MOST_ENTRIES, most_bytes: int = MOST_BYTES) -> None:
        self._most_entries, self._most_bytes = most_entries, most_bytes
        self._kept: deque[_Kept] = deque()
        self._bytes = 0
        self._next = 0
        self._changed = threading.Condition()
        self.is_closed = False

    def put(self, kind: str, value: Any, parcel: Parcel | None = None) -> int:
        """The entry's number; the parcel is the feed's from now on.  Nothing is kept once it is closed."""
        size_bytes = 0 if parcel is None else parcel.size_bytes
        with self._changed:
            if self.is_closed:
                if parcel is not None:
                    parcel.close()
                return self._next
            number, self._next = self._next, self._next + 1
            self._kept.append(_Kept(Entry(number, kind, value, parcel), size_bytes))
            self._bytes += size_bytes
            while len(self._kept) > self._most_entries or (
                self._bytes > self._most_bytes and len(self._kept) > 1
            ):
                self._drop_oldest()
            self._changed.notify_all()
            return number

    def reader(self, *, from_start: bool = False) -> Reader:
        """From the oldest entry that is kept, or from the next one on."""
        with self._changed:
            oldest = self._next - len(self._kept)
            return Reader(self, oldest if from_start else self._next)

    def close(self) -> None:
        """Readers still read what is kept, and then no more; ``drop`` lets go of that too."""
        with self._changed:
            self.is_closed = True
            self._changed.notify_all()

    def drop(self) -> None:
        with self._changed:
            self.is_closed = True
            while self._kept:
                self._drop_oldest()
            self._changed.notify_all()

    def _drop_oldest(self) -> None:
        gone = self._kept.popleft()
        self._bytes -= gone.size_bytes
        if gone.entry.parcel is not None:
            gone.entry.parcel.close()

    def _take(self, position: int, timeout_s: float | None) -> Entry | Missed | None:
        with self._changed:
            if not self._changed.wait_for(lambda: self._next > position or self.is_closed, timeout_s):
                return None
            if self._next <= position:
                return None  # closed
            oldest = self._next - len(self._kept)
            if position < oldest:
                return Missed(position, oldest - 1)
            entry = self._kept[position - oldest].entry
            if entry.parcel is None or entry.parcel.fd is None:
                return entry
            # a descriptor of its own: the feed may let go of its while this one is read
            return replace(entry, parcel=replace(entry.parcel, fd=os.dup(entry.parcel.fd)))


class Reader:
    """One reader's place; for one thread."""

    def __init__(self, feed: Feed, position: int) -> None:
        self._feed, self.position = feed, position

    def read(self, timeout_s: float | None = None) -> Entry | Missed | None:
        """The next entry, or which were missed; None where none came in time, or the feed has ended."""
        news = self._feed._take(self.position, timeout_s)
        if isinstance(news, Missed):
            self.position = news.last + 1
        elif news is not None:
            self.position = news.number + 1
        return news

    @property
    def is_at_end(self) -> bool:
        return self._feed.is_closed and self._feed._next <= self.position
