"""When customers ask: rates, burstiness and the day's curve, against their closed forms."""

from __future__ import annotations

import dataclasses
from itertools import islice, takewhile

import numpy as np
import pytest

from orbitmesh.nodes.load.arrivals import Asked, expected_requests, requests
from orbitmesh.nodes.load.day import DayCurve
from orbitmesh.nodes.load.lengths import draw_tokens
from orbitmesh.wire.load import Lengths, LoadSpec, Trace

NS_PER_S = 10**9
CHAT = LoadSpec(
    "chat",
    "gw-london",
    7,
    5.0,
    Lengths("lognormal", 1020, 4083),
    Lengths("exponential", 129, most_tokens=2048),
)
# twice as many by day as by night, as cities have it
DAY = tuple(0.5 if hour < 8 else 1.25 for hour in range(24))


def until(spec: LoadSpec, end_s: float) -> list[Asked]:
    return list(takewhile(lambda asked: asked.due_ns < end_s * NS_PER_S, requests(spec)))


def dispersion(spec: LoadSpec, window_s: float, windows: int) -> float:
    """Variance over mean of windows' counts: 1 for Poisson, cv² in the long run of a renewal process."""
    due_s = np.array([asked.due_ns for asked in until(spec, window_s * windows)]) / NS_PER_S
    counts = np.histogram(due_s, bins=windows, range=(0, window_s * windows))[0]
    return float(counts.var() / counts.mean())


def test_the_same_spec_asks_for_the_same_to_the_bit() -> None:
    assert list(islice(requests(CHAT), 2000)) == list(islice(requests(CHAT), 2000))
    other = dataclasses.replace(CHAT, seed=8)
    assert list(islice(requests(CHAT), 5)) != list(islice(requests(other), 5))


def test_a_spec_survives_the_wire() -> None:
    spec = dataclasses.replace(CHAT, hours=DAY, trace=Trace((0, 5), (10, 20), (1, 2), (1, 0), (9, 0)))
    assert LoadSpec.from_dict(dataclasses.asdict(spec)) == spec


@pytest.mark.parametrize(("cv", "clients"), [(1.0, 1), (3.0, 1), (1.0, 20), (4.0, 20)])
def test_the_mean_rate_is_the_one_asked_for(cv: float, clients: int) -> None:
    spec = dataclasses.replace(CHAT, gaps_cv=cv, clients=clients)
    n, expected = len(until(spec, 4000)), expected_requests(spec, 4000 * NS_PER_S)
    assert expected == pytest.approx(20_000)
    assert abs(n - expected) < 4 * max(cv, 1) * expected**0.5


def test_poisson_has_gaps_of_its_exponential() -> None:
    due = np.array([asked.due_ns for asked in islice(requests(CHAT), 20_000)])
    gaps_s = np.diff(due) / NS_PER_S
    assert gaps_s.std() / gaps_s.mean() == pytest.approx(1, abs=0.03)
    for x_s in (0.05, 0.2, 0.6):
        assert (gaps_s > x_s).mean() == pytest.approx(np.exp(-5 * x_s), abs=0.015)
    assert dispersion(CHAT, 10, 2000) == pytest.approx(1, abs=0.12)


def test_gamma_gaps_have_the_stated_variation_and_bursts_show_in_windows() -> None:
    bursty = dataclasses.replace(CHAT, gaps_cv=3.0)
    gaps = np.diff([asked.due_ns for asked in islice(requests(bursty), 60_000)])
    assert gaps.std() / gaps.mean() == pytest.approx(3, rel=0.05)
    assert dispersion(bursty, 100, 1000) == pytest.approx(9, rel=0.2)


def test_a_stream_looks_the_same_from_its_first_instant() -> None:
    """By Palm: the rate in the first instants is the mean rate, however bursty (over many seeds)."""
    n = sum(
        len(until(dataclasses.replace(CHAT, gaps_cv=3.0, seed=seed, rate_per_s=1.0), 1.0))
        for seed in range(3000)
    )
    assert n == pytest.approx(3000, rel=0.12)


def test_few_clients_make_most_of_the_requests() -> None:
    spec = dataclasses.replace(CHAT, clients=10, skew=2.0)
    clients = np.bincount([asked.client for asked in islice(requests(spec), 20_000)], minlength=10)
    share = 1 / np.sum(np.arange(1, 11) ** -2.0)
    assert clients[0] / 20_000 == pytest.approx(share, abs=0.02)
    due = [asked.due_ns for asked in islice(requests(spec), 2000)]
    assert due == sorted(due)


def test_a_day_has_as_many_as_its_mean_rate_and_follows_its_curve() -> None:
    spec = dataclasses.replace(CHAT, rate_per_s=0.5, hours=DAY, local_hour_at_start=20.0)
    due_h = np.array([asked.due_ns for asked in until(spec, 24 * 3600)]) / NS_PER_S / 3600
    assert len(due_h) == pytest.approx(43_200, rel=0.02)
    local = (due_h + 20) % 24
    by_hour = np.histogram(local, bins=24, range=(0, 24))[0] / 1800
    assert by_hour[3] == pytest.approx(0.5, abs=0.08)
    assert by_hour[14] == pytest.approx(1.25, abs=0.12)


def test_what_is_due_and_when_are_each_other_s_inverse() -> None:
    for hours in (DAY, (0.0,) * 12 + (1.0,) * 12, tuple(float(i % 5) for i in range(24)), (1.0,) * 24):
        curve = DayCurve(hours, 17.3)
        assert curve.due(24) == pytest.approx(24)
        for due in np.linspace(0.001, 70, 400):
            assert curve.due(curve.when(float(due))) == pytest.approx(due, abs=1e-9)
    assert DayCurve((1.0,) * 24, 0).when(5.0) == pytest.approx(5.0, abs=1e-12)


def test_one_in_ten_is_real_and_all_others_are_the_same() -> None:
    whole, tenth = requests(CHAT), requests(dataclasses.replace(CHAT, one_in=10))
    places = []
    for number, (one, other) in enumerate(islice(zip(whole, tenth, strict=True), 10_000)):
        assert one.real
        assert dataclasses.replace(other, real=True) == one
        if other.real:
            places.append(number)
    assert len(places) == 1000
    assert [place // 10 for place in places] == list(range(1000)), "one of each ten"
    assert np.bincount([place % 10 for place in places]).min() > 60, "at no place of the ten in particular"


def test_lengths_have_their_quantiles() -> None:
    random = np.random.default_rng(1)
    prompts = draw_tokens(CHAT.prompt, random, 200_000)
    assert np.quantile(prompts, [0.5, 0.95]) == pytest.approx([1020, 4083], rel=0.02)
    answers = draw_tokens(Lengths("exponential", 129, most_tokens=400), random, 200_000)
    assert np.median(answers) == pytest.approx(129, rel=0.02)
    assert (answers.min(), answers.max()) == (1, 400)
    assert set(draw_tokens(Lengths("fixed", 64), random, 10).tolist()) == {64}


def test_a_trace_is_asked_for_as_it_is_and_ends() -> None:
    trace = Trace((0, 250_000_000, 250_000_000), (10, 20, 30), (1, 2, 3), (0, 1, 0))
    asked = list(requests(dataclasses.replace(CHAT, trace=trace)))
    assert [(a.due_ns, a.prompt_tokens, a.output_tokens, a.image_bytes) for a in asked] == [
        (0, 10, 1, 0), (250_000_000, 20, 2, 0), (250_000_000, 30, 3, 0),
    ]  # fmt: skip
    each = list(requests(dataclasses.replace(CHAT, trace=trace, bytes_per_image=700)))
    assert [a.image_bytes for a in each] == [0, 700, 0]
    told = dataclasses.replace(trace, image_bytes=(0, 123_456, 0))
    own = list(requests(dataclasses.replace(CHAT, trace=told, bytes_per_image=700)))
    assert [a.image_bytes for a in own] == [0, 123_456, 0]
    assert expected_requests(dataclasses.replace(CHAT, trace=trace), 100_000_000) == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rate_per_s": 0.0}, "a rate of 0.0 requests/s is not above 0"),
        ({"rate_per_s": float("nan")}, "a rate of nan requests/s"),
        ({"gaps_cv": 0.0}, "a coefficient of variation of 0.0 is not 0.1 to 20"),
        ({"clients": 0}, "0 clients are not 1 to 10,000"),
        ({"hours": (0.0,) * 24}, "a day's curve needs 24 factors"),
        ({"one_in": 0}, "one in 0 requests cannot be real"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        dataclasses.replace(CHAT, **changes)  # type: ignore[arg-type]


def test_lengths_and_traces_that_make_no_sense() -> None:
    with pytest.raises(ValueError, match="kind of lengths 'pareto' is none of fixed"):
        Lengths("pareto", 10)
    with pytest.raises(ValueError, match="a median of 0 tokens is not 1 to"):
        Lengths("fixed", 0)
    with pytest.raises(ValueError, match="a 95th percentile of 5 tokens is not above the median, 10"):
        Lengths("lognormal", 10, 5)
    with pytest.raises(ValueError, match="not in the order of their instants"):
        Trace((5, 0), (1, 1), (1, 1))
