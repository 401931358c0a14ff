"""orbitmesh.compute.v1.ComputeService of a satellite."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

from orbitmesh.compute.v1 import compute_pb2, compute_pb2_grpc
from orbitmesh.wire import limits

from . import work
from .decoder import VOCABULARY, Decoder, encode
from .embedding import Embedder, NotInstalled
from .refusal import refuse_argument, refuse_busy, refuse_deadline, refuse_missing
from .worker import DeadlineTooShort, Done, Job, Worker, WorkerBusy

T = TypeVar("T")

_NS_PER_S = 1_000_000_000


class ComputeService(compute_pb2_grpc.ComputeServiceServicer):
    def __init__(self, worker: Worker, decoder: Decoder) -> None:
        self._worker = worker
        self._decoder = decoder
        self._embedder: Embedder | None = None  # made when it is first asked for: its modules are large

    async def MatMul(self, request: Any, context: Any) -> Any:  # noqa: N802 - as the .proto names it
        order, seed = request.order, request.seed
        if not 1 <= order <= limits.MAX_MATMUL_ORDER:
            await refuse_argument(context, "order", f"{order} is not 1 to {limits.MAX_MATMUL_ORDER}")
        done = await self._compute(context, "matmul", order, lambda _: work.matmul(order, seed))
        trace, crc32 = done.value
        return compute_pb2.MatMulResponse(timing=_timing(done), trace=trace, product_crc32=crc32)

    async def Checksum(self, request: Any, context: Any) -> Any:  # noqa: N802
        payload: bytes = request.payload
        if len(payload) > limits.MAX_PAYLOAD_BYTES:
            most = limits.MAX_PAYLOAD_BYTES
            await refuse_argument(context, "payload", f"{len(payload)} bytes are more than {most}")
        done = await self._compute(context, "checksum", len(payload), lambda _: work.checksum(payload))
        sha256, crc32 = done.value
        return compute_pb2.ChecksumResponse(
            timing=_timing(done), sha256=sha256, crc32=crc32, payload_bytes=len(payload)
        )

    async def Embed(self, request: Any, context: Any) -> Any:  # noqa: N802
        text: str = request.text
        size = len(text.encode())
        if not 1 <= size <= limits.MAX_EMBEDDED_BYTES:
            await refuse_argument(context, "text", f"{size} bytes are not 1 to {limits.MAX_EMBEDDED_BYTES}")
        try:
            done = await self._compute(context, "embed", size, lambda _: self._embedded(text))
        except NotInstalled as error:
            await refuse_missing(context, str(error))
        vector, tokens = done.value
        return compute_pb2.EmbedResponse(timing=_timing(done), vector=vector, tokens=tokens)

    def _embedded(self, text: str) -> tuple[list[float], int]:
        """On the worker's thread, the only one that asks."""
        if self._embedder is None:
            self._embedder = Embedder.installed()
        vector, tokens = self._embedder.embed(text)
        return vector.tolist(), tokens

    async def Generate(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        prompt = encode(request.prompt)
        max_tokens, temperature, seed = request.max_tokens, request.temperature, request.seed
        if not 1 <= max_tokens <= limits.MAX_NEW_TOKENS:
            await refuse_argument(context, "max_tokens", f"{max_tokens} is not 1 to {limits.MAX_NEW_TOKENS}")
        if not 0 <= temperature <= limits.MAX_TEMPERATURE:  # nor is it when not a number
            await refuse_argument(
                context, "temperature", f"{temperature} is not 0 to {limits.MAX_TEMPERATURE}"
            )
        if len(prompt) > limits.MAX_PROMPT_TOKENS:
            most = limits.MAX_PROMPT_TOKENS
            await refuse_argument(context, "prompt", f"{len(prompt)} tokens are more than {most}")

        loop = asyncio.get_running_loop()
        arrived_mono_ns = time.monotonic_ns()
        # (token id, queue_ns, compute_ns, made at mono_ns), or None at the end
        made: asyncio.Queue[tuple[int, int, int, int] | None] = asyncio.Queue()

        def generate(job: Job[None]) -> None:
            since = job.started_mono_ns
            for token_id in self._decoder.generate(prompt, max_tokens, temperature, seed):
                job.check()
                now = time.monotonic_ns()
                loop.call_soon_threadsafe(made.put_nowait, (token_id, job.queue_ns, now - since, now))
                since = now

        computing = asyncio.create_task(
            self._compute(context, "generate", len(prompt) + max_tokens, generate)
        )
        computing.add_done_callback(lambda _: made.put_nowait(None))
        try:
            index = first_token_ns = 0
            while (token := await made.get()) is not None:
                token_id, queue_ns, compute_ns, made_mono_ns = token
                if index == 0:
                    first_token_ns = made_mono_ns - arrived_mono_ns
                yield compute_pb2.GenerateResponse(
                    timing=compute_pb2.Timing(queue_ns=queue_ns, compute_ns=compute_ns),
                    token=compute_pb2.GenerateToken(
                        index=index, token_id=token_id, text=VOCABULARY[token_id]
                    ),
                )
                index += 1
            yield compute_pb2.GenerateResponse(
                timing=_timing(await computing),
                totals=compute_pb2.GenerateTotals(
                    prompt_tokens=len(prompt), tokens=index, first_token_ns=first_token_ns
                ),
            )
        finally:
            computing.cancel()

    async def _compute(self, context: Any, kind: str, size: int, task: Callable[[Job[T]], T]) -> Done[T]:
        """Have the worker do it within the caller's deadline; what cannot be is refused."""
        left_s = context.time_remaining()
        left_s = limits.LONGEST_TASK_S if left_s is None else min(left_s, limits.LONGEST_TASK_S)
        left_ns = int(left_s * _NS_PER_S)
        try:
            async with asyncio.timeout(left_s):
                return await self._worker.run(kind, size, task, left_ns)
        except WorkerBusy as busy:
            await refuse_busy(context, busy)
        except DeadlineTooShort as error:
            await refuse_deadline(context, error)
        except TimeoutError:
            await refuse_deadline(context, DeadlineTooShort(left_ns, 0))


def _timing(done: Done[Any]) -> Any:
    return compute_pb2.Timing(queue_ns=done.queue_ns, compute_ns=done.compute_ns)
