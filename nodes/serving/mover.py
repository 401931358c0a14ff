"""Sends KV cache to other satellites: a connection to each that may be sent to is made before."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

import grpc
import grpc.aio

from orbitmesh.serving.v1 import serving_pb2

from ..channels import PeerChannel
from .leaving import Target

PIECE_BYTES = 64 * 2**10
_READY_S = 3.0  # for a connection
_LEAST_S, _TIMES = 3.0, 4.0  # a move that takes longer than so many times what the links need has failed
_PIECE = bytes(PIECE_BYTES)


class MoveFailed(Exception):
    """``is_there``: the other said that it has no room; it may be asked to compute it anew."""

    def __init__(self, why: str, *, is_there: bool) -> None:
        super().__init__(why)
        self.is_there = is_there


class Mover:
    def __init__(self, group: asyncio.TaskGroup, connect: Callable[[str], PeerChannel] | None = None) -> None:
        self._group = group
        self._connect = connect or (lambda address: PeerChannel(group, address))
        self._channels: dict[str, PeerChannel] = {}
        self._busy: set[str] = set()

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        self._group.create_task(work)

    def may_send_to(self, targets: Iterable[Target]) -> None:
        """Connect to these, and to no others from now on."""
        wanted = {target.address for target in targets if target.rate_bps}
        for address in wanted - self._channels.keys():
            self._channels[address] = self._connect(address)
        for address in self._channels.keys() - wanted - self._busy:
            self._group.create_task(self._channels.pop(address).close())

    async def send(self, target: Target, header: Any) -> str:
        """The ticket under which it goes on there.  MoveFailed."""
        address = target.address
        channel = self._channels.get(address)
        if channel is None:
            channel = self._channels[address] = self._connect(address)
        self._busy.add(address)
        try:
            if not await channel.until_ready(_READY_S):
                raise MoveFailed(f"{target.name} is not reached", is_there=False)
            takes_s = header.cache_bytes * 8 / target.rate_bps
            async with asyncio.timeout(_LEAST_S + _TIMES * takes_s):
                return await _sent(channel.serving.Migrate(), header)
        except TimeoutError:
            raise MoveFailed(f"{target.name} did not get it in time", is_there=False) from None
        except asyncio.InvalidStateError:  # it ended while more was to be sent
            raise MoveFailed(f"{target.name} broke off", is_there=False) from None
        except grpc.aio.AioRpcError as error:
            is_full = error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            raise MoveFailed(f"{target.name}: {error.details()}", is_there=is_full) from error
        finally:
            self._busy.discard(address)


async def _sent(call: Any, header: Any) -> str:
    try:
        await call.write(serving_pb2.MigrateRequest(header=header))
        await _answer(call)
        left = header.cache_bytes
        while left > 0:
            await call.write(serving_pb2.MigrateRequest(cache=_PIECE[: min(left, PIECE_BYTES)]))
            left -= PIECE_BYTES
        await call.done_writing()
        last = await _answer(call)
        if not last.landed:
            raise MoveFailed("the other satellite did not say that it has it", is_there=False)
        return str(last.ticket)
    finally:
        call.cancel()


async def _answer(call: Any) -> Any:
    message = await call.read()
    if message is grpc.aio.EOF:
        raise MoveFailed("the other satellite ended the move", is_there=False)
    return message
