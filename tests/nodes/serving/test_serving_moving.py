"""Answers that go on at another satellite, over real streams on loopback: who has what, and what it took."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import grpc
import grpc.aio
import pytest
from serving_cards import H100, LLAMA_8B

from orbitmesh.nodes.channels import PeerChannel
from orbitmesh.nodes.load import sender
from orbitmesh.nodes.load.arrivals import Asked
from orbitmesh.nodes.probe_service import ProbeService
from orbitmesh.nodes.server import NodeServer
from orbitmesh.nodes.serving import arrivals
from orbitmesh.nodes.serving.mover import Mover
from orbitmesh.nodes.serving.service import ServingService
from orbitmesh.nodes.statistics import Statistics
from orbitmesh.nodes.stubs import serving_stub
from orbitmesh.serving.v1 import serving_pb2
from orbitmesh.wire.answers import Answer
from orbitmesh.wire.load import Lengths, LoadSpec
from orbitmesh.wire.serving import Deployment, ServingSpec
from orbitmesh.wire.spec import NodeSpec

S = 10**9
#: 131,072 bytes a token of Llama-3.1-8B at 16 bits, and a thousandth of them, as of the rates of the links
SPEC = ServingSpec(Deployment(LLAMA_8B, H100), cache_ratio=1e-3)
LOAD = LoadSpec("chat", "gw-a", 1, 1.0, Lengths("fixed", 500), Lengths("fixed", 60))
TOKENS = 150  # so many that a starved machine still finds the answer under way: a second of steps
ASKED = Asked(0, 0, 0, 500, TOKENS, 0, True)
#: what hosts and streams may take of an answer where the machine gives each its turn
HOST_NS = 300_000_000


class Sky:
    """Two satellites, and a gateway with customers; addresses are names, which are told ports."""

    def __init__(self, group: asyncio.TaskGroup, specs: tuple[ServingSpec, ServingSpec]) -> None:
        self.names = ("sat-0-0", "sat-0-1")
        self.services = [ServingService(spec) for spec in specs]
        self.servers = [
            NodeServer("127.0.0.1", ProbeService(name, Statistics()), None, port=0, serving=service)
            for name, service in zip(self.names, self.services, strict=True)
        ]
        self.group, self.told = group, list[Answer]()
        for service in self.services:
            service.moves_by(Mover(group, self.connect))
        spec = NodeSpec(
            "gw-a", "gateway", "10.0.0.9", 1, loads=(LOAD,), peers={name: name for name in self.names}
        )
        self.customers = sender.CustomerSender(spec, group, self)  # type: ignore[arg-type]
        self.stalled_ns = 0
        group.create_task(self._watch())

    async def _watch(self) -> None:
        """How long this process had no turn when it was due one, in all."""
        while True:
            began_ns = time.monotonic_ns()
            await asyncio.sleep(0.002)
            self.stalled_ns += max(0, time.monotonic_ns() - began_ns - 3_000_000)

    def host_ns(self) -> int:
        """What a starved machine may have added on both sides of each stream comes on top."""
        return HOST_NS + 2 * self.stalled_ns

    def connect(self, name: str) -> PeerChannel:
        return PeerChannel(self.group, "127.0.0.1", self.servers[self.names.index(name)].port)

    def answer(self, answer: Answer) -> None:
        self.told.append(answer)

    def leave(self, until_ns: int, rate_bps: int = 10**9, *, nobody: bool = False, **more: Any) -> None:
        target = {"name": "sat-0-1", "address": "sat-0-1", "rate_bps": rate_bps}
        row = {
            "gateway": "gw-a", "customer_class": "chat", "rule": "move", "until_mono_ns": until_ns,
            "reason": "without power in the eclipse", "again_mono_ns": None, "to": [] if nobody else [target],
        }  # fmt: skip
        self.services[0].obey({"leaves": [row | more]})

    async def ask(self, after_tokens: int, then: Callable[[], None]) -> Answer:
        """A request; what is done once the first satellite has made so many tokens."""
        self.customers.assign("sat-0-0", {}, {}, {})
        due_ns = time.monotonic_ns()
        asking = self.group.create_task(self.customers._ask(LOAD, ASKED, due_ns))
        while not (mine := list(self.services[0]._answering)) or mine[0].stream._made < after_tokens:
            await asyncio.sleep(0.002)
        then()
        await asking
        answer = self.told[-1]
        # by the model no later than the customer saw, and all but what hosts and streams took of it
        took_ns = answer.done_mono_ns - answer.due_mono_ns
        assert answer.error or 0 < took_ns - whole(answer) < self.host_ns()
        return answer


def sky(
    scenario: Callable[[Sky], Awaitable[None]],
    monkeypatch: pytest.MonkeyPatch,
    specs: tuple[ServingSpec, ServingSpec] = (SPEC, SPEC),
) -> None:
    async def run() -> None:
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            made = Sky(group, specs)
            monkeypatch.setattr(sender, "PeerChannel", lambda _, name: made.connect(name))
            for server in made.servers:
                await server.start()
            try:
                await scenario(made)
            finally:
                for each in made.services:
                    each.close()
                for server in made.servers:
                    await server.stop(0)
            raise asyncio.CancelledError  # channels and timers are given up

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(run())


def whole(answer: Answer) -> int:
    return answer.queue_ns + answer.prefill_ns + answer.decode_ns + answer.moved_ns


def test_an_answer_goes_on_elsewhere_with_its_cache_and_its_parts_are_the_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scenario(sky: Sky) -> None:
        answer = await sky.ask(10, lambda: sky.leave(time.monotonic_ns()))
        assert (answer.error, answer.output_tokens, answer.dst, answer.moved_to) == (
            "", TOKENS, "sat-0-0", "sat-0-1",
        )  # fmt: skip
        assert (answer.moves, answer.recomputed) == (1, 0)
        # some 500 prompt tokens and 10 or a few more, of 131 bytes each
        assert 509 * 131 <= answer.moved_bytes <= (500 + TOKENS) * 132
        assert 0 < answer.moved_ns < 200_000_000 + sky.host_ns()
        assert answer.moved_first_ns == 0
        for service in sky.services:
            (replica,) = service._replicas
            assert (replica.batcher.running, replica.batcher.waiting) == (0, 0)
            assert replica.batcher.free_blocks == replica.batcher.limits.blocks
        assert not sky.services[1]._arrived._kept

    sky(scenario, monkeypatch)


def test_a_cache_takes_as_long_as_there_are_bytes_and_others_decode_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who would finish in time stays; who would not, leaves before the end, not at once."""

    async def scenario(sky: Sky) -> None:
        until_ns = time.monotonic_ns() + 60 * S
        answer = await sky.ask(10, lambda: sky.leave(until_ns))
        assert (answer.moves, answer.error) == (0, "")

    sky(scenario, monkeypatch)


@pytest.mark.parametrize("kind", ["full", "dead", "no way"])
def test_what_cannot_take_its_cache_computes_it_anew(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """There where it has no room now, or no way leads; where nobody answers, it goes on where it was."""
    small = replace(SPEC, requests=1)

    async def scenario(sky: Sky) -> None:
        if kind == "full":
            held = serving_stub(grpc.aio.insecure_channel(f"ipv4:127.0.0.1:{sky.servers[1].port}"))
            call = held.Generate(serving_pb2.GenerateRequest(prompt_tokens=5, max_output_tokens=2000))
            await call.read()
        if kind == "dead":
            await sky.servers[1].stop(0)

        rate_bps = 0 if kind == "no way" else 10**9
        answer = await sky.ask(10, lambda: sky.leave(time.monotonic_ns(), rate_bps))
        assert (answer.error, answer.output_tokens) == ("", TOKENS)
        n = 0 if kind == "dead" else 1
        assert (answer.moves, answer.recomputed, answer.moved_bytes) == (n, n, 0)
        assert answer.moved_to == ("" if kind == "dead" else "sat-0-1")
        assert answer.moved_ns > (250_000_000 if kind == "dead" else 0)

    if kind == "dead":
        monkeypatch.setattr("orbitmesh.nodes.serving.mover._READY_S", 0.3)
    sky(scenario, monkeypatch, (SPEC, small if kind == "full" else SPEC))


def test_where_nobody_else_serves_it_stays_or_is_lost_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scenario(sky: Sky) -> None:
        answer = await sky.ask(10, lambda: sky.leave(time.monotonic_ns(), nobody=True))
        assert (answer.error, answer.moves) == ("", 0), "there is nobody to go to: it stays"
        await sky.servers[1].stop(0)
        (replica,) = sky.services[0]._replicas
        monkeypatch.setattr(replica.batcher, "expect", lambda request: None)  # others have its place

        def then() -> None:
            sky.leave(time.monotonic_ns())
            sky.customers.assign(None, {}, {}, {})

        answer = await sky.ask(10, then)
        assert answer.error == "moved: it was without power in the eclipse, and nobody else serves"
        assert answer.moves == 0

    monkeypatch.setattr("orbitmesh.nodes.serving.mover._READY_S", 0.3)
    sky(scenario, monkeypatch)


def test_a_ticket_that_is_not_known_is_no_end_and_a_broken_move_leaves_no_trace(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scenario(sky: Sky) -> None:
        # the target forgets it, as one that has begun anew
        monkeypatch.setattr(sky.services[1]._arrived, "claim", lambda ticket: None)
        answer = await sky.ask(10, lambda: sky.leave(time.monotonic_ns()))
        assert (answer.error, answer.output_tokens, answer.moves, answer.recomputed) == ("", TOKENS, 1, 1)

        stub = serving_stub(grpc.aio.insecure_channel(f"ipv4:127.0.0.1:{sky.servers[0].port}"))
        header = serving_pb2.MigrateHeader(
            prompt_tokens=500, max_output_tokens=60, made=10, cache_bytes=1000, customer_class="chat"
        )

        async def sent(*parts: Any) -> grpc.StatusCode:
            call = stub.Migrate(iter(parts))
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                async for _ in call:
                    pass
            return caught.value.code()

        def piece(size: int) -> Any:
            return serving_pb2.MigrateRequest(cache=bytes(size))

        begins = serving_pb2.MigrateRequest(header=header)
        invalid = grpc.StatusCode.INVALID_ARGUMENT
        assert await sent(piece(5)) is invalid
        assert await sent() is invalid
        assert await sent(begins, piece(600)) is invalid
        assert await sent(begins, piece(600), piece(600)) is invalid
        for field, value in (("made", 0), ("made", 60), ("prompt_tokens", 0), ("cache_bytes", 0)):
            wrong = serving_pb2.MigrateHeader()
            wrong.CopyFrom(header)
            setattr(wrong, field, value)
            assert await sent(serving_pb2.MigrateRequest(header=wrong)) is invalid
        sky.services[0].obey({"capacity_ratio": 0})
        assert await sent(begins) is grpc.StatusCode.UNAVAILABLE
        (replica,) = sky.services[0]._replicas
        assert replica.batcher.free_blocks == replica.batcher.limits.blocks
        assert replica.batcher._expected == 0

    sky(scenario, monkeypatch)


def test_what_stands_still_leaves_and_what_waited_there_counts_as_throttled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scenario(sky: Sky) -> None:
        def then() -> None:
            sky.services[0].obey({"capacity_ratio": 0})
            loop = asyncio.get_running_loop()
            loop.call_later(0.2, lambda: sky.leave(time.monotonic_ns()))

        answer = await sky.ask(10, then)
        assert (answer.error, answer.moves, answer.recomputed) == ("", 1, 0)
        assert 150_000_000 < answer.throttled_ns < 300_000_000 + sky.host_ns()

    sky(scenario, monkeypatch)


def test_where_the_scenario_says_refuse_nothing_is_begun_that_would_outlive(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scenario(sky: Sky) -> None:
        sky.customers.assign("sat-0-0", {}, {}, {})
        for left_s, tokens, error in ((4, 1000, "UNAVAILABLE"), (60, 60, "")):
            sky.leave(time.monotonic_ns() + left_s * S, rule="refuse")
            await sky.customers._ask(LOAD, replace(ASKED, output_tokens=tokens), time.monotonic_ns())
            answer = sky.told[-1]
            assert (answer.error, answer.refused) == (error, bool(error))
        assert 0 < sky.told[0].retry_ns <= 4 * S, "then another is there to ask"

    sky(scenario, monkeypatch)


def test_a_cache_that_stops_coming_gives_its_room_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sender that stands still or whose link is dead says nothing, and others wait for its place."""
    monkeypatch.setattr(arrivals, "STALLED_S", 1.0)
    small = replace(SPEC, requests=1)

    async def scenario(sky: Sky) -> None:
        stub = serving_stub(grpc.aio.insecure_channel(f"ipv4:127.0.0.1:{sky.servers[0].port}"))
        call = stub.Migrate()
        header = serving_pb2.MigrateHeader(
            prompt_tokens=500, max_output_tokens=60, made=10, cache_bytes=1000, customer_class="chat"
        )
        await call.write(serving_pb2.MigrateRequest(header=header))
        assert not (await call.read()).landed
        await call.write(serving_pb2.MigrateRequest(cache=bytes(400)))
        sky.customers.assign("sat-0-0", {}, {}, {})
        await sky.customers._ask(LOAD, ASKED, time.monotonic_ns())
        assert sky.told[-1].error == ""
        assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert "400 of 1000 bytes came" in await call.details()

    sky(scenario, monkeypatch, (small, small))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("scheduled_mono_ns", -(2**63)),
        ("paused_mono_ns", -(2**63)),
        ("queue_ns", 2**63 - 1),
        ("decode_ns", -1),
        ("preempted", 2**32 - 1),
        ("moves", 2**32 - 1),
        ("moved_bytes", 2**64 - 1),
        ("energy_j", math.inf),
        ("energy_j", math.nan),
        ("cache_bytes", 2**64 - 1),
    ],
)
def test_what_no_satellite_would_tell_is_refused_before_it_is_begun(
    field: str, value: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sums with it would not fit the totals: the answer would break off at its last token."""

    async def scenario(sky: Sky) -> None:
        stub = serving_stub(grpc.aio.insecure_channel(f"ipv4:127.0.0.1:{sky.servers[0].port}"))
        request = serving_pb2.GenerateRequest(prompt_tokens=5, max_output_tokens=3, scheduled_mono_ns=1)
        header = serving_pb2.MigrateHeader(prompt_tokens=5, max_output_tokens=3, made=1, cache_bytes=1)
        request.resumed.made = 1
        calls: list[Any] = []
        for message, call in (
            (request, lambda: stub.Generate(request)),
            (request.resumed, lambda: stub.Generate(request)),
            (request.resumed.timing, lambda: stub.Generate(request)),
            (header, lambda: stub.Migrate(iter([serving_pb2.MigrateRequest(header=header)]))),
            (header.timing, lambda: stub.Migrate(iter([serving_pb2.MigrateRequest(header=header)]))),
        ):
            if field in message.DESCRIPTOR.fields_by_name:
                setattr(message, field, value)
                calls.append(call)
        assert calls
        for call in calls:
            with pytest.raises(grpc.aio.AioRpcError, match=field) as caught:
                async for _ in call():
                    pass
            assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT

    sky(scenario, monkeypatch)
