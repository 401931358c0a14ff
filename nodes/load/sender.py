"""The customers of a gateway: their requests leave when they are due, however many are still unanswered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import grpc
import grpc.aio
from google.rpc.error_details_pb2 import RetryInfo
from grpc_status import rpc_status

from orbitmesh.serving.v1 import serving_pb2
from orbitmesh.wire.answers import CUT_OFF, Answer
from orbitmesh.wire.load import LoadSpec
from orbitmesh.wire.spec import NodeSpec

from ..channels import PeerChannel
from ..outbox import Outbox
from .arrivals import Asked, prompt_bytes, requests

_NS_PER_S = 1_000_000_000
# Longer than any answer that a customer would wait for; beyond it the request is lost.
TIMEOUT_S = 120.0
# of the node's own words: these say no, all others that none came
_REFUSALS = {"RESOURCE_EXHAUSTED", "INVALID_ARGUMENT", "FAILED_PRECONDITION"}
# More streams at once no machine carries; the next wait for room, and count from when they were due.
MOST_UNDER_WAY = 4096
_ROOM_S = 0.01
MOST_MOVES = 16  # of one answer


class CustomerSender:
    """One task for each class; a request goes to the satellite that its class has when it is due.

    Latency counts from when it was due: if this process is late, or the connection to a satellite just
    assigned is still being made, that is in it.
    """

    def __init__(self, spec: NodeSpec, group: asyncio.TaskGroup, outbox: Outbox) -> None:
        self._spec, self._group, self._outbox = spec, group, outbox
        self._satellites: dict[str, str | None] = {}  # by class
        self._refused: Mapping[str, str] = {}
        self._retry_mono_ns: Mapping[str, int] = {}
        self._channels: dict[str, PeerChannel] = {}
        self._users: dict[str, int] = {}
        self._began = False
        self._over = False
        self._under_way: set[_Came] = set()

    def assign(
        self,
        nearest: str | None,
        placed: Mapping[str, str | None],
        refused: Mapping[str, str],
        retry_mono_ns: Mapping[str, int],
    ) -> None:
        """``placed``: by class, where a policy of its own says so; ``refused``: and why nobody serves it;
        ``retry_mono_ns``: from when on somebody may."""
        self._refused, self._retry_mono_ns = refused, retry_mono_ns
        classes = [load.customer_class for load in self._spec.loads]
        self._satellites = {each: placed.get(each, nearest) for each in classes}
        for satellite in self._satellites.values():
            if satellite is None or satellite in self._channels:
                continue
            if satellite not in self._spec.peers:
                raise ValueError(f"{self._spec.name} is to ask {satellite!r}, whose address it was not told")
            self._open(satellite)
        for satellite in tuple(self._channels):
            self._close_unused(satellite)

    def begin(self, at_mono_ns: int) -> None:
        """Emulated 0 of the loads."""
        if self._began:
            return
        self._began = True
        for load in self._spec.loads:
            self._group.create_task(self._ask_all(load, at_mono_ns))

    def cut_off(self) -> None:
        """The run ends: what is under way is told as such, and judged by nobody."""
        self._over = True
        for came in self._under_way:
            self._outbox.answer(came.lost(CUT_OFF))
        self._under_way.clear()

    async def _ask_all(self, load: LoadSpec, at_mono_ns: int) -> None:
        for asked in requests(load):
            if not asked.real:
                continue
            due_mono_ns = at_mono_ns + asked.due_ns
            left_ns = due_mono_ns - time.monotonic_ns()
            # also where it is behind: else nothing would be sent, nor the run's end be heard
            await asyncio.sleep(max(0, left_ns) / _NS_PER_S)
            while len(self._under_way) >= MOST_UNDER_WAY and not self._over:
                await asyncio.sleep(_ROOM_S)
            if self._over:
                return
            self._group.create_task(self._ask(load, asked, due_mono_ns))

    async def _ask(self, load: LoadSpec, asked: Asked, due_mono_ns: int) -> None:
        satellite = self._satellites.get(load.customer_class)
        came = _Came(load, self._spec.name, satellite or "", asked, due_mono_ns)
        self._under_way.add(came)
        answer = await self._answer(came, satellite)
        if came in self._under_way:  # else the run has ended meanwhile
            self._under_way.remove(came)
            self._outbox.answer(answer)

    async def _answer(self, came: _Came, satellite: str | None) -> Answer:
        if satellite is None:
            reason = self._refused.get(came.load.customer_class)
            retry_ns = self._retry_mono_ns.get(came.load.customer_class)
            left_ns = -1 if retry_ns is None else max(0, retry_ns - time.monotonic_ns())
            return came.lost(reason or "unassigned", refused=reason is not None, retry_ns=left_ns)
        for _ in range(MOST_MOVES + 1):
            lost = await self._asked_of(satellite, came)
            if lost is not None:
                return lost
            if came.moved is None:
                return came.answer()
            # the rest is where it has gone, or whoever serves the class by now computes it anew
            satellite = came.moved.satellite or self._satellites.get(came.load.customer_class)
            if satellite is None:
                return came.lost(f"moved: it was {came.moved.reason}, and nobody else serves")
            if satellite not in self._spec.peers:
                return came.lost(f"moved to {satellite}, whose address is not known")
        return came.lost(f"moved more than {MOST_MOVES} times")

    async def _asked_of(self, satellite: str, came: _Came) -> Answer | None:
        """The whole of it, or what is left; None: it came, or is to be had elsewhere."""
        channel = self._open(satellite)
        self._users[satellite] = self._users.get(satellite, 0) + 1
        try:
            if not await channel.until_ready(TIMEOUT_S):
                return came.lost("UNAVAILABLE")
            request = came.request(satellite)
            try:
                await self._read(channel, request, came)
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.NOT_FOUND or not request.resumed.ticket:
                    name = error.code().name
                    refused = name in _REFUSALS or _has_reason(error)
                    return came.lost(name, refused=refused, retry_ns=_retry_ns(error))
                came.forget_ticket()
                try:
                    await self._read(channel, came.request(satellite), came)
                except grpc.aio.AioRpcError as again:
                    name = again.code().name
                    refused = name in _REFUSALS or _has_reason(again)
                    return came.lost(name, refused=refused, retry_ns=_retry_ns(again))
        finally:
            self._users[satellite] -= 1
            self._close_unused(satellite)
        return None

    async def _read(self, channel: PeerChannel, request: Any, came: _Came) -> None:
        came.moved = None
        async for message in channel.serving.Generate(request, timeout=TIMEOUT_S):
            came.message(message)

    def _open(self, satellite: str) -> PeerChannel:
        if satellite not in self._channels:
            self._channels[satellite] = PeerChannel(self._group, self._spec.peers[satellite])
        return self._channels[satellite]

    def _close_unused(self, satellite: str) -> None:
        if satellite in self._satellites.values() or self._users.get(satellite):
            return
        if satellite in self._channels:
            self._group.create_task(self._channels.pop(satellite).close())


def _has_reason(error: grpc.aio.AioRpcError) -> bool:
    """A status with details is the node's own; one without may be its connection's."""
    return any(key == "grpc-status-details-bin" for key, _ in error.trailing_metadata() or ())


def _retry_ns(error: grpc.aio.AioRpcError) -> int:
    """As its RetryInfo says; -1 where it has none."""
    status = rpc_status.from_call(error) if _has_reason(error) else None
    for detail in status.details if status is not None else ():
        info = RetryInfo()
        if detail.Unpack(info):
            return int(info.retry_delay.ToNanoseconds())
    return -1


@dataclass(eq=False)
class _Came:
    """A request, and what has come of its answer."""

    load: LoadSpec
    src: str
    dst: str
    asked: Asked
    due_mono_ns: int
    sent_mono_ns: int = 0
    first_mono_ns: int = 0
    done_mono_ns: int = 0
    bytes_up: int = 0  # with the first asking
    bytes_more_up: int = 0
    bytes_first: int = 0
    bytes_down: int = 0
    tokens: int = 0
    totals: Any = None
    moved: Any = None  # where the rest is to be had
    moved_to: str = ""
    moves: int = 0
    recomputed: int = 0
    resumed: Any = None

    def request(self, satellite: str) -> Any:
        """What is asked of a satellite now: the whole, or what is left (with a ticket: no prompt)."""
        load, asked = self.load, self.asked
        if self.moved is not None:
            self.moved_to, self.moves = satellite, self.moves + 1
            moved = self.moved
            self.resumed = serving_pb2.Resumed(
                ticket=moved.ticket,
                made=self.tokens,
                paused_mono_ns=moved.paused_mono_ns,
                timing=moved.timing,
            )
        tickets = self.resumed is not None and self.resumed.ticket
        self.recomputed += self.resumed is not None and not tickets
        whole = replace(asked, prompt_tokens=asked.prompt_tokens + self.tokens)
        request = serving_pb2.GenerateRequest(
            customer_class=load.customer_class,
            gateway=self.src,
            prompt_tokens=asked.prompt_tokens,
            prompt=b"" if tickets else bytes(prompt_bytes(load, whole)),
            max_output_tokens=asked.output_tokens,
            scheduled_mono_ns=self.due_mono_ns,
            resumed=self.resumed,
        )
        if self.sent_mono_ns:
            self.bytes_more_up += request.ByteSize()
        else:
            self.bytes_up, self.sent_mono_ns = request.ByteSize(), time.monotonic_ns()
        return request

    def forget_ticket(self) -> None:
        """Nothing goes on under it: to be computed anew."""
        self.moved = None
        self.resumed.ticket = ""

    def message(self, message: Any) -> None:
        size = message.ByteSize()
        if message.HasField("moved"):
            self.moved = message.moved
            self.bytes_down += size
            return
        self.done_mono_ns = time.monotonic_ns()
        if not self.first_mono_ns:
            self.first_mono_ns, self.bytes_first = self.done_mono_ns, size
        self.bytes_down += size
        self.tokens += message.tokens.count
        if message.HasField("totals"):
            self.totals = message.totals

    def lost(self, why: str, *, refused: bool = False, retry_ns: int = -1) -> Answer:
        now = time.monotonic_ns()
        return Answer(
            self.load.customer_class, self.src, self.dst, self.asked.number, self.due_mono_ns,
            self.sent_mono_ns or now, self.first_mono_ns, now, self.asked.prompt_tokens, self.tokens,
            self.bytes_up, self.bytes_first, self.bytes_down, error=why, refused=refused,
            retry_ns=retry_ns, moves=self.moves, recomputed=self.recomputed, moved_to=self.moved_to,
        )  # fmt: skip

    def answer(self) -> Answer:
        if self.totals is None or self.tokens != self.asked.output_tokens:
            return self.lost("CUT_SHORT")
        timing = self.totals.timing
        return Answer(
            self.load.customer_class, self.src, self.dst, self.asked.number, self.due_mono_ns,
            self.sent_mono_ns, self.first_mono_ns, self.done_mono_ns, self.asked.prompt_tokens, self.tokens,
            self.bytes_up, self.bytes_first, self.bytes_down,
            queue_ns=timing.queue_ns, prefill_ns=timing.prefill_ns, decode_ns=timing.decode_ns,
            throttled_ns=timing.throttled_ns, throttled_queue_ns=timing.throttled_queue_ns,
            throttled_prefill_ns=timing.throttled_prefill_ns, preempted=timing.preempted,
            energy_j=timing.energy_j, late_p50_ns=self.totals.lateness.p50_ns,
            late_p99_ns=self.totals.lateness.p99_ns,
            moved_ns=timing.moved_ns, moved_first_ns=timing.moved_first_ns, moves=self.moves,
            recomputed=self.recomputed, moved_bytes=timing.moved_bytes, moved_to=self.moved_to,
        )  # fmt: skip
