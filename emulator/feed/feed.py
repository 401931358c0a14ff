"""The feed and its readers; see the package."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from .parcels import Parcel

#: What is kept for readers that are behind: that many entries, and no more bytes than that beyond the newest.
MOST_ENTRIES = 512
MOST_BYTES = 1 << 30


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
    """``put`` may be called from any thread, and takes no longer however slow the readers are.

    Some entries stand for the present until the next of their kind: who joins late is given those first.
    """

    def __init__(self, most_entries: int = MOST_ENTRIES, most_bytes: int = MOST_BYTES) -> None:
        self._most_entries, self._most_bytes = most_entries, most_bytes
        self._kept: deque[_Kept] = deque()
        self._present: dict[str, Entry] = {}  # by kind
        self._bytes = 0
        self._next = 0
        self._changed = threading.Condition()
        self.is_closed = False

    def put(self, kind: str, value: Any, parcel: Parcel | None = None, *, stands: bool = False) -> int:
        """The entry's number; the parcel is the feed's from now on.  Nothing is kept once it is closed."""
        size_bytes = 0 if parcel is None else parcel.size_bytes
        with self._changed:
            if self.is_closed:
                if parcel is not None:
                    parcel.close()
                return self._next
            number, self._next = self._next, self._next + 1
            entry = Entry(number, kind, value, parcel)
            self._kept.append(_Kept(entry, size_bytes))
            self._bytes += size_bytes
            if stands:
                self._forget_present(kind)
                self._present[kind] = _duplicate(entry)
            while len(self._kept) > self._most_entries or (
                self._bytes > self._most_bytes and len(self._kept) > 1
            ):
                self._drop_oldest()
            self._changed.notify_all()
            return number

    def reader(self, *, from_start: bool = False, present: bool = False) -> Reader:
        """From the oldest entry that is kept, or from the next one on; ``present``: what stands is first."""
        with self._changed:
            oldest = self._next - len(self._kept)
            first = sorted(self._present, key=lambda kind: self._present[kind].number) if present else []
            return Reader(self, oldest if from_start else self._next, first)

    def present(self, *, parcels: bool = True) -> tuple[list[Entry], int]:
        """What stands, in order, and the number of the next entry."""
        with self._changed:
            standing = sorted(self._present.values(), key=lambda entry: entry.number)
            return [_duplicate(entry, parcels=parcels) for entry in standing], self._next

    @property
    def next_number(self) -> int:
        return self._next

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
            for kind in list(self._present):
                self._forget_present(kind)
            self._changed.notify_all()

    def _forget_present(self, kind: str) -> None:
        gone = self._present.pop(kind, None)
        if gone is not None and gone.parcel is not None:
            gone.parcel.close()

    def _drop_oldest(self) -> None:
        gone = self._kept.popleft()
        self._bytes -= gone.size_bytes
        if gone.entry.parcel is not None:
            gone.entry.parcel.close()

    def _stands(self, kind: str, before: int) -> Entry | None:
        """None where another of its kind has come since: that one is read in its turn."""
        with self._changed:
            entry = self._present.get(kind)
            return None if entry is None or entry.number >= before else _duplicate(entry)

    def take(self, position: int, timeout_s: float | None, *, parcels: bool = True) -> Entry | Missed | None:
        """The entry of that number, once it is there, or which were missed; None: not in time, or the end."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._next > position or self.is_closed, timeout_s):
                return None
            if self._next <= position:
                return None  # closed
            oldest = self._next - len(self._kept)
            if position < oldest:
                return Missed(position, oldest - 1)
            return _duplicate(self._kept[position - oldest].entry, parcels=parcels)


def _duplicate(entry: Entry, *, parcels: bool = True) -> Entry:
    """With a descriptor of its own: the feed may let go of its while this one is read."""
    if not parcels:
        return replace(entry, parcel=None)
    if entry.parcel is None or entry.parcel.fd is None:
        return entry
    return replace(entry, parcel=replace(entry.parcel, fd=os.dup(entry.parcel.fd)))


class Watcher(Protocol):
    """A reader, in this process or in another (see control/watching.py)."""

    def read(self, timeout_s: float | None = None) -> Entry | Missed | None: ...


class Reader:
    """One reader's place; for one thread."""

    def __init__(self, feed: Feed, position: int, first: Sequence[str] = ()) -> None:
        """``first``: kinds of which what stands is read before anything else."""
        self._feed, self.position = feed, position
        self._began, self._first = position, deque(first)

    def read(self, timeout_s: float | None = None) -> Entry | Missed | None:
        """The next entry, or which were missed; None where none came in time, or the feed has ended."""
        while self._first:
            standing = self._feed._stands(self._first.popleft(), self._began)
            if standing is not None:
                return standing
        news = self._feed.take(self.position, timeout_s)
        if isinstance(news, Missed):
            self.position = news.last + 1
        elif news is not None:
            self.position = news.number + 1
        return news

    @property
    def is_at_end(self) -> bool:
        return self._feed.is_closed and self._feed._next <= self.position
