"""The time of a step, and its memory, against the published formula and what others measured.  Pure."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from statistics import mean

import pytest
from serving_cards import (
    B200,
    H100,
    H200,
    LLAMA_8B,
    LLAMA_70B,
    LLAMA_405B,
    MIXTRAL,
    RTX_PRO_6000,
    limits_of,
    replayed_requests,
    replayed_rows,
)

from orbitmesh.nodes.serving import published
from orbitmesh.nodes.serving.batcher import Batcher
from orbitmesh.nodes.serving.limits import Limits
from orbitmesh.nodes.serving.replay import replay
from orbitmesh.nodes.serving.request import Request
from orbitmesh.nodes.serving.step_time import StepTime, experts_read
from orbitmesh.wire.serving import Deployment, DoesNotFit


def test_terms_of_the_published_formula_are_times_at_the_peaks() -> None:
    on = Deployment(LLAMA_70B, H100, 4)
    # 70B: 80 layers of 8192 (2 x 8192 + 2 x 1024) + 3 x 8192 x 28672 weights
    weights = 80 * (8192 * (2 * 8192 + 2 * 1024) + 3 * 8192 * 28672)
    assert published.weights_us(on) == pytest.approx(weights * 2 / 4 / 3.35e12 * 1e6)
    assert published.prefill_us(on, 1, 0.0) == pytest.approx(2 * weights / 4 / 989.5e12 * 1e6)
    # attention of 1,000 new tokens: 4 (h/tp) n (n/2) d_h a layer
    assert published.prefill_us(on, 0, 1000 * 500) == pytest.approx(
        80 * 4 * 16 * 128 * 500_000 / 989.5e12 * 1e6
    )
    assert published.kv_us(on, 2, 1000) == pytest.approx(80 * 2 * 256 * 2 * 1002 / 3.35e12 * 1e6)
    assert published.tensor_parallel_us(on, 10) == pytest.approx(
        2 * 80 * 10 * 8192 * 2 * 2 * 0.75 / 3.35e12 * 1e6
    )
    assert published.tensor_parallel_us(Deployment(LLAMA_8B, H100), 10) == 0


def published_run(rates: tuple[float, float], prompt: int, output: int) -> tuple[float, float, float]:
    """Mean TTFT, time between tokens and whole answer, ms: 300 s of Poisson arrivals at each rate."""
    on = Deployment(LLAMA_70B, H100, 4)
    random_, requests = random.Random(1), []
    for part, rate in enumerate(rates):
        now_s = 300.0 * part
        while (now_s := now_s + random_.expovariate(rate)) < 300.0 * (part + 1):
            requests.append(Request(prompt, output, round(now_s * 1e9)))
    limits = Limits(on.kv_blocks, requests=256, before_queue_ns=published.BEFORE_QUEUE_NS)
    replay(Batcher(published.PublishedStepTime(on), limits), requests)
    out = published.TOKEN_NS
    first = mean(r.first_token_ns - r.arrival_ns + out for r in requests)
    between = mean((r.finished_ns - r.first_token_ns) / (output - 1) + out for r in requests)
    whole = mean(r.finished_ns - r.arrival_ns + published.AT_END_NS + out * output for r in requests)
    return first / 1e6, between / 1e6, whole / 1e6


def test_golden_values_of_the_published_model() -> None:
    """Its simulator's output for 70B on four H100, at 2.5 then 6 and at 5 then 10 requests/s.

    The lengths of its requests are not stated: a whole answer of 4,375 ms at 17.5 ms a token is 248 tokens,
    and prompts of 400 meet its time between tokens.  How its arrivals cluster is not stated either, and
    decides its TTFT at the higher load (71.9 ms), which Poisson arrivals do not reach.
    """
    first, between, whole = published_run((2.5, 6), 400, 248)
    assert first == pytest.approx(47.4, rel=0.10)
    assert between == pytest.approx(17.5, rel=0.01)
    assert whole == pytest.approx(4375, rel=0.01)
    first, between, whole = published_run((5, 10), 400, 248)
    assert 40 < first < 71.9
    assert between == pytest.approx(18.3, rel=0.01)
    assert whole == pytest.approx(4582, rel=0.02)


def test_the_replay_that_others_measured() -> None:
    """300 requests at 10 a second on one card: mean time to first token within 10 %, per token within 5 %."""
    on = Deployment(LLAMA_8B, RTX_PRO_6000)
    requests = replayed_requests()
    replay(Batcher(StepTime(on), limits_of(on)), requests)
    first_s = mean((r.first_token_ns - r.arrival_ns) / 1e9 for r in requests)
    each_ms = mean((r.finished_ns - r.first_token_ns) / 1e6 / (r.output_tokens - 1) for r in requests)
    rows = replayed_rows()
    assert first_s == pytest.approx(mean(r["queued_to_first_token_s"] for r in rows), rel=0.10)
    measured_ms = mean(r["first_to_last_token_s"] * 1e3 / (r["output_tokens"] - 1) for r in rows)
    assert each_ms == pytest.approx(measured_ms, rel=0.05)


def test_little_memory_makes_requests_wait_and_be_preempted_not_reserve() -> None:
    """A card of the same speed with 24 GB: more wait, some lose their place, all are answered."""
    on = Deployment(LLAMA_8B, replace(RTX_PRO_6000, memory_bytes=24 * 10**9))
    assert 100 < on.kv_blocks < 3000
    requests = replayed_requests()
    replay(Batcher(StepTime(on), limits_of(on)), requests)
    assert sum(r.preempted for r in requests) > 0
    assert all(r.result is not None for r in requests)


@pytest.mark.parametrize(
    ("on", "says"),
    [
        (
            lambda: Deployment(LLAMA_70B, H100),
            r"llama-3.1-70b with 16-bit weights needs 141,[\d,]{11} bytes, and h100 has 75,[\d,]{11} for it: "
            "tensor-parallel 2 would fit; 8-bit or 4-bit weights need less",
        ),
        (lambda: Deployment(LLAMA_405B, H200, 4), "4 × h200 has .*: tensor-parallel 8 would fit"),
        (lambda: Deployment(LLAMA_405B, H100, 8, 4, 8), None),
        (lambda: Deployment(LLAMA_8B, H100, 1, 12), "weight bits 12: give one of 16, 8, 4"),
        (lambda: Deployment(LLAMA_8B, H100, 3), "tensor parallel 3: give one of 1, 2, 4"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(on: object, says: str | None) -> None:
    assert callable(on)
    if says is None:
        assert on().kv_blocks > 0
        return
    with pytest.raises((DoesNotFit, ValueError), match=says):
        on()


def test_kv_bytes_of_a_token() -> None:
    assert LLAMA_70B.kv_bytes_per_token(16) == 327_680
    assert LLAMA_405B.kv_bytes_per_token(16) == 516_096


def test_a_mixture_of_experts_reads_the_experts_that_are_taken() -> None:
    assert MIXTRAL.extrapolated
    assert not LLAMA_70B.extrapolated
    assert experts_read(8, 2, 1) == pytest.approx(2)
    assert experts_read(8, 2, 1000) == pytest.approx(8)
    on = Deployment(MIXTRAL, H100, 2)
    times = StepTime(on)
    assert times.ns(0, 0.0, 1, 100) < times.ns(0, 0.0, 16, 1600) < 4 * times.ns(0, 0.0, 1, 100)


@pytest.mark.parametrize("card", [H100, H200, B200])
def test_more_of_anything_is_never_faster(card: object) -> None:
    times = StepTime(Deployment(LLAMA_8B, card))  # type: ignore[arg-type]
    base = times.ns(100, 5000.0, 10, 1000)
    assert base <= times.ns(200, 5000.0, 10, 1000)
    assert base < times.ns(100, 50_000.0, 10, 1000)
    assert base < times.ns(100, 5000.0, 20, 1000)
    assert base < times.ns(100, 5000.0, 10, 100_000)


@pytest.mark.native
def test_a_step_costs_microseconds() -> None:
    """64 requests that decode: far less than the 20 us that 10,000 tokens/s leave."""
    on = Deployment(LLAMA_8B, H100)
    batcher = Batcher(StepTime(on), Limits(on.kv_blocks))
    for _ in range(64):
        batcher.admit(Request(100, 6000, 0))
    now = 0
    for _ in range(10):  # all have joined
        step = batcher.step(now)
        assert step is not None
        now = step.end_ns
    cost_ns = []
    for _ in range(5):
        began = time.thread_time_ns()
        for _ in range(500):
            step = batcher.step(now)
            assert step is not None
            now = step.end_ns
        cost_ns.append((time.thread_time_ns() - began) / 500)
    assert step is not None
    assert step.decodes == 64
    assert min(cost_ns) < 20_000
