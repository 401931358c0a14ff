"""Continuous batching: who gets a token in which step, who waits, who is preempted.  Pure."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orbitmesh.nodes.serving.batcher import Batcher
from orbitmesh.nodes.serving.limits import Limits, NeverFits, QueueFull
from orbitmesh.nodes.serving.replay import replay, steps
from orbitmesh.nodes.serving.request import Request

MS = 1_000_000


class Toy:
    """1 ms a step, 1 us a token more, whoever it is of."""

    def ns(self, prefill_tokens: int, pairs: float, decodes: int, context_tokens: int) -> int:
        return MS + 1000 * (prefill_tokens + decodes)


def toy(blocks: int = 1000, **limits: object) -> Batcher:
    return Batcher(Toy(), Limits(blocks, **limits))  # type: ignore[arg-type]


def test_a_request_alone_takes_one_step_for_its_prompt_and_one_for_each_token_more() -> None:
    batcher, request = toy(), Request(100, 4, 5 * MS)
    done = list(steps(batcher, [request]))
    assert [(step.prefill_tokens, step.decodes) for step in done] == [(100, 0), (0, 1), (0, 1), (0, 1)]
    assert request.first_token_ns == 5 * MS + MS + 100_000
    assert request.finished_ns == request.first_token_ns + 3 * (MS + 1000)
    assert request.result is not None
    assert (request.result.queue_ns, request.result.prefill_ns) == (0, MS + 100_000)
    assert request.result.decode_ns == 3 * (MS + 1000)


def test_a_long_prompt_is_computed_in_chunks_beside_what_decodes() -> None:
    batcher = toy(step_tokens=256, requests=8)
    short, long = Request(10, 20, 0), Request(600, 2, 1)
    done = list(steps(batcher, [short, long]))
    # one token of the budget is the short one's
    assert [(s.prefill_tokens, s.decodes) for s in done[:5]] == [(10, 0), (255, 1), (255, 1), (90, 1), (0, 2)]
    assert all(short in step.tokens for step in done[:20])


def test_first_come_first_served_within_a_bound() -> None:
    batcher = toy(requests=2)
    requests = [Request(10, 3, i) for i in range(4)]
    replay(batcher, requests)
    firsts = [request.first_token_ns for request in requests]
    assert firsts == sorted(firsts)
    assert all(r.result is not None for r in requests)
    assert requests[2].first_token_ns > requests[0].finished_ns


def test_the_youngest_is_preempted_and_computes_its_tokens_again() -> None:
    # two of 32 + 64 tokens need 12 blocks at their ends; there are 8
    batcher = toy(blocks=8, prefix_caching=False)
    old, young = Request(32, 64, 0), Request(32, 64, 1)
    done = list(steps(batcher, [old, young]))
    preempted = [request for step in done for request in step.preempted]
    assert set(preempted) == {young}
    assert old.preempted == 0
    assert young.preempted == len(preempted) >= 1
    again = [step.prefill_tokens for step in done if step.prefill_tokens > 32]
    assert again[0] > 32  # its prompt, and what it had made of its answer
    assert sum(young in step.tokens for step in done) == 64  # none is lost, none is sent twice
    assert batcher.free_blocks == 8


def test_what_nobody_took_of_a_preempted_request_is_not_computed_again() -> None:
    """Its blocks count as free, and are given away last: it comes back for those that are left."""
    computed = {}
    for caching in (False, True):
        batcher = toy(blocks=40, prefix_caching=caching)
        requests = [Request(200, 64, i) for i in range(3)]
        computed[caching] = sum(step.prefill_tokens for step in steps(batcher, requests))
        assert sum(request.preempted for request in requests) > 0
        assert batcher.free_blocks == 40
    assert 600 < computed[True] < computed[False]


def test_one_that_lost_its_place_may_be_due_at_the_same_step_as_before() -> None:
    """Its old end and its new one are told apart, and it ends once."""
    batcher = toy()
    stays, lost = Request(10, 30, 0), Request(10, 30, 0)
    batcher.admit(stays)
    batcher.admit(lost)
    step = batcher.step(0)
    assert batcher._preempt() is lost  # as if blocks had run out
    finished: list[Request] = []
    while step is not None:
        finished += step.finished
        step = batcher.step(step.end_ns)
    assert finished == [stays, lost]
    assert batcher.free_blocks == 1000


def test_an_engine_that_promises_answers_preempts_nobody() -> None:
    batcher = toy(blocks=8, promise_answers=True)
    requests = [Request(32, 64, i) for i in range(3)]
    replay(batcher, requests)
    assert [request.preempted for request in requests] == [0, 0, 0]
    assert requests[1].scheduled_ns >= requests[0].finished_ns


def test_what_can_never_fit_and_what_finds_no_place_are_refused() -> None:
    batcher = toy(blocks=4, waiting=1)
    with pytest.raises(NeverFits, match="64 tokens"):
        batcher.admit(Request(60, 5, 0))
    batcher.admit(Request(10, 5, 0))
    with pytest.raises(QueueFull) as full:
        batcher.admit(Request(10, 5, 0))
    assert full.value.retry_ns > 0


@pytest.mark.parametrize(
    "limits", [{"blocks": 0}, {"blocks": 1, "requests": 0}, {"blocks": 1, "step_tokens": 64}]
)
def test_limits_that_make_no_sense(limits: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"must be above 0|raise the tokens"):
        Limits(**limits)


def test_a_prefix_that_was_computed_is_not_computed_again() -> None:
    def run(caching: bool) -> tuple[int, Batcher]:
        batcher = toy(prefix_caching=caching)
        requests = [Request(500, 2, i * 50 * MS, prefix="system", prefix_tokens=400) for i in range(3)]
        return sum(step.prefill_tokens for step in steps(batcher, requests)), batcher

    without, _ = run(False)
    with_it, batcher = run(True)
    assert without == 1500
    assert with_it == 500 + 2 * 100
    assert batcher.free_blocks == 1000 - 400 // 16  # they stay, until somebody needs the room


def test_prefixes_give_way_to_requests() -> None:
    batcher = toy(blocks=30, prefix_caching=True)
    first = Request(320, 2, 0, prefix="a", prefix_tokens=320)
    second = Request(400, 2, 50 * MS)
    replay(batcher, [first, second])
    assert second.result is not None
    assert batcher.free_blocks == 30


def test_half_the_power_takes_twice_the_time_and_is_told() -> None:
    def run(ratio: float) -> Request:
        request = Request(100, 50, 0)
        replay(toy(), [request], ratio)
        return request

    full, half = run(1.0), run(0.5)
    assert half.finished_ns == 2 * full.finished_ns
    assert full.result is not None
    assert half.result is not None
    assert (full.result.throttled_ns, half.result.throttled_ns) == (0, full.finished_ns)


def test_capacity_may_change_between_two_steps() -> None:
    batcher = toy()
    batcher.admit(Request(10, 3, 0))
    first = batcher.step(0)
    assert first is not None
    second = batcher.step(first.end_ns, 0.25)
    assert second is not None
    assert second.end_ns - second.start_ns == 4 * second.modelled_ns == 4 * (MS + 1000)
    with pytest.raises(ValueError, match="capacity_ratio is 0"):
        batcher.step(second.end_ns, 0.0)


def test_a_cancelled_request_leaves_its_place() -> None:
    batcher = toy()
    stay, go, queued = Request(10, 9, 0), Request(10, 9, 0), Request(10, 9, 0)
    for request in (stay, go, queued):
        batcher.admit(request)
    batcher.cancel(queued)
    now = 0
    for _ in range(3):
        step = batcher.step(now)
        assert step is not None
        now = step.end_ns
    batcher.cancel(go)
    batcher.cancel(go)  # who says it twice changes nothing
    while (step := batcher.step(now)) is not None:
        now = step.end_ns
        assert go not in step.finished
        assert step.decodes == 1
    assert stay.result is not None
    assert batcher.free_blocks == 1000


def test_energy_of_the_steps_is_all_given_to_requests() -> None:
    batcher = Batcher(Toy(), Limits(14), power_w=lambda ratio: 1000 * ratio)
    requests = [Request(50 + i, 20 + i, i * MS) for i in range(6)]
    spent = sum(step.energy_j for step in steps(batcher, requests))
    given = sum(request.result.energy_j for request in requests if request.result is not None)
    assert sum(request.preempted for request in requests) > 0
    assert spent > 0
    assert given == pytest.approx(spent, rel=1e-9)


def arrivals(seed: int, n: int, gap_ms: float = 4.0) -> list[Request]:
    random_ = random.Random(seed)
    now, made = 0.0, []
    for _ in range(n):
        now += random_.expovariate(1 / gap_ms)
        made.append(Request(random_.randint(5, 400), random_.randint(1, 120), round(now * MS)))
    return made


def seen(request: Request) -> tuple[int, int, int]:
    return request.first_token_ns, request.finished_ns, request.preempted


@pytest.mark.parametrize("blocks", [1000, 60])
def test_one_in_ten_real_sees_what_all_real_see(blocks: int) -> None:
    """The others occupy accelerator and batch as if somebody waited for them."""
    all_real = arrivals(7, 400)
    replay(toy(blocks=blocks), all_real)
    one_in_ten = [replace(r, background=i % 10 != 0) for i, r in enumerate(arrivals(7, 400))]
    told = [request for step in steps(toy(blocks=blocks), one_in_ten) for request in step.tokens]
    assert [seen(r) for r in one_in_ten[::10]] == [seen(r) for r in all_real[::10]]
    assert {id(request) for request in told} == {id(request) for request in one_in_ten[::10]}
    assert len(told) == sum(request.output_tokens for request in one_in_ten[::10])


def test_the_same_arrivals_give_the_same_steps() -> None:
    def run() -> list[tuple[int, int, int]]:
        return [(s.end_ns, s.prefill_tokens, s.decodes) for s in steps(toy(blocks=60), arrivals(3, 200))]

    assert run() == run()


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    blocks=st.integers(40, 200),
    budget=st.integers(16, 300),
    promise=st.booleans(),
    caching=st.booleans(),
)
def test_every_answer_is_made_whole_and_every_block_comes_back(
    seed: int, blocks: int, budget: int, promise: bool, caching: bool
) -> None:
    requests = arrivals(seed, 40)
    for i, request in enumerate(requests):
        if i % 3 == 0:
            request.prefix, request.prefix_tokens = f"p{i % 2}", request.prompt_tokens // 2
    batcher = toy(
        blocks=blocks, step_tokens=budget, requests=16, promise_answers=promise, prefix_caching=caching
    )
    given_tokens = dict.fromkeys(requests, 0)
    end = 0
    for step in steps(batcher, requests):
        assert step.start_ns >= end
        assert step.prefill_tokens + step.decodes <= budget
        assert 0 <= batcher.free_blocks <= blocks
        end = step.end_ns
        for request in step.tokens:
            given_tokens[request] += 1
    assert all(given_tokens[request] == request.output_tokens for request in requests)
    for request in requests:
        assert request.result is not None
        parts = request.result.queue_ns + request.result.prefill_ns + request.result.decode_ns
        assert parts == request.finished_ns - request.arrival_ns
    assert batcher.running == batcher.waiting == batcher.decoding == 0
    if not caching:
        assert batcher.free_blocks == blocks
