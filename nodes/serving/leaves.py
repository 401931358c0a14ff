"""What a satellite does for whom it soon ends: nothing more is begun, or what is under way is moved."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Any

from orbitmesh.serving.v1 import serving_pb2
from orbitmesh.wire.serving import ServingSpec

from ..refusal import refuse_unpowered
from .journey import so_far, to_message
from .leaving import Leave, Target, expected_ns, retry_ns, who_leaves
from .mover import MoveFailed, Mover
from .published import BEFORE_QUEUE_NS
from .replica import Departed, Replica
from .request import Before, Request
from .step_time import StepTime
from .stream import Answering

_LOOK_S = 0.05
_UNKNOWN_RETRY_NS = 60_000_000_000
_DEAD_NS = 10_000_000_000  # who was not reached is not tried for so long


class Leaves:
    def __init__(self, spec: ServingSpec, times: StepTime, answering: AbstractSet[Answering]) -> None:
        self._spec, self._times, self._answering = spec, times, answering
        self._leaves: tuple[Leave, ...] = ()
        self._timer: asyncio.TimerHandle | None = None
        self._dead_until_ns: dict[str, int] = {}
        self._turn = asyncio.Lock()  # one cache after the other: each pauses only for its own
        self.mover: Mover | None = None

    def obey(self, leaves: tuple[Leave, ...]) -> None:
        """In place of those told before."""
        self._leaves = leaves
        if self.mover is not None:
            self.mover.may_send_to(target for leave in leaves if leave.rule == "move" for target in leave.to)
        if leaves and self._timer is None:
            self._look()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    async def refuse_what_outlives(
        self, request: Any, asked: Request, replica: Replica, context: Any
    ) -> None:
        """Where the scenario says so, and as far as can be expected."""
        for leave in self._leaves:
            if leave.rule != "refuse" or not _is_of(leave, request.gateway, request.customer_class):
                continue
            takes_ns, now_ns = self._takes_ns(asked, replica), time.monotonic_ns()
            left_ns = leave.until_mono_ns - now_ns
            if takes_ns > left_ns:
                again_ns = retry_ns(leave, now_ns)
                when = "nobody knows when again"
                if again_ns is not None:
                    when = f"try again in {again_ns / 1e9:.1f} s"
                why = (
                    f"this satellite will be {leave.reason} in {max(0, left_ns) / 1e9:.1f} s, and an answer "
                    f"of {asked.output_tokens} tokens takes longer: {when}"
                )
                await refuse_unpowered(context, why, _UNKNOWN_RETRY_NS if again_ns is None else again_ns)

    def _takes_ns(self, asked: Request, replica: Replica) -> int:
        prompt = asked.prompt_tokens
        step_ns = max(replica.step_ns, self._times.ns(0, 0.0, replica.batcher.decoding + 1, prompt))
        decode_ns = expected_ns(asked.output_tokens - asked.made, step_ns, stands_still=replica.stands_still)
        return BEFORE_QUEUE_NS + self._times.ns(prompt, prompt * prompt / 2, 0, 0) + decode_ns

    def _look(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(_LOOK_S, self._look) if self._leaves else None
        if self.mover is None:
            return
        now_ns = time.monotonic_ns()
        for leave in self._leaves:
            if leave.rule != "move" or not self._alive(leave, now_ns):
                continue  # nobody to go to: it stays
            mine = [
                each
                for each in self._answering
                if _is_of(leave, each.gateway, each.customer_class) and not each.is_leaving
            ]
            mine.sort(key=lambda each: each.request.arrival_ns)
            for replica in {each.replica: None for each in mine}:
                of = [each for each in mine if each.replica is replica]
                under_way = [each.under_way(self._cache_bytes(each)) for each in of]
                step_ns, still = replica.step_ns, replica.stands_still
                for row in who_leaves(under_way, leave, now_ns, step_ns, stands_still=still):
                    of[row].is_leaving = True
                    self.mover.start(self._move(self.mover, of[row], leave))

    def _cache_bytes(self, each: Answering) -> int:
        made = each.request.output_tokens - each.stream.left_tokens
        return self._spec.cache_bytes(each.request.prompt_tokens + made)

    def _alive(self, leave: Leave, now_ns: int) -> list[Target]:
        return [each for each in leave.to if self._dead_until_ns.get(each.name, 0) <= now_ns]

    async def _move(self, mover: Mover, each: Answering, leave: Leave) -> None:
        """To the first that takes its cache; else to be computed anew there; else it goes on here."""
        async with self._turn:
            request = each.request
            departed = await each.replica.depart(request)
            if departed is None:
                return  # it is finished, or nobody waits for it any more
            before = so_far(request, departed)
            moved = serving_pb2.Moved(
                reason=leave.reason,
                made=request.made,
                paused_mono_ns=departed.at_ns,
                timing=to_message(before),
            )
            if departed.context_tokens:
                header = serving_pb2.MigrateHeader(
                    customer_class=each.customer_class,
                    gateway=each.gateway,
                    prompt_tokens=request.prompt_tokens,
                    max_output_tokens=request.output_tokens,
                    made=request.made,
                    cache_bytes=self._spec.cache_bytes(departed.context_tokens),
                    paused_mono_ns=departed.at_ns,
                    timing=moved.timing,
                )
                moved.satellite, moved.ticket = await self._sent(mover, leave, header)
            if not moved.ticket:
                alive = self._alive(leave, time.monotonic_ns())
                moved.satellite = alive[0].name if alive else ""
            if moved.satellite or not self._goes_on_here(each, departed, before):
                each.stream.leave(moved)

    async def _sent(self, mover: Mover, leave: Leave, header: Any) -> tuple[str, str]:
        """Who has it, and the ticket; empty where nobody has."""
        for target in self._alive(leave, time.monotonic_ns()):
            if not target.rate_bps:
                continue
            try:
                return target.name, await mover.send(target, header)
            except MoveFailed as error:
                if not error.is_there:
                    self._dead_until_ns[target.name] = time.monotonic_ns() + _DEAD_NS
        return "", ""

    def _goes_on_here(self, each: Answering, departed: Departed, before: Before) -> bool:
        """In the place that it has left; False where others have taken it."""
        was, now_ns = each.request, time.monotonic_ns()
        again = Request(was.prompt_tokens, was.output_tokens, now_ns, made=was.made)
        again.before = replace(before, moved_ns=before.moved_ns + max(0, now_ns - departed.at_ns))
        place = each.replica.batcher.expect(again) if departed.context_tokens else None
        if place is None:
            return False
        each.request, each.is_leaving = again, False
        each.replica.arrive(again, place, each.stream.got)
        return True


def _is_of(leave: Leave, gateway: str, customer_class: str) -> bool:
    return (leave.gateway, leave.customer_class) == (gateway, customer_class)
