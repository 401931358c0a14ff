"""orbitmesh.serving.v1.ServingService of a satellite: modelled times, real messages."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

from orbitmesh.serving.v1 import serving_pb2
from orbitmesh.wire import limits
from orbitmesh.wire.energy import EnergyReport
from orbitmesh.wire.serving import BLOCK_TOKENS, ServingSpec

from ..refusal import refuse_argument, refuse_for_now, refuse_gone, refuse_unpowered
from .arrivals import Arrived, read_cache, read_header
from .batcher import Batcher
from .journey import from_message, moved, to_message, whole
from .leaves import Leaves
from .leaving import read_leaves
from .limits import Limits, NeverFits, QueueFull
from .mover import Mover
from .power import power_w
from .published import BEFORE_QUEUE_NS
from .replica import Replica, Unpowered
from .request import Request
from .step_time import StepTime
from .stream import Answering, Stream

PROMPT_BYTES_PER_TOKEN = 4  # about what a token of English text is
_TEXT = b"tok " * 4096
_UNPOWERED_RETRY_NS = (
    60_000_000_000  # where nobody knows when there is power again: a tenth of an orbit's night
)
_SHORTEST_RETRY_NS = 100_000_000  # of an instant that has passed: the next epoch tells


class ServingService:
    """One queue for each replica; a request goes to the one with the fewest."""

    def __init__(self, spec: ServingSpec) -> None:
        on = spec.deployment
        kept = Limits(
            on.kv_blocks,
            on.step_tokens,
            spec.requests,
            spec.waiting,
            spec.prefix_caching,
            promise_answers=on.engine == "trtllm",
            before_queue_ns=BEFORE_QUEUE_NS,
        )
        times = StepTime(on)
        self._spec, self._background = spec, 0
        self._power_again_ns: int | None = None  # by the machine's clock
        self._replicas = [Replica(Batcher(times, kept, partial(power_w, spec))) for _ in range(spec.replicas)]
        self._answering: set[Answering] = set()
        self._arrived = Arrived(self._answering)
        self._leaves = Leaves(spec, times, self._answering)

    def moves_by(self, mover: Mover) -> None:
        """Requests that would outlive what this satellite can do are moved; else they stay."""
        self._leaves.mover = mover

    def obey(self, order: dict[str, Any]) -> None:
        """What the run says: see parent.py."""
        if "capacity_ratio" in order:
            self._power_again_ns = order.get("power_again_mono_ns")
            for replica in self._replicas:
                replica.set_capacity(order["capacity_ratio"])
        if "leaves" in order:
            self._leaves.obey(read_leaves(order["leaves"]))
        for arrival_ns, prompt_tokens, output_tokens in order.get("background", ()):
            # their queues are not known before they arrive: in turns
            replica = self._replicas[self._background % len(self._replicas)]
            self._background += 1
            replica.background([Request(prompt_tokens, output_tokens, arrival_ns, background=True)])

    def energy(self, name: str) -> EnergyReport:
        """Of all accelerators until now."""
        for replica in self._replicas:
            replica.catch_up()
        now_ns = time.monotonic_ns()
        read = [replica.meter.read(now_ns) for replica in self._replicas]
        return EnergyReport(name, now_ns, sum(drawn for drawn, _ in read), sum(asked for _, asked in read))

    def close(self) -> None:
        self._leaves.close()
        self._arrived.close()
        for replica in self._replicas:
            replica.close()

    async def GetState(self, request: Any, context: Any) -> Any:  # noqa: N802 - as the .proto names it
        on, replicas = self._spec.deployment, self._replicas
        return serving_pb2.GetStateResponse(
            model=on.model.name,
            accelerator=on.accelerator.name,
            tensor_parallel=on.tensor_parallel,
            replicas=len(replicas),
            waiting=sum(replica.batcher.waiting for replica in replicas),
            running=sum(replica.batcher.running for replica in replicas),
            kv_tokens=sum(replica.batcher.limits.blocks for replica in replicas) * BLOCK_TOKENS,
            free_kv_tokens=sum(replica.batcher.free_blocks for replica in replicas) * BLOCK_TOKENS,
            capacity_ratio=replicas[0].capacity_ratio,
            extrapolated=on.model.extrapolated,
        )

    def _unpowered(self, error: Unpowered) -> str:
        retry_ns = self._unpowered_retry_ns()
        known = "" if self._power_again_ns is not None else ", which nobody knows for certain"
        return f"{error}: try again in {retry_ns / 1e9:.1f} s{known}"

    def _unpowered_retry_ns(self) -> int:
        if self._power_again_ns is None:
            return _UNPOWERED_RETRY_NS
        return max(_SHORTEST_RETRY_NS, self._power_again_ns - time.monotonic_ns())

    async def Generate(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        answering = await self._taken(request, context)
        stream = answering.stream
        self._answering.add(answering)
        try:
            async for first, count, due_ns in stream:
                message = serving_pb2.GenerateResponse(
                    tokens=serving_pb2.Tokens(first_index=first, count=count, text=_TEXT[: 4 * count])
                )
                asked = answering.request
                if asked.result is not None and first + count == asked.output_tokens:
                    message.totals.CopyFrom(_totals(asked, stream, request.scheduled_mono_ns))
                yield message
                stream.handed_over(due_ns)
            if stream.moved is not None:
                yield serving_pb2.GenerateResponse(moved=stream.moved)
        finally:
            self._answering.discard(answering)
            answering.replica.forget(answering.request)

    async def _taken(self, request: Any, context: Any) -> Answering:
        """A new request, one that is computed anew here, or one that has arrived with its cache."""
        asked = await _read(request, context)
        if request.resumed.ticket:
            arrived = self._arrived.claim(request.resumed.ticket)
            if arrived is None:
                await refuse_gone(context, "resumed.ticket: no answer goes on here under it: ask for it anew")
            return arrived
        replica = min(self._replicas, key=lambda replica: replica.load)
        stream = Stream(asked, self._spec.message_tokens)
        await self._leaves.refuse_what_outlives(request, asked, replica, context)
        try:
            replica.ask(asked, stream.got)
        except NeverFits as error:
            await refuse_argument(context, "prompt_tokens", str(error))
        except QueueFull as error:
            await refuse_for_now(context, str(error), error.retry_ns)
        except Unpowered as error:
            await refuse_unpowered(context, self._unpowered(error), self._unpowered_retry_ns())
        return Answering(asked, replica, stream, request.gateway, request.customer_class)

    async def Migrate(self, requests: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        header, asked = await read_header(requests, self._spec, context)
        replica = min(self._replicas, key=lambda replica: replica.load)
        if replica.stands_still:
            error = Unpowered("the accelerators have no power now")
            await refuse_unpowered(context, self._unpowered(error), self._unpowered_retry_ns())
        place = replica.batcher.expect(asked)
        if place is None:
            why = f"there is no room for {asked.context_tokens} tokens of KV cache now"
            await refuse_for_now(context, why, replica.batcher.retry_ns())
        try:
            yield serving_pb2.MigrateResponse()
            await read_cache(requests, header.cache_bytes, context)
            asked.arrival_ns = time.monotonic_ns()
            asked.before = moved(
                asked.before, asked.made, header.paused_mono_ns, asked.arrival_ns, header.cache_bytes
            )
            stream = Stream(asked, self._spec.message_tokens)
            replica.arrive(asked, place, stream.got)
            place = None
        finally:
            if place is not None:
                replica.give_up(place)
        answering = Answering(asked, replica, stream, header.gateway, header.customer_class)
        self._answering.add(answering)
        yield serving_pb2.MigrateResponse(ticket=self._arrived.keep(answering), landed=True)


def _totals(request: Request, stream: Stream, scheduled_mono_ns: int) -> Any:
    late, timing = sorted(stream.late_ns), to_message(whole(request))
    timing.since_scheduled_ns = request.arrival_ns - scheduled_mono_ns if scheduled_mono_ns else 0
    lateness = serving_pb2.Lateness(messages=len(late))
    if late:
        lateness.p50_ns, lateness.max_ns = late[len(late) // 2], late[-1]
        lateness.p99_ns = late[min(len(late) - 1, len(late) * 99 // 100)]
    return serving_pb2.Totals(
        prompt_tokens=request.prompt_tokens,
        output_tokens=request.output_tokens,
        timing=timing,
        lateness=lateness,
    )


async def _read(request: Any, context: Any) -> Request:
    """What is asked, from now on; what makes no sense is refused by the field's name."""
    now_ns = time.monotonic_ns()
    for name in ("session", "customer_class", "prefix", "gateway"):
        if len(getattr(request, name)) > limits.MAX_NAME_CHARACTERS:
            most = limits.MAX_NAME_CHARACTERS
            await refuse_argument(
                context, name, f"{len(getattr(request, name))} characters are more than {most}"
            )
    if len(request.prompt) > limits.MAX_SERVED_PROMPT_BYTES:
        most = limits.MAX_SERVED_PROMPT_BYTES
        await refuse_argument(context, "prompt", f"{len(request.prompt)} bytes are more than {most}")
    prompt = request.prompt_tokens or -(-len(request.prompt) // PROMPT_BYTES_PER_TOKEN)
    output = request.max_output_tokens
    for name, tokens in (("prompt_tokens", prompt), ("max_output_tokens", output)):
        if not 1 <= tokens <= limits.MAX_SERVED_TOKENS:
            await refuse_argument(context, name, f"{tokens} is not 1 to {limits.MAX_SERVED_TOKENS}")
    for name, instant_ns in (
        ("scheduled_mono_ns", request.scheduled_mono_ns),
        ("resumed.paused_mono_ns", request.resumed.paused_mono_ns),
    ):
        if instant_ns < 0:
            await refuse_argument(context, name, f"{instant_ns} is below 0")
    if request.prefix_tokens > prompt:
        await refuse_argument(
            context, "prefix_tokens", f"{request.prefix_tokens} are more than the prompt's {prompt}"
        )
    asked = Request(prompt, output, now_ns, prefix=request.prefix, prefix_tokens=request.prefix_tokens)
    if request.HasField("resumed"):
        await _resume(asked, request.resumed, context)
    return asked


async def _resume(asked: Request, resumed: Any, context: Any) -> None:
    """It was begun elsewhere, and comes without its cache, unless a ticket says otherwise."""
    if resumed.made >= asked.output_tokens:
        most = asked.output_tokens - 1
        await refuse_argument(context, "resumed.made", f"{resumed.made} is more than {most}: nothing is left")
    try:
        before = from_message(resumed.timing)
    except ValueError as error:
        await refuse_argument(context, "resumed.timing", str(error))
    asked.made, asked.is_anew = resumed.made, resumed.made > 0
    asked.before = moved(before, asked.made, resumed.paused_mono_ns, asked.arrival_ns, None)
