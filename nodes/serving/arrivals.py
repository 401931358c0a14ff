"""Answers that come from other satellites with their KV cache, until their customers ask for the rest."""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import Any

from orbitmesh.wire import limits
from orbitmesh.wire.serving import ServingSpec

from ..refusal import refuse_argument, refuse_stalled
from .journey import from_message
from .request import Request
from .stream import Answering

#: a customer that does not ask for the rest in this time never will
KEPT_S = 30.0
#: room is kept for a cache that comes; one of which nothing more comes for so long never will, and where the
#: sender or its link is dead nobody says so
STALLED_S = 30.0


class Arrived:
    def __init__(self, answering: set[Answering]) -> None:
        self._answering = answering
        self._kept: dict[str, tuple[Answering, asyncio.TimerHandle]] = {}

    def keep(self, answering: Answering) -> str:
        """The ticket under which it is to be had."""
        ticket = secrets.token_hex(12)
        timer = asyncio.get_running_loop().call_later(KEPT_S, self._drop, ticket)
        self._kept[ticket] = answering, timer
        return ticket

    def claim(self, ticket: str) -> Answering | None:
        answering, timer = self._kept.pop(ticket, (None, None))
        if timer is not None:
            timer.cancel()
        return answering

    def close(self) -> None:
        for _, timer in self._kept.values():
            timer.cancel()

    def _drop(self, ticket: str) -> None:
        answering, _ = self._kept.pop(ticket)
        self._answering.discard(answering)
        answering.replica.forget(answering.request)


async def read_header(requests: Any, spec: ServingSpec, context: Any) -> tuple[Any, Request]:
    """What comes, with room still to be found."""
    header: Any = None
    async for part in requests:
        header = part.header if part.HasField("header") else None
        break
    if header is None:
        await refuse_argument(context, "header", "a move begins with its header")
    for name in ("prompt_tokens", "max_output_tokens"):
        if not 1 <= getattr(header, name) <= limits.MAX_SERVED_TOKENS:
            await refuse_argument(
                context, f"header.{name}", f"{getattr(header, name)} is not 1 to {limits.MAX_SERVED_TOKENS}"
            )
    for name in ("customer_class", "gateway"):
        if len(getattr(header, name)) > limits.MAX_NAME_CHARACTERS:
            await refuse_argument(
                context, f"header.{name}", f"it has more than {limits.MAX_NAME_CHARACTERS} characters"
            )
    if not 1 <= header.made < header.max_output_tokens:
        await refuse_argument(
            context, "header.made", f"{header.made} is not 1 to {header.max_output_tokens - 1}"
        )
    if not header.cache_bytes:
        await refuse_argument(context, "header.cache_bytes", "a move brings a cache")
    asked = Request(header.prompt_tokens, header.max_output_tokens, time.monotonic_ns(), made=header.made)
    if header.cache_bytes > (most := spec.cache_bytes(asked.context_tokens)):
        why = f"{header.cache_bytes} are more than the {most} of {asked.context_tokens} tokens"
        await refuse_argument(context, "header.cache_bytes", why)
    if header.paused_mono_ns < 0:
        await refuse_argument(context, "header.paused_mono_ns", f"{header.paused_mono_ns} is below 0")
    try:
        asked.before = from_message(header.timing)
    except ValueError as error:
        await refuse_argument(context, "header.timing", str(error))
    return header, asked


async def read_cache(requests: Any, cache_bytes: int, context: Any) -> None:
    """To the last byte."""
    came, pieces = 0, aiter(requests)
    while True:
        try:
            async with asyncio.timeout(STALLED_S):
                part = await anext(pieces, None)
        except TimeoutError:
            await refuse_stalled(
                context, f"cache: {came} of {cache_bytes} bytes came, and nothing more for {STALLED_S:g} s"
            )
        if part is None:
            break
        size = len(part.cache)
        came += size
        if not 0 < size <= limits.MAX_CACHE_PIECE_BYTES or came > cache_bytes:
            await refuse_argument(
                context, "cache", f"a piece of {size} bytes, {came} of {cache_bytes} with it, is not one"
            )
    if came != cache_bytes:
        await refuse_argument(context, "cache", f"{came} of {cache_bytes} bytes came")
