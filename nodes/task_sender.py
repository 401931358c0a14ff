"""What a gateway does: sends tasks to satellites, as customers would, and times the answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import grpc.aio
import numpy as np

from orbitmesh.compute.v1 import compute_pb2
from orbitmesh.wire.schedule import phase_ns, task_stream
from orbitmesh.wire.spec import NEAREST, NodeSpec, Sample, TaskSpec

from .channels import PeerChannel
from .outbox import Outbox
from .prober import Measuring

PROMPT = "What does the customer on the ground get?"
TEMPERATURE = 0.8
_NS_PER_S = 1_000_000_000


class TaskSender:
    """Sends each task of the spec every interval.

    A task for "nearest" goes to the satellite assigned last.  Its latency is
    counted from the moment the request is handed to a connection that stands:
    while the connection to a satellite just assigned is being made, the task
    waits uncounted, for at most its timeout, and is then lost (UNAVAILABLE).
    A task due while none is assigned is lost with dst "" and the error
    "unassigned"; before the first assignment, while the mesh starts, it is not
    sent and not counted.
    """

    def __init__(self, spec: NodeSpec, group: asyncio.TaskGroup, outbox: Outbox) -> None:
        self._spec, self._group, self._outbox = spec, group, outbox
        self._nearest: str | None = None
        self._told = False
        self._channels: dict[str, PeerChannel] = {}
        self._users: dict[str, int] = {}  # calls under way, by satellite
        self._measuring = Measuring(group)
        self._next_seq = 0
        self.quiet_until_mono_ns = 0  # connections are made before, and nothing is sent
        for number, task in enumerate(spec.tasks):
            if task.target != NEAREST:
                self._open(task.target)
            offset_ns = phase_ns(spec.seed, task_stream(number, task.kind), task.interval_ns)
            self._measuring.every(task.interval_ns, offset_ns, self._sending(number, task), self._miss)

    def assign_nearest(self, satellite: str | None) -> None:
        """Who serves from now on.  The connection to the one before is closed once its calls are done."""
        if satellite is not None and any(task.target == NEAREST for task in self._spec.tasks):
            self._open(satellite)
        before, self._nearest, self._told = self._nearest, satellite, True
        if before is not None:
            self._close_unused(before)

    def cut_off(self) -> None:
        """The run ends, and nobody waits for what is under way."""
        self._measuring.cut_off()

    def _miss(self, why: str, count: int) -> None:
        if time.monotonic_ns() >= self.quiet_until_mono_ns:
            self._outbox.miss("task", "", why, count)

    def _open(self, satellite: str) -> None:
        if satellite in self._channels:
            return
        if satellite not in self._spec.peers:
            raise ValueError(
                f"{self._spec.name} is to send tasks to {satellite!r}, whose address it was not told"
            )
        self._channels[satellite] = PeerChannel(self._group, self._spec.peers[satellite])

    def _close_unused(self, satellite: str) -> None:
        wanted = satellite == self._nearest or any(task.target == satellite for task in self._spec.tasks)
        if not wanted and not self._users.get(satellite) and satellite in self._channels:
            self._group.create_task(self._channels.pop(satellite).close())

    def _sending(self, number: int, task: TaskSpec) -> Callable[[int], Awaitable[None]]:
        seed = (self._spec.seed + number) % 2**32
        payload = np.random.default_rng(seed).bytes(task.size) if task.kind == "checksum" else b""

        async def send(round_number: int) -> None:
            if time.monotonic_ns() < self.quiet_until_mono_ns:
                return
            if task.target == NEAREST and not self._told:
                return
            seq = self._next_seq
            self._next_seq += 1
            satellite = self._nearest if task.target == NEAREST else task.target
            due = time.monotonic_ns()
            if satellite is None:
                self._lost(task, "", seq, due, "unassigned")
                return
            channel = self._channels[satellite]
            self._users[satellite] = self._users.get(satellite, 0) + 1
            try:
                if not await channel.until_ready(task.timeout_ns / _NS_PER_S):
                    self._lost(task, satellite, seq, due, "UNAVAILABLE")
                    return
                sent = time.monotonic_ns()
                try:
                    answer = await _call(channel, task, seed + round_number, payload)
                except grpc.aio.AioRpcError as error:
                    self._lost(task, satellite, seq, sent, error.code().name)
                    return
                done = time.monotonic_ns()
            finally:
                self._users[satellite] -= 1
                self._close_unused(satellite)
            self._outbox.put(
                Sample(
                    kind="task", src=self._spec.name, dst=satellite, seq=seq, task=task.kind,
                    sent_mono_ns=sent, done_mono_ns=done, measured_ns=done - sent,
                    queue_ns=answer.queue_ns, compute_ns=answer.compute_ns,
                    first_ns=answer.first_mono_ns - sent if answer.first_mono_ns else 0,
                    bytes_up=answer.bytes_up, bytes_down=answer.bytes_down,
                )
            )  # fmt: skip

        return send

    def _lost(self, task: TaskSpec, satellite: str, seq: int, sent_mono_ns: int, why: str) -> None:
        done = time.monotonic_ns()
        self._outbox.put(
            Sample(
                "task", self._spec.name, satellite, seq, sent_mono_ns, done, done - sent_mono_ns,
                ok=False, error=why, task=task.kind,
            )
        )  # fmt: skip


@dataclass(frozen=True)
class _Answer:
    queue_ns: int
    compute_ns: int
    bytes_up: int
    bytes_down: int
    first_mono_ns: int = 0  # when the first token of a stream came


async def _call(channel: PeerChannel, task: TaskSpec, seed: int, payload: bytes) -> _Answer:
    """One task, answered.  Raises AioRpcError."""
    timeout_s = task.timeout_ns / _NS_PER_S
    request: Any
    first_mono_ns = bytes_down = 0
    if task.kind == "matmul":
        request = compute_pb2.MatMulRequest(order=task.size, seed=seed)
        answer = await channel.compute.MatMul(request, timeout=timeout_s)
        bytes_down = answer.ByteSize()
    elif task.kind == "checksum":
        request = compute_pb2.ChecksumRequest(payload=payload)
        answer = await channel.compute.Checksum(request, timeout=timeout_s)
        bytes_down = answer.ByteSize()
    else:
        request = compute_pb2.GenerateRequest(
            prompt=PROMPT, max_tokens=task.size, temperature=TEMPERATURE, seed=seed
        )
        async for answer in channel.compute.Generate(request, timeout=timeout_s):
            first_mono_ns = first_mono_ns or time.monotonic_ns()
            bytes_down += answer.ByteSize()
    timing = answer.timing
    return _Answer(timing.queue_ns, timing.compute_ns, request.ByteSize(), bytes_down, first_mono_ns)
