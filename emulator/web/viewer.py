"""One page that looks: what waits to be sent to it, and what it has asked to be shown.

Nobody waits for it: of one that reads too slowly what waits is dropped, it is told how much, and given the
whole state again once it has caught up.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence

from orbitmesh.web.v1 import web_pb2 as pb

from .messages import told

_MOST_MESSAGES = 256
_MOST_BYTES = 16 << 20  # beyond one, which may be larger
STALL_S = 30.0  # for a message to go
MOST_PAIRS = 8

Pair = tuple[int, int]
LayerOf = tuple[int, int]  # its kind, a gateway


class Viewer:
    """For the event loop's thread."""

    def __init__(self) -> None:
        self.shown: LayerOf | None = None
        self.pairs: tuple[Pair, ...] = ()
        self.picked: int | None = None
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
                len(self._waiting) >= _MOST_MESSAGES or self._waiting_bytes + len(data) > _MOST_BYTES
            ):
                self._missed = len(self._waiting) + 1
                self._waiting.clear()
                self._waiting_bytes = 0
            else:
                self._add(data)
        self._changed.set()

    def put_all(self, messages: Iterable[bytes]) -> None:
        """What it is given as it comes, however much that is."""
        for data in messages:
            self._add(data)
        self._changed.set()

    def end(self, message: bytes) -> None:
        """After what waits there is this, and no more."""
        self._end = message
        self._changed.set()

    def _add(self, data: bytes) -> None:
        self._waiting.append(data)
        self._waiting_bytes += len(data)

    async def write(
        self, send: Callable[[bytes], Awaitable[None]], whole: Callable[[], Sequence[bytes]]
    ) -> None:
        """Sends what comes, until the end; TimeoutError where the other side does not read."""
        while True:
            while self._waiting:
                data = self._waiting.popleft()
                self._waiting_bytes -= len(data)
                await asyncio.wait_for(send(data), STALL_S)
            if self._missed:
                missed, self._missed = self._missed, 0
                self.put_all([told(missed=pb.Missed(entries=missed)), *whole()])
            elif self._end is not None:
                await asyncio.wait_for(send(self._end), STALL_S)
                return
            else:
                self._changed.clear()
                await self._changed.wait()
