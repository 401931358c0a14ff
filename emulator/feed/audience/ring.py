"""What was read last, for watchers who all want the same: kept by number, within bounds."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Kept(Generic[T]):
    """``number`` is the entry's, or the last one's of those that were missed."""

    number: int
    value: T


class Ring(Generic[T]):
    """For the event loop's thread.  A watcher has read up to a number, and asks for what came after it."""

    def __init__(self, most: int, most_bytes: int) -> None:
        """``most_bytes``: beyond the newest."""
        self._most, self._most_bytes = most, most_bytes
        self._kept: deque[tuple[Kept[T], int]] = deque()
        self._bytes = 0
        self._changed = asyncio.Event()
        self.next_number = 0  # of what will come next
        self.gone_number = -1  # of the newest that is not kept any more

    def begin(self, number: int) -> None:
        """Anew: what comes is from this number on."""
        self._kept.clear()
        self._bytes = 0
        self.next_number, self.gone_number = number, number - 1

    def keep(self, kept: Kept[T], size_bytes: int = 0) -> None:
        self._kept.append((kept, size_bytes))
        self._bytes += size_bytes
        self.next_number = kept.number + 1
        while len(self._kept) > self._most or (self._bytes > self._most_bytes and len(self._kept) > 1):
            gone, gone_bytes = self._kept.popleft()
            self.gone_number = gone.number
            self._bytes -= gone_bytes
        self.tell()

    def after(self, number: int) -> Iterator[Kept[T]]:
        """What is kept of that which came after a number."""
        return (each for each, _ in self._kept if each.number > number)

    async def changed(self) -> None:
        """Until something more is kept, or nothing more will come."""
        await self._changed.wait()

    def tell(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
