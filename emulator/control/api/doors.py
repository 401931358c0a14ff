"""The run's door, for many callers: a few connections, each used by one call at a time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from ...errors import TooManyAtOnce
from ..client import Client

T = TypeVar("T")

_MOST_AT_ONCE = 16
_MOST_APART = 64


class Doors:
    def __init__(self, connect: Callable[[], Client]) -> None:
        """``connect``: to the run, by a connection of the caller's own, to close; blocks."""
        self.new = connect
        self._free: list[Client] = []
        self._threads = ThreadPoolExecutor(_MOST_AT_ONCE, "door")
        self._apart = ThreadPoolExecutor(_MOST_APART, "door apart")
        self._n_apart, self._lock = 0, threading.Lock()

    async def ask(self, question: Callable[[Client], T]) -> T:
        """In a thread.  Raises what the client does; a connection that failed is not used again."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._ask, question)

    async def ask_apart(self, question: Callable[[Client], T]) -> T:
        """The same for what may take long, by a connection of its own; it goes on though nobody waits."""

        def ask() -> T:
            with self.new() as client:
                return question(client)

        with self._lock:
            if self._n_apart >= _MOST_APART:
                raise TooManyAtOnce(
                    f"{_MOST_APART} calls that move the clock go on, which are as many as can"
                )
            self._n_apart += 1
        asked = self._apart.submit(ask)
        asked.add_done_callback(self._answered)
        return await asyncio.wrap_future(asked)

    def _answered(self, _: object) -> None:
        with self._lock:
            self._n_apart -= 1

    @property
    def is_busy(self) -> bool:
        """With what takes long: it is ended by the run alone."""
        return self._n_apart > 0

    def _ask(self, question: Callable[[Client], T]) -> T:
        try:
            client = self._free.pop()
        except IndexError:
            client = self.new()
        try:
            answer = question(client)
        except BaseException:
            client.__exit__()
            raise
        self._free.append(client)
        return answer

    def close(self) -> None:
        for threads in (self._threads, self._apart):
            threads.shutdown()
        while self._free:
            self._free.pop().__exit__()
