"""What waits to be sent to one watcher: bounded, and it is told of what did not wait.

What it is given (who the nodes are, the whole state) is never dropped: nobody would say it again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence

MOST_MESSAGES = 256
MOST_BYTES = 16 << 20  # beyond one, which may be larger
STALL_S = 30.0  # for a message to go


class Queue:
    """For the event loop's thread.  Messages are shared with others' queues: bytes that nobody changes."""

    def __init__(self, missed: Callable[[int], bytes]) -> None:
        """``missed``: the message that so many were dropped."""
        self._missed_message = missed
        self._given: deque[bytes] = deque()
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._missed = 0
        self._changed = asyncio.Event()
        self._end: bytes | None = None

    @property
    def is_behind(self) -> bool:
        return self._missed > 0

    def put(self, *messages: bytes) -> None:
        for data in messages:
            if self._missed:
                self._missed += 1
            elif self._waiting and (
                len(self._waiting) >= MOST_MESSAGES or self._waiting_bytes + len(data) > MOST_BYTES
            ):
                self._missed = len(self._waiting) + 1
                self._waiting.clear()
                self._waiting_bytes = 0
            else:
                self._waiting.append(data)
                self._waiting_bytes += len(data)
        self._changed.set()

    def put_all(self, messages: Iterable[bytes]) -> None:
        """What it is given, however much that is, before the news that wait."""
        self._given.extend(messages)
        self._changed.set()

    def end(self, message: bytes) -> None:
        """After what waits there is this, and no more."""
        self._end = message
        self._changed.set()

    async def write(
        self, send: Callable[[bytes], Awaitable[None]], whole: Callable[[], Sequence[bytes]]
    ) -> None:
        """Sends what comes, until the end; TimeoutError where the other side does not read.

        ``whole``: the whole state, for one that missed something, once it has caught up.
        """
        while True:
            while self._given or self._waiting:
                if self._given:
                    data = self._given.popleft()
                else:
                    data = self._waiting.popleft()
                    self._waiting_bytes -= len(data)
                await asyncio.wait_for(send(data), STALL_S)
            if self._missed:
                missed, self._missed = self._missed, 0
                self.put_all([self._missed_message(missed), *whole()])
            elif self._end is not None:
                await asyncio.wait_for(send(self._end), STALL_S)
                return
            else:
                self._changed.clear()
                await self._changed.wait()
