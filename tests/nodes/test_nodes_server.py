"""What a caller of a node's gRPC server meets; on loopback, in this process."""

from __future__ import annotations

import asyncio
import hashlib
import threading
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import pytest
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_status import rpc_status

from orbitmesh.compute.v1 import compute_pb2, compute_pb2_grpc
from orbitmesh.nodes import work
from orbitmesh.nodes.compute_service import ComputeService
from orbitmesh.nodes.decoder import Decoder, encode
from orbitmesh.nodes.probe_service import ProbeService
from orbitmesh.nodes.server import NodeServer
from orbitmesh.nodes.statistics import Statistics
from orbitmesh.nodes.worker import Worker
from orbitmesh.probe.v1 import probe_pb2, probe_pb2_grpc
from orbitmesh.wire import limits
from orbitmesh.wire.spec import Sample

TIMEOUT_S = 20.0
DECODER = Decoder(seed=1)


class Rig:
    """A satellite's server and a channel to it."""

    def __init__(self, most_waiting: int) -> None:
        self.statistics = Statistics()
        self.worker = Worker(most_waiting)
        probe = ProbeService("sat-0-0", self.statistics)
        self.server = NodeServer("127.0.0.1", probe, ComputeService(self.worker, DECODER), port=0)
        self.channel = grpc.aio.insecure_channel(f"ipv4:127.0.0.1:{self.server.port}")
        self.compute: Any = compute_pb2_grpc.ComputeServiceStub(self.channel)
        self.probe: Any = probe_pb2_grpc.ProbeServiceStub(self.channel)
        self.health: Any = health_pb2_grpc.HealthStub(self.channel)

    @asynccontextmanager
    async def blocked(self) -> AsyncIterator[None]:
        """The worker is busy with something else meanwhile."""
        release = threading.Event()
        blocking = asyncio.create_task(self.worker.run("block", 1, lambda _: release.wait(), 10**11))
        while not self.worker.running:
            await asyncio.sleep(0.001)
        try:
            yield
        finally:
            release.set()
            await blocking


def serving(scenario: Callable[[Rig], Awaitable[None]], most_waiting: int = 16) -> None:
    async def run() -> None:
        rig = Rig(most_waiting)
        await rig.server.start()
        try:
            await scenario(rig)
        finally:
            await rig.channel.close()
            await rig.server.stop(0)
            rig.worker.close()

    asyncio.run(run())


async def refused(call: Awaitable[Any]) -> tuple[str, str, list[Any]]:
    """Status name, sentence and details of a call that must fail."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    error = caught.value
    status = rpc_status.from_call(error)
    details: list[Any] = []
    for packed in status.details if status is not None else ():
        kind: Any = {"google.rpc.BadRequest": BadRequest, "google.rpc.RetryInfo": RetryInfo}[
            packed.TypeName()
        ]
        detail = kind()
        packed.Unpack(detail)
        details.append(detail)
    return error.code().name, error.details(), details


def test_matmul() -> None:
    async def scenario(rig: Rig) -> None:
        answer = await rig.compute.MatMul(compute_pb2.MatMulRequest(order=48, seed=9), timeout=TIMEOUT_S)
        assert (answer.trace, answer.product_crc32) == work.matmul(48, 9)
        assert answer.timing.queue_ns >= 0
        assert answer.timing.compute_ns > 0

    serving(scenario)


def test_checksum_of_the_largest_payload() -> None:
    async def scenario(rig: Rig) -> None:
        payload = bytes(range(256)) * (limits.MAX_PAYLOAD_BYTES // 256)
        answer = await rig.compute.Checksum(compute_pb2.ChecksumRequest(payload=payload), timeout=TIMEOUT_S)
        assert answer.sha256 == hashlib.sha256(payload).digest()
        assert answer.crc32 == zlib.crc32(payload)
        assert answer.payload_bytes == len(payload)
        assert answer.timing.compute_ns > 0

    serving(scenario)


def test_generate_streams_each_token_and_then_the_totals() -> None:
    async def scenario(rig: Rig) -> None:
        request = compute_pb2.GenerateRequest(prompt="Kalimera", max_tokens=12, temperature=0.8, seed=3)
        *tokens, totals = [answer async for answer in rig.compute.Generate(request, timeout=TIMEOUT_S)]
        assert [answer.token.index for answer in tokens] == list(range(12))
        assert [answer.token.token_id for answer in tokens] == list(
            DECODER.generate(encode("Kalimera"), 12, 0.8, 3)
        )
        assert "".join(answer.token.text for answer in tokens)
        assert totals.WhichOneof("event") == "totals"
        assert (totals.totals.tokens, totals.totals.prompt_tokens) == (12, len(encode("Kalimera")))
        assert all(answer.timing.compute_ns > 0 for answer in tokens)
        assert sum(answer.timing.compute_ns for answer in tokens) <= totals.timing.compute_ns
        assert tokens[0].timing.queue_ns + tokens[0].timing.compute_ns <= totals.totals.first_token_ns

    serving(scenario)


def test_the_first_token_comes_before_the_last_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last ones wait until the first has been read."""
    was_read = threading.Event()
    generate = DECODER.generate

    def held(*arguments: Any) -> Iterator[int]:
        for index, token in enumerate(generate(*arguments)):
            if index == 5:
                assert was_read.wait(TIMEOUT_S)
            yield token

    async def scenario(rig: Rig) -> None:
        n_answers = 0
        request = compute_pb2.GenerateRequest(max_tokens=10)
        async for _ in rig.compute.Generate(request, timeout=TIMEOUT_S):
            was_read.set()
            n_answers += 1
        assert n_answers == 10 + 1  # and the totals

    monkeypatch.setattr(DECODER, "generate", held)
    serving(scenario)


@pytest.mark.parametrize(
    ("method", "request_", "field"),
    [
        ("MatMul", compute_pb2.MatMulRequest(order=0), "order"),
        ("MatMul", compute_pb2.MatMulRequest(order=limits.MAX_MATMUL_ORDER + 1), "order"),
        ("Checksum", compute_pb2.ChecksumRequest(payload=bytes(limits.MAX_PAYLOAD_BYTES + 1)), "payload"),
    ],
)
def test_an_argument_out_of_bounds_is_named(method: str, request_: Any, field: str) -> None:
    async def scenario(rig: Rig) -> None:
        call = getattr(rig.compute, method)(request_, timeout=TIMEOUT_S)
        code, sentence, (detail,) = await refused(call)
        assert code == "INVALID_ARGUMENT"
        assert [violation.field for violation in detail.field_violations] == [field]
        assert sentence == f"{field}: {detail.field_violations[0].description}"

    serving(scenario)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": limits.MAX_NEW_TOKENS + 1}, "max_tokens"),
        ({"max_tokens": 1, "temperature": -0.1}, "temperature"),
        ({"max_tokens": 1, "temperature": float("nan")}, "temperature"),
        ({"max_tokens": 1, "prompt": "ω" * (limits.MAX_PROMPT_TOKENS + 1)}, "prompt"),
    ],
)
def test_an_argument_of_generate_out_of_bounds_is_named(arguments: dict[str, Any], field: str) -> None:
    async def scenario(rig: Rig) -> None:
        async def ask() -> None:
            async for _ in rig.compute.Generate(compute_pb2.GenerateRequest(**arguments), timeout=TIMEOUT_S):
                pass

        code, _, (detail,) = await refused(ask())
        assert code == "INVALID_ARGUMENT"
        assert detail.field_violations[0].field == field

    serving(scenario)


def test_an_echo_too_large_is_refused() -> None:
    async def scenario(rig: Rig) -> None:
        request = probe_pb2.EchoRequest(payload=bytes(limits.MAX_ECHO_BYTES + 1))
        code, _, (detail,) = await refused(rig.probe.Echo(request, timeout=TIMEOUT_S))
        assert (code, detail.field_violations[0].field) == ("INVALID_ARGUMENT", "payload")

    serving(scenario)


def test_a_task_waits_for_the_one_that_is_computed() -> None:
    async def scenario(rig: Rig) -> None:
        request = compute_pb2.MatMulRequest(order=8)
        async with rig.blocked():
            calls = [asyncio.ensure_future(rig.compute.MatMul(request, timeout=TIMEOUT_S)) for _ in range(3)]
            while rig.worker.waiting < len(calls):
                await asyncio.sleep(0.001)
            all_there_ns = time.monotonic_ns()
            await asyncio.sleep(0.2)
            held_ns = time.monotonic_ns() - all_there_ns
        answers = await asyncio.gather(*calls)
        assert all(answer.timing.queue_ns >= held_ns for answer in answers)

    serving(scenario)


def test_the_node_answers_while_it_computes() -> None:
    async def scenario(rig: Rig) -> None:
        async with rig.blocked():
            await rig.probe.Echo(probe_pb2.EchoRequest(), timeout=TIMEOUT_S)

    serving(scenario)


def test_more_tasks_than_may_wait_are_told_when_to_come_back() -> None:
    async def scenario(rig: Rig) -> None:
        request = compute_pb2.MatMulRequest(order=8)
        async with rig.blocked():
            calls = [asyncio.ensure_future(rig.compute.MatMul(request, timeout=TIMEOUT_S)) for _ in range(3)]
            done, waiting = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
            code, _, (detail,) = await refused(done.pop())
            assert code == "RESOURCE_EXHAUSTED"
            assert detail.retry_delay.ToNanoseconds() > 0
        await asyncio.gather(*waiting)

    serving(scenario, most_waiting=2)


def test_a_deadline_that_cannot_be_kept_is_refused_by_the_node_itself() -> None:
    """The refusal must come from the node, long before the caller's own clock runs out."""

    async def scenario(rig: Rig) -> None:
        request = compute_pb2.MatMulRequest(order=8)
        hold = threading.Event()
        rig.worker._least_ns["hold", 1] = 60 * 10**9  # as if learnt: never under a minute
        ahead = asyncio.create_task(rig.worker.run("hold", 1, lambda _: hold.wait(60), 10**11))
        while not rig.worker.running:
            await asyncio.sleep(0.001)
        begin = time.monotonic()
        code, sentence, _ = await refused(rig.compute.MatMul(request, timeout=TIMEOUT_S))
        assert code == "DEADLINE_EXCEEDED"
        assert "the task needs at least" in sentence
        assert time.monotonic() - begin < TIMEOUT_S
        hold.set()
        await ahead

    serving(scenario)


def test_a_task_whose_caller_gave_up_is_not_computed() -> None:
    async def scenario(rig: Rig) -> None:
        async with rig.blocked():
            code, _, _ = await refused(rig.compute.MatMul(compute_pb2.MatMulRequest(order=8), timeout=0.2))
            assert code == "DEADLINE_EXCEEDED"
            end = time.monotonic() + 5
            while rig.worker.waiting and time.monotonic() < end:
                await asyncio.sleep(0.01)
            assert rig.worker.waiting == 0

    serving(scenario)


def test_a_deadline_that_passed_before_the_call_is_exceeded() -> None:
    async def scenario(rig: Rig) -> None:
        code, _, _ = await refused(rig.compute.MatMul(compute_pb2.MatMulRequest(order=8), timeout=-1))
        assert code == "DEADLINE_EXCEEDED"

    serving(scenario)


def test_a_caller_who_leaves_a_stream_frees_the_worker() -> None:
    async def scenario(rig: Rig) -> None:
        call = rig.compute.Generate(compute_pb2.GenerateRequest(max_tokens=1024), timeout=TIMEOUT_S)
        await call.read()
        call.cancel()
        end = time.monotonic() + 10
        while rig.worker.running and time.monotonic() < end:
            await asyncio.sleep(0.001)
        assert not rig.worker.running
        await rig.compute.MatMul(compute_pb2.MatMulRequest(order=8), timeout=TIMEOUT_S)

    serving(scenario)


def test_echo_stamps_lie_between_sending_and_receiving() -> None:
    async def scenario(rig: Rig) -> None:
        sent = time.monotonic_ns()
        answer = await rig.probe.Echo(
            probe_pb2.EchoRequest(payload=b"abc", sent_mono_ns=sent), timeout=TIMEOUT_S
        )
        done = time.monotonic_ns()
        assert (answer.payload, answer.sent_mono_ns) == (b"abc", sent)
        assert sent < answer.server_received_mono_ns <= answer.server_sent_mono_ns < done

    serving(scenario)


def test_statistics_are_served() -> None:
    async def scenario(rig: Rig) -> None:
        for measured_ns in (10, 30, 20):
            rig.statistics.add(Sample("udp", "sat-0-0", "gw-a", 0, 0, measured_ns, measured_ns))
        rig.statistics.add(
            Sample("task", "sat-0-0", "gw-b", 0, 0, 5, 5, ok=False, error="timeout", task="matmul")
        )
        answer = await rig.probe.GetStatistics(probe_pb2.GetStatisticsRequest(), timeout=TIMEOUT_S)
        udp, task = answer.statistics
        assert answer.node == "sat-0-0"
        assert (udp.peer, udp.kind, udp.count, udp.lost) == ("gw-a", probe_pb2.MEASUREMENT_KIND_UDP, 3, 0)
        assert (udp.min_ns, udp.p50_ns, udp.max_ns, udp.last_ns) == (10, 20, 30, 20)
        assert (task.kind, task.task, task.lost) == (probe_pb2.MEASUREMENT_KIND_TASK, "matmul", 1)
        one = await rig.probe.GetStatistics(probe_pb2.GetStatisticsRequest(peer="gw-a"), timeout=TIMEOUT_S)
        assert [statistics.peer for statistics in one.statistics] == ["gw-a"]

    serving(scenario)


def test_health_is_serving_and_not_serving_once_it_stops() -> None:
    async def scenario(rig: Rig) -> None:
        serving_now = health_pb2.HealthCheckResponse.SERVING
        for service in ("", "orbitmesh.compute.v1.ComputeService", "orbitmesh.probe.v1.ProbeService"):
            request = health_pb2.HealthCheckRequest(service=service)
            assert (await rig.health.Check(request, timeout=TIMEOUT_S)).status == serving_now
        watch = rig.health.Watch(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_S)
        assert (await watch.read()).status == serving_now
        stopping = asyncio.create_task(rig.server.stop(5))
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        watch.cancel()
        await stopping

    serving(scenario)


def test_a_call_under_way_is_finished_when_the_node_stops() -> None:
    async def scenario(rig: Rig) -> None:
        async with rig.blocked():
            call = asyncio.ensure_future(
                rig.compute.MatMul(compute_pb2.MatMulRequest(order=8), timeout=TIMEOUT_S)
            )
            while not rig.worker.waiting:
                await asyncio.sleep(0.001)
            stopping = asyncio.create_task(rig.server.stop(10))
            await asyncio.sleep(0.01)
        assert (await call).timing.compute_ns > 0
        await stopping

    serving(scenario)


def test_reflection_lists_the_services() -> None:
    async def scenario(rig: Rig) -> None:
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(rig.channel)
        call = stub.ServerReflectionInfo(
            iter([reflection_pb2.ServerReflectionRequest(list_services="")]), timeout=TIMEOUT_S
        )
        (answer,) = [answer async for answer in call]
        assert {service.name for service in answer.list_services_response.service} == {
            "orbitmesh.compute.v1.ComputeService",
            "orbitmesh.probe.v1.ProbeService",
            "grpc.health.v1.Health",
            "grpc.reflection.v1alpha.ServerReflection",
        }

    serving(scenario)


def test_a_port_that_is_taken_is_an_error() -> None:
    async def scenario(rig: Rig) -> None:
        with pytest.raises(OSError, match=f"gRPC port {rig.server.port} on 127.0.0.1"):
            NodeServer("127.0.0.1", ProbeService("gw-a", Statistics()), None, port=rig.server.port)

    serving(scenario)
