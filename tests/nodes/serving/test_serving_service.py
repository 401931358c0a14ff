"""What a caller of the serving service meets; on loopback, in this process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import accumulate
from typing import Any

import grpc
import grpc.aio
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from grpc_status import rpc_status
from serving_cards import H100, LLAMA_8B

from orbitmesh.nodes.load import sender
from orbitmesh.nodes.probe_service import ProbeService
from orbitmesh.nodes.server import NodeServer
from orbitmesh.nodes.serving import replica
from orbitmesh.nodes.serving.service import ServingService
from orbitmesh.nodes.serving.step_time import StepTime
from orbitmesh.nodes.statistics import Statistics
from orbitmesh.nodes.stubs import serving_stub
from orbitmesh.nodes.timer import Timer
from orbitmesh.serving.v1 import serving_pb2
from orbitmesh.wire.serving import Deployment, ServingSpec

TIMEOUT_S = 20.0
SPEC = ServingSpec(Deployment(LLAMA_8B, H100))
FRONT_NS = 15_563_200


class Rig:
    def __init__(self, spec: ServingSpec) -> None:
        self.service = ServingService(spec)
        probe = ProbeService("sat-0-0", Statistics())
        self.server = NodeServer("127.0.0.1", probe, None, port=0, serving=self.service)
        self.channel = grpc.aio.insecure_channel(f"ipv4:127.0.0.1:{self.server.port}")
        self.stub: Any = serving_stub(self.channel)

    def ask(self, tokens: int = 200, output: int = 5, **more: Any) -> Any:
        request = serving_pb2.GenerateRequest(prompt_tokens=tokens, max_output_tokens=output, **more)
        return self.stub.Generate(request, timeout=TIMEOUT_S)

    async def state(self) -> Any:
        return await self.stub.GetState(serving_pb2.GetStateRequest(), timeout=TIMEOUT_S)


def serving(scenario: Callable[[Rig], Awaitable[None]], spec: ServingSpec = SPEC) -> None:
    async def run() -> None:
        rig = Rig(spec)
        await rig.server.start()
        try:
            await scenario(rig)
        finally:
            await rig.channel.close()
            await rig.server.stop(0)
            rig.service.close()

    asyncio.run(run())


def owned(messages: list[tuple[int, Any]]) -> list[tuple[int, int]]:
    """Of each message with tokens the first and the number, which must follow each other without a gap."""
    found = [(message.tokens.first_index, message.tokens.count) for _, message in messages]
    assert [first for first, _ in found] == [sum(n for _, n in found[:i]) for i in range(len(found))]
    return found


async def read(call: Any) -> tuple[list[tuple[int, Any]], Any]:
    """Each message with the instant at which it came, and the totals."""
    messages = [(time.monotonic_ns(), message) async for message in call]
    assert [message.HasField("totals") for _, message in messages] == [False] * (len(messages) - 1) + [True]
    return messages, messages[-1][1].totals


def test_tokens_come_at_the_modelled_times_and_never_before() -> None:
    async def scenario(rig: Rig) -> None:
        await rig.channel.channel_ready()
        sent_ns = time.monotonic_ns()
        messages, totals = await read(rig.ask(2000, 20, scheduled_mono_ns=sent_ns - 1000))
        tokens = owned(messages)
        assert sum(count for _, count in tokens) == 20
        assert [len(message.tokens.text) for _, message in messages] == [4 * n for _, n in tokens]
        timing = totals.timing
        assert (totals.prompt_tokens, totals.output_tokens) == (2000, 20)
        assert timing.queue_ns == FRONT_NS
        # a prompt of 2,000 tokens and 19 more, on one H100: 2 x 8 x 10^9 FLOPs a token, 16 GB read a step
        assert 30e6 < timing.prefill_ns < 80e6
        assert 19 * 6e6 < timing.decode_ns < 19 * 10e6
        # those that share a message came while this process had no turn: the last was due by then
        step = StepTime(SPEC.deployment)
        steps_ns = [step.ns(0, 0.0, 1, 2000 + k) for k in range(19)]
        due_ns = list(accumulate(steps_ns, initial=timing.queue_ns + timing.prefill_ns))
        assert due_ns[-1] == pytest.approx(due_ns[0] + timing.decode_ns, abs=20)
        for (came_ns, _), (first, count) in zip(messages, tokens, strict=True):
            assert came_ns - sent_ns >= due_ns[first + count - 1] - 20
        assert messages[-1][0] - sent_ns >= timing.queue_ns + timing.prefill_ns + timing.decode_ns
        assert (timing.throttled_ns, timing.preempted) == (0, 0)
        # between 70 W and 700 W, as long as steps lasted
        busy_s = (timing.prefill_ns + timing.decode_ns) / 1e9
        assert timing.energy_j == pytest.approx(700 * busy_s, rel=1e-6)
        assert timing.since_scheduled_ns >= 1000
        # each but the one with the last token, which goes with the totals
        assert totals.lateness.messages == len(tokens) - 1
        assert 0 <= totals.lateness.p50_ns <= totals.lateness.p99_ns <= totals.lateness.max_ns

    serving(scenario)


def test_tokens_of_several_steps_share_a_message_where_the_scenario_says_so() -> None:
    async def scenario(rig: Rig) -> None:
        messages, _ = await read(rig.ask(100, 10))
        counts = [count for _, count in owned(messages)]
        assert sum(counts) == 10
        assert all(count >= 4 for count in counts[1:-1])

    serving(scenario, replace(SPEC, message_tokens=4))


def test_the_prompts_bytes_count_where_no_tokens_are_said() -> None:
    async def scenario(rig: Rig) -> None:
        _, totals = await read(rig.ask(0, 1, prompt=b"x" * 401))
        assert totals.prompt_tokens == 101

    serving(scenario)


def test_others_without_packets_fill_the_batch() -> None:
    """A request beside 60 of others sees their prompts and their batch."""

    async def scenario(rig: Rig) -> None:
        await rig.channel.channel_ready()
        _, alone = await read(rig.ask(500, 10))
        now = time.monotonic_ns()
        rig.service.obey({"background": [[now + i, 1000, 1000] for i in range(60)]})
        _, beside = await read(rig.ask(500, 10))
        assert beside.timing.prefill_ns + beside.timing.queue_ns > 2 * (
            alone.timing.prefill_ns + alone.timing.queue_ns
        )
        assert (await rig.state()).running >= 30

    serving(scenario)


def test_less_power_is_slower_and_none_stands_still() -> None:
    async def scenario(rig: Rig) -> None:
        _, full = await read(rig.ask(500, 10))
        rig.service.obey({"capacity_ratio": 0.5})
        _, half = await read(rig.ask(500, 10))
        assert half.timing.decode_ns == pytest.approx(2 * full.timing.decode_ns, rel=1e-6)
        assert half.timing.throttled_ns == pytest.approx(
            full.timing.decode_ns + full.timing.prefill_ns, rel=1e-6
        )
        assert half.timing.energy_j < 2 * full.timing.energy_j
        waiting = asyncio.create_task(read(rig.ask(500, 100)))
        async with asyncio.timeout(TIMEOUT_S):
            while not (await rig.state()).running:
                await asyncio.sleep(0.002)
        rig.service.obey({"capacity_ratio": 0})
        stopped_ns = time.monotonic_ns()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await read(rig.ask())
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert "no power now: try again in 60.0 s, which nobody knows for certain" in caught.value.details()
        rig.service.obey({"capacity_ratio": 0, "power_again_mono_ns": time.monotonic_ns() + 1_800 * 10**9})
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await read(rig.ask())
        assert 1_790e9 < sender._retry_ns(caught.value) <= 1_800e9
        assert (await rig.state()).capacity_ratio == 0
        await asyncio.sleep(0.1)
        assert not waiting.done()
        stood_ns = time.monotonic_ns() - stopped_ns
        rig.service.obey({"capacity_ratio": 1})
        _, totals = await waiting
        assert totals.timing.throttled_ns >= stood_ns * 0.9

    serving(scenario)


def test_refusals_say_what_to_do() -> None:
    async def scenario(rig: Rig) -> None:
        for request, field in (
            ({"prompt_tokens": 0, "max_output_tokens": 1}, "prompt_tokens: 0 is not 1 to"),
            ({"prompt_tokens": 1, "max_output_tokens": 0}, "max_output_tokens: 0 is not 1 to"),
            ({"prompt_tokens": 900_000, "max_output_tokens": 1}, "more than the KV cache holds"),
            ({"prompt_tokens": 5, "max_output_tokens": 1, "prefix_tokens": 6}, "prefix_tokens: 6 are more"),
            ({"prompt_tokens": 5, "max_output_tokens": 1, "session": "x" * 201}, "session: 201 characters"),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await read(rig.stub.Generate(serving_pb2.GenerateRequest(**request), timeout=TIMEOUT_S))
            assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert field in (caught.value.details() or "")

    serving(scenario)


def test_a_full_queue_refuses_with_the_time_to_try_again() -> None:
    async def scenario(rig: Rig) -> None:
        calls = []
        for running, waiting in ((1, 0), (1, 1), (1, 2)):
            calls.append(asyncio.create_task(read(rig.ask(100, 2000))))
            async with asyncio.timeout(TIMEOUT_S):
                while ((state := await rig.state()).running, state.waiting) != (running, waiting):
                    await asyncio.sleep(0.005)
        call = rig.ask(100, 1)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await read(call)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        status = rpc_status.from_call(caught.value)
        assert status is not None
        retry = RetryInfo()
        assert status.details[0].Unpack(retry)
        assert retry.retry_delay.ToNanoseconds() > 0
        for made in calls:
            made.cancel()

    serving(scenario, replace(SPEC, requests=1, waiting=2))


def test_whoever_goes_away_leaves_the_batch() -> None:
    async def scenario(rig: Rig) -> None:
        call = rig.ask(100, 100_000)
        assert (await call.read()).tokens.count >= 1
        assert (await rig.state()).running == 1
        call.cancel()
        end = time.monotonic() + TIMEOUT_S
        while (state := await rig.state()).running:
            assert time.monotonic() < end
            await asyncio.sleep(0.005)
        assert state.free_kv_tokens == state.kv_tokens

    serving(scenario)


@pytest.mark.parametrize("longest_turn_ns", [replica.LONGEST_TURN_NS, 0])
def test_what_two_replicas_drew_is_their_steps_and_their_rest(
    longest_turn_ns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of a process that is late and has little of a processor: what is due is done before."""
    monkeypatch.setattr(replica, "LONGEST_TURN_NS", longest_turn_ns)

    async def scenario(rig: Rig) -> None:
        before = rig.service.energy("sat-0-0")
        _, totals = await read(rig.ask(1500, 30))
        rig.service.obey({"background": [[time.monotonic_ns(), 1000, 200]]})
        time.sleep(0.3)  # nobody has a turn meanwhile
        after = rig.service.energy("sat-0-0")
        seconds = (after.at_mono_ns - before.at_mono_ns) / 1e9
        rest_j = 2 * 70 * seconds
        above = 630 / 700
        drawn_j = after.drawn_j - before.drawn_j
        assert drawn_j - rest_j > above * totals.timing.energy_j + 630 * (0.3 - 0.1)
        assert drawn_j < 2 * 700 * seconds
        assert after.asked_j == pytest.approx(after.drawn_j)  # it has had all its power

        rig.service.obey({"capacity_ratio": 0.0})
        await asyncio.sleep(0.1)  # the step under way has ended
        off = rig.service.energy("sat-0-0")
        await asyncio.sleep(0.05)
        later = rig.service.energy("sat-0-0")
        assert later.drawn_j == off.drawn_j
        waited_s = (later.at_mono_ns - off.at_mono_ns) / 1e9
        assert later.asked_j - off.asked_j == pytest.approx((700 + 70) * waited_s, rel=1e-6)

    serving(scenario, replace(SPEC, replicas=2))


def test_replicas_share_the_requests() -> None:
    async def scenario(rig: Rig) -> None:
        one, two = await asyncio.gather(read(rig.ask(1500, 30)), read(rig.ask(1500, 30)))
        # beside each other, not in one batch: neither sees the other's prompt
        assert one[1].timing.decode_ns == two[1].timing.decode_ns
        assert one[1].timing.prefill_ns == two[1].timing.prefill_ns

    serving(scenario, replace(SPEC, replicas=2))


def test_replicas_take_the_requests_of_others_in_turns() -> None:
    async def scenario(rig: Rig) -> None:
        now = time.monotonic_ns()
        for i in range(4):  # told one by one
            rig.service.obey({"background": [[now + i, 1000, 1000]]})
        _, totals = await read(rig.ask(100, 30))
        assert (await rig.state()).running == 4
        # beside two of them: with all four in its batch each token would take longer still
        alone = StepTime(SPEC.deployment).ns(0, 0.0, 1, 130)
        beside_two = StepTime(SPEC.deployment).ns(0, 0.0, 3, 2 * 1030 + 130)
        assert 29 * alone < totals.timing.decode_ns < 1.02 * 29 * beside_two

    serving(scenario, replace(SPEC, replicas=2))


def test_a_timer_fires_once_at_its_instant_and_one_in_the_past_at_once() -> None:
    async def run() -> None:
        fired: list[int] = []
        timer = Timer(lambda: fired.append(time.monotonic_ns()))
        try:
            due = time.monotonic_ns() + 20_000_000
            timer.set(due - 15_000_000)
            timer.set(due)
            await asyncio.sleep(0.05)
            assert len(fired) == 1
            assert fired[0] >= due
            timer.set(1)
            await asyncio.sleep(0.02)
            timer.set(time.monotonic_ns() + 5_000_000)
            timer.clear()
            await asyncio.sleep(0.02)
            assert len(fired) == 2
        finally:
            timer.close()

    asyncio.run(run())
