"""The run's door, for many callers: a few connections, each used by one call at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from ..client import Client

T = TypeVar("T")

_MOST_AT_ONCE = 16


class Doors:
    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self._free: list[Client] = []
        self._threads = ThreadPoolExecutor(_MOST_AT_ONCE, "door")

    async def ask(self, question: Callable[[Client], T]) -> T:
        """In a thread.  Raises what the client does; a connection that failed is not used again."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._ask, question)

    async def ask_apart(self, question: Callable[[Client], T]) -> T:
        """The same for what may take long, by a connection of its own."""

        def ask() -> T:
            with self.new() as client:
                return question(client)

        return await asyncio.to_thread(ask)

    def _ask(self, question: Callable[[Client], T]) -> T:
        try:
            client = self._free.pop()
        except IndexError:
            client = Client.connect(self.run_id)
        try:
            answer = question(client)
        except BaseException:
            client.__exit__()
            raise
        self._free.append(client)
        return answer

    def close(self) -> None:
        self._threads.shutdown()
        while self._free:
            self._free.pop().__exit__()

    def new(self) -> Client:
        """One of the caller's own, to close; blocks."""
        return Client.connect(self.run_id)
