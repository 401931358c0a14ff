"""orbitmesh.serving.v1.ServingService of a satellite: modelled times, real messages."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

from orbitmesh.serving.v1 import serving_pb2
from orbitmesh.wire import limits
from orbitmesh.wire.energy import EnergyReport
from orbitmesh.wire.serving import BLOCK_TOKENS, ServingSpec

from ..refusal import refuse_argument, refuse_for_now, refuse_unpowered
from .batcher import Batcher, Limits, NeverFits, QueueFull, Step
from .power import power_w
from .published import BEFORE_QUEUE_NS
from .replica import Replica, Unpowered
from .request import Request
from .step_time import StepTime

PROMPT_BYTES_PER_TOKEN = 4  # about what a token of English text is
_TEXT = b"tok " * 4096
_UNPOWERED_RETRY_NS = (
    60_000_000_000  # where nobody knows when there is power again: a tenth of an orbit's night
)
_SHORTEST_RETRY_NS = 100_000_000  # of an instant that has passed: the next epoch tells
# a longer answer's lateness is that of its first so many messages: a bound on what a stream keeps
_MOST_LATENESSES = 4096


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

    def obey(self, order: dict[str, Any]) -> None:
        """What the run says: see parent.py."""
        if "capacity_ratio" in order:
            self._power_again_ns = order.get("power_again_mono_ns")
            for replica in self._replicas:
                replica.set_capacity(order["capacity_ratio"])
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
        asked = await _read(request, context)
        replica = min(self._replicas, key=lambda replica: replica.load)
        stream = _Stream(asked, self._spec.message_tokens)
        try:
            replica.ask(asked, stream.got)
        except NeverFits as error:
            await refuse_argument(context, "prompt_tokens", str(error))
        except QueueFull as error:
            await refuse_for_now(context, str(error), error.retry_ns)
        except Unpowered as error:
            await refuse_unpowered(context, self._unpowered(error), self._unpowered_retry_ns())
        try:
            async for first, count, due_ns in stream:
                message = serving_pb2.GenerateResponse(
                    tokens=serving_pb2.Tokens(first_index=first, count=count, text=_TEXT[: 4 * count])
                )
                if asked.result is not None and first + count == asked.output_tokens:
                    message.totals.CopyFrom(_totals(asked, stream, request.scheduled_mono_ns))
                yield message
                stream.handed_over(due_ns)
        finally:
            replica.forget(asked)


class _Stream:
    """The tokens of a request that are there and not yet sent.

    Whoever sends may be behind: what came in the meantime goes into one message.
    """

    def __init__(self, request: Request, message_tokens: int) -> None:
        self._request, self._message_tokens = request, message_tokens
        self._made = self._sent = 0
        self._due_ns = 0
        self._wakeup: asyncio.Future[None] | None = None
        self._loop = asyncio.get_running_loop()
        self.late_ns: list[int] = []

    def got(self, step: Step) -> None:
        self._made += 1
        self._due_ns = step.end_ns
        if self._wakeup is not None and self._is_ready() and not self._wakeup.done():
            self._wakeup.set_result(None)

    def handed_over(self, due_ns: int) -> None:
        if len(self.late_ns) < _MOST_LATENESSES:
            self.late_ns.append(time.monotonic_ns() - due_ns)

    def _is_ready(self) -> bool:
        new = self._made - self._sent
        return new >= self._message_tokens or (new > 0 and self._made >= self._request.output_tokens)

    def __aiter__(self) -> _Stream:
        return self

    async def __anext__(self) -> tuple[int, int, int]:
        """Index of the first, their number, and the modelled instant of the last."""
        if self._sent >= self._request.output_tokens:
            raise StopAsyncIteration
        while not self._is_ready():
            self._wakeup = self._loop.create_future()
            await self._wakeup
        first, count = self._sent, self._made - self._sent
        self._sent = self._made
        return first, count, self._due_ns


def _totals(request: Request, stream: _Stream, scheduled_mono_ns: int) -> Any:
    result, late = request.result, sorted(stream.late_ns)
    assert result is not None
    lateness = serving_pb2.Lateness(messages=len(late))
    if late:
        lateness.p50_ns, lateness.max_ns = late[len(late) // 2], late[-1]
        lateness.p99_ns = late[min(len(late) - 1, len(late) * 99 // 100)]
    return serving_pb2.Totals(
        prompt_tokens=request.prompt_tokens,
        output_tokens=request.output_tokens,
        timing=serving_pb2.Timing(
            queue_ns=result.queue_ns,
            prefill_ns=result.prefill_ns,
            decode_ns=result.decode_ns,
            throttled_ns=result.throttled_ns,
            throttled_queue_ns=result.throttled_queue_ns,
            throttled_prefill_ns=result.throttled_prefill_ns,
            preempted=result.preempted,
            energy_j=result.energy_j,
            since_scheduled_ns=request.arrival_ns - scheduled_mono_ns if scheduled_mono_ns else 0,
        ),
        lateness=lateness,
    )


async def _read(request: Any, context: Any) -> Request:
    """What is asked, from now on; what makes no sense is refused by the field's name."""
    now_ns = time.monotonic_ns()
    for name in ("session", "customer_class", "prefix"):
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
    if request.prefix_tokens > prompt:
        await refuse_argument(
            context, "prefix_tokens", f"{request.prefix_tokens} are more than the prompt's {prompt}"
        )
    return Request(prompt, output, now_ns, prefix=request.prefix, prefix_tokens=request.prefix_tokens)
