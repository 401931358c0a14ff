"""The thread that reads while its audience is there, and how it hands over what it has read."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from ..feed import Entry, Missed

READ_S = 2.0
IDLE_S = 20.0  # with nobody there, before the feed is left alone


class LoopClosed(RuntimeError):
    """Nobody takes what is read any more: the server ends."""


class Watching(Protocol):
    """See control/watching.py."""

    position: int | None
    is_at_end: bool

    def read(self, timeout_s: float | None = None) -> Entry | Missed | None: ...

    def rest(self) -> Sequence[Entry | Missed]: ...


class FeedReader:
    """``enter`` and ``leave`` are for the event loop's thread, all else for the one that reads."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.n_there = 0
        self.is_closing = False
        self._left_s = time.monotonic()

    def enter(self) -> None:
        self.n_there += 1

    def leave(self) -> None:
        self.n_there -= 1
        self._left_s = time.monotonic()

    @property
    def is_alone(self) -> bool:
        """Nobody is there, nor was of late."""
        return not self.n_there and time.monotonic() - self._left_s > IDLE_S

    def present(self, watching: Watching) -> list[Entry]:
        """What stands, at the beginning of a watching."""
        found = [watching.read(0), *watching.rest()]
        return [each for each in found if isinstance(each, Entry)]

    def follow(self, watching: Watching, take: Callable[[Entry | Missed], None]) -> None:
        """Until the feed is over, nobody is there any more, or the server closes."""
        while not (self.is_closing or watching.is_at_end or self.is_alone):
            news = watching.read(READ_S)
            if news is not None:
                take(news)

    def hand_over(self, do: Callable[..., None], *arguments: Any) -> None:
        """To the event loop's thread; it is done before anything else is read: that is not to be outrun.

        LoopClosed where nobody is there to do it.
        """
        done = threading.Event()

        def call() -> None:
            do(*arguments)
            done.set()

        try:
            self._loop.call_soon_threadsafe(call)
        except RuntimeError:
            raise LoopClosed("the loop is closed") from None
        while not done.wait(1.0):
            if self._loop.is_closed() or self.is_closing:
                raise LoopClosed("the loop is closed")
