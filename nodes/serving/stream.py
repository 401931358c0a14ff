"""The tokens of a request that are there and not yet sent, and the request they are of."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

from .batcher import Step
from .leaving import UnderWay
from .replica import Replica
from .request import Request

# a longer answer's lateness is that of its first so many messages: a bound on what a stream keeps
_MOST_LATENESSES = 4096


class Stream:
    """Whoever sends may be behind: what came in the meantime goes into one message.

    An answer's first token waits for no others, as vLLM sends it (its ``stream_interval``): customers would
    count the steps of those into the time to the first.
    It ends with the last token, or with what is still to be sent where the request goes on elsewhere.
    """

    def __init__(self, request: Request, message_tokens: int) -> None:
        self._request, self._message_tokens = request, message_tokens
        self._made = self._sent = request.made
        self._due_ns = 0
        self._wakeup: asyncio.Future[None] | None = None
        self._loop = asyncio.get_running_loop()
        self.late_ns: list[int] = []
        self.moved: Any = None  # a serving_pb2.Moved

    @property
    def left_tokens(self) -> int:
        return self._request.output_tokens - self._made

    def got(self, step: Step) -> None:
        self._made += 1
        self._due_ns = step.end_ns
        self._wake()

    def leave(self, moved: Any) -> None:
        """The rest comes from elsewhere."""
        self.moved = moved
        self._wake()

    def handed_over(self, due_ns: int) -> None:
        if len(self.late_ns) < _MOST_LATENESSES:
            self.late_ns.append(time.monotonic_ns() - due_ns)

    def _wake(self) -> None:
        if self._wakeup is not None and self._is_ready() and not self._wakeup.done():
            self._wakeup.set_result(None)

    def _is_ready(self) -> bool:
        new = self._made - self._sent
        if self.moved is not None:
            return True
        least = self._message_tokens if self._sent else 1
        return new >= least or (new > 0 and self._made >= self._request.output_tokens)

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> tuple[int, int, int]:
        """Index of the first, their number, and the modelled instant of the last."""
        if self._sent >= self._request.output_tokens:
            raise StopAsyncIteration
        while not self._is_ready():
            self._wakeup = self._loop.create_future()
            await self._wakeup
        first, count = self._sent, self._made - self._sent
        if not count:
            raise StopAsyncIteration
        self._sent = self._made
        return first, count, self._due_ns


@dataclass(eq=False)
class Answering:
    """A request that a customer waits for, at its replica."""

    request: Request
    replica: Replica
    stream: Stream
    gateway: str
    customer_class: str
    is_leaving: bool = False

    def under_way(self, cache_bytes: int) -> UnderWay:
        return UnderWay(self.stream.left_tokens, cache_bytes)
