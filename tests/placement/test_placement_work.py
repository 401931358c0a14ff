"""What an answer is expected to take, and what is in flight: against closed forms and a real model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from placement_views import MS, S, bare_epoch, platforms, steady_work

from orbitmesh.emulator.epoch import Int32
from orbitmesh.emulator.links.contacts import Contacts
from orbitmesh.emulator.placement import Named, Placement, Placer, RequestClass, View, Work
from orbitmesh.emulator.placement.ledger import Ledger
from orbitmesh.emulator.placement.policies import POLICIES
from orbitmesh.emulator.placement.rises import AHEAD_NS, Rises
from orbitmesh.emulator.placement.work import DARK_NS, Capacity
from orbitmesh.emulator.presets.serving import accelerator, model
from orbitmesh.nodes.serving.step_time import StepTime
from orbitmesh.wire.serving import Deployment


def test_beyond_the_batch_a_request_waits_for_one_to_end_for_each_before_it() -> None:
    work = steady_work(2.0, requests=4)  # four at once, one ends every half second
    found = work.ns(np.array([0.0, 3.0, 4.0, 10.0]))[0] / S
    np.testing.assert_allclose(found, [2.0, 2.0, 2.5, 5.5], atol=0.011)
    # two such batches share them
    two = steady_work(2.0, requests=4, replicas=2)
    np.testing.assert_allclose(two.ns(np.array([20.0]))[0] / S, 5.5, atol=0.011)


def test_a_batch_slows_its_requests_as_the_step_time_says() -> None:
    times = StepTime(Deployment(model("llama-3.1-8b"), accelerator("h100")))
    work = Work([1000], [200], [1.0], times.ns, requests=64)
    alone, crowded = (float(ns) for ns in work.ns(np.array([0.0, 63.0]))[0])
    assert alone == pytest.approx(times.ns(1000, 1000 * 500, 0, 0) + 200 * times.ns(0, 0, 1, 1100), rel=1e-3)
    # each step of 64 decodes carries the prompts of 63 / 200 requests that took others' places
    step = times.ns(315, 315 * 500, 64, 64 * 1100)
    assert crowded == pytest.approx(times.ns(1000, 1000 * 500, 63, 63 * 1100) + 200 * step, rel=1e-3)


def test_prompts_that_do_not_fit_into_the_steps_stretch_them() -> None:
    """A prompt of 100 tokens for a token of an answer: 7 others bring 700 a step, where 92 have room."""
    work = Work([100], [1], [1.0], lambda prefill, *_: 1e3 * prefill, requests=8, step_tokens=100)
    assert float(work.ns(np.array([7.0]))[0, 0]) == pytest.approx(1e3 * (100 + 700), rel=1e-6)


@pytest.mark.parametrize(
    ("work_s", "capacity", "slope", "energy_s", "takes_s"),
    [
        (3.0, 1.0, 0.0, np.inf, 3.0),
        (3.0, 0.5, 0.0, np.inf, 6.0),
        (3.0, 0.5, 0.1, np.inf, -5 + np.sqrt(25 + 60)),  # 0.5 t + 0.05 t² = 3
        (8.75, 0.5, 0.1, np.inf, 10.0),  # full speed after 5 s and 3.75 s of work
        (1.0, 0.5, -0.1, np.inf, 5 - np.sqrt(25 - 20)),
        (9.0, 1.0, -0.05, np.inf, 13.0),  # 7.5 s of work in 10 s, then half the speed
        (3.0, 0.5, -0.1, np.inf, 6.0 + DARK_NS / S),  # comes to rest after 1.25 s of work
        (3.0, 1.0, 0.0, 2.0, 3.0 + DARK_NS / S),
        (3.0, 0.0, 0.1, np.inf, 1e20),  # none now,
    ],
)
def test_work_is_done_by_what_capacity_there_will_be(
    work_s: float, capacity: float, slope: float, energy_s: float, takes_s: float
) -> None:
    one = Capacity(np.array([capacity]), np.array([slope]), np.array([energy_s]))
    found = min(one.finishes_ns(np.array([[work_s * S]]))[0, 0] / S, 1e20)
    assert found == pytest.approx(takes_s, rel=1e-9)


def test_one_satellite_is_reckoned_as_all_are_to_the_bit() -> None:
    random, n = np.random.default_rng(1), 400
    times = StepTime(Deployment(model("llama-3.1-8b"), accelerator("h100")))
    work = Work([1000, 50], [200, 900], [1.0, 4.0], times.ns, requests=64)
    ratio = np.where(random.random(n) < 0.1, 0.0, random.random(n))
    slope = np.where(random.random(n) < 0.3, 0.0, random.normal(0, 0.1, n))
    capacity = Capacity(ratio, slope, np.where(random.random(n) < 0.7, np.inf, random.uniform(0, 60, n)))
    load = random.uniform(0, 200, n)
    together = capacity.finishes_ns(work.ns(load))
    for i in range(n):
        assert together[:, i].tolist() == capacity.finishes_at_ns(work.at_ns(float(load[i])), i)


def test_in_flight_is_rate_times_duration() -> None:
    """Little's law: 3 requests/s of 2.5 s each."""
    ledger = Ledger(2)
    for second in range(10):
        begin_ns = second * 10**9
        ledger.placed(np.array([1]), np.array([3.0]), np.array([2.5 * S]), begin_ns, begin_ns + 10**9)
    np.testing.assert_allclose(ledger.in_flight(10 * 10**9), [0, 7.5])
    np.testing.assert_allclose(ledger.in_flight(11 * 10**9), [0, 4.5])
    np.testing.assert_allclose(ledger.in_flight(13 * 10**9), [0, 0])
    assert len(ledger._count) == 0, "what is finished is forgotten"


def placer(policy: str, n: int, rates: list[float], work: Work, **more: Any) -> Placer:
    classes = [RequestClass("chat", 1.0, 1.0, np.array(rates))]
    named = Named(policy, POLICIES[policy]())
    satellites = np.arange(n, dtype=np.int32)
    gateways = np.arange(n, n + len(rates), dtype=np.int32)
    return Placer(named, satellites, gateways, classes, work, 10**9, **more)


def test_what_was_placed_is_seen_by_the_next_epochs() -> None:
    """Answers of 10 s, one at a time, one request a second: it goes where it waits less."""
    two = placer("least-completion", 2, [1.0], steady_work(10.0))
    delay_ns = np.array([[1 * MS, 2 * MS]])
    went = [two.place(bare_epoch(2, 1, k * 10**9, k), delay_ns).satellites[2]["chat"] for k in range(6)]
    assert went == [0, 1, 0, 1, 0, 1]


def test_a_gateway_is_told_of_its_own_classes_only_and_of_refusals() -> None:
    asked = []

    def next_rise(gateway: int, who: Int32, sim_ns: int) -> int:
        asked.append((gateway, who.tolist(), sim_ns))
        return 5

    one = placer("sticky", 2, [1.0, 0.0, 1.0], steady_work(1.0), next_rise=next_rise)
    delay_ns = np.array([[1 * MS, 2 * MS], [1 * MS, np.inf], [np.inf, np.inf]])
    found = one.place(bare_epoch(2, 3), delay_ns)
    assert found.satellites == {2: {"chat": 0}, 3: {}, 4: {"chat": None}}
    assert found.refusals[4]["chat"].retry_sim_ns == 5
    assert asked == [(4, [0, 1], 0)]


def test_slope_and_energy_are_those_of_the_platforms() -> None:
    """A satellite in the dark that has 5 s of battery left above the floor."""
    seen: list[View] = []

    class Look:
        def place(self, view: View) -> Placement:
            seen.append(view)
            return POLICIES["nearest"]().place(view)

    classes = [RequestClass("chat", 1.0, 1.0, np.array([1.0]))]
    one = Placer(
        Named("look", Look()), np.arange(2, dtype=np.int32), np.array([2], np.int32), classes,
        steady_work(1.0), 10**9, floor_j=1e6,
    )  # fmt: skip
    for k, capacity in enumerate(([1.0, 1.0], [0.5, 1.0])):
        of = platforms(2, sunlit=[0, 1], battery_j=[1.5e6, 1.5e6], capacity=capacity)
        one.place(bare_epoch(2, 1, 2 * k * 10**9, k, of), np.array([[1 * MS, 2 * MS]]))
    np.testing.assert_allclose(seen[1].capacity_slope_per_s, [-0.25, 0])
    np.testing.assert_allclose(seen[1].energy_s, [5.0, np.inf])
    assert seen[1].step_ns == 2 * 10**9
    np.testing.assert_allclose(seen[1].in_flight, [1.0, 0.0], atol=0.02)
    with pytest.raises(ValueError, match="read-only"):
        seen[1].in_flight[0] = 3


def test_the_next_rise_is_searched_once_and_only_as_far_as_is_affordable() -> None:
    searched = []

    def passes(gateway: int, who: Any, begin_ns: int, end_ns: int) -> Contacts:
        searched.append((gateway, len(who), end_ns - begin_ns))
        up = gateway == 8  # one satellite is in sight of it already
        return Contacts(
            np.array([0, 1]), np.array([begin_ns + 60 * 10**9, 0 if up else begin_ns + 90 * 10**9]),
            np.array([end_ns, end_ns]), np.array([True, not up]), np.array([False, False]),
        )  # fmt: skip

    rises, two = Rises(passes), np.arange(2, dtype=np.int32)
    assert rises.next_sim_ns(7, two, 0) == 60 * 10**9
    assert rises.next_sim_ns(9, two, 0) is None, "one search an epoch"
    assert rises.next_sim_ns(7, two, 59 * 10**9) == 60 * 10**9
    assert rises.next_sim_ns(8, two, 59 * 10**9) is None
    assert rises.next_sim_ns(7, np.arange(10_000, dtype=np.int32), 61 * 10**9) == 121 * 10**9
    assert rises.next_sim_ns(9, np.arange(1_000_000, dtype=np.int32), 62 * 10**9) is None
    assert searched == [(7, 2, AHEAD_NS), (8, 2, AHEAD_NS), (7, 10_000, 90 * 10**9)]
