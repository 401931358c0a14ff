"""Each policy on views made by hand, whose right answer is plain."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest
from placement_views import make_view, platforms, steady_work

from orbitmesh.emulator.placement import NO_POWER, NO_WAY, REFUSED, Refusal, View
from orbitmesh.emulator.placement.policies import POLICIES


def placed(view: View, policy: str) -> list[list[int]]:
    found: list[list[int]] = POLICIES[policy]().place(view).satellite.tolist()
    return found


def test_nearest_is_the_least_delay_and_of_equals_the_lowest_node() -> None:
    view = make_view([[5, 3, 9], [4, 4, 7]], satellites=[2, 5, 8], rates=(0.0, 0.0))
    assert placed(view, "nearest") == [[5, 5], [2, 2]]


def test_only_nearest_takes_one_that_has_no_power() -> None:
    view = make_view([[1, 2]], of=platforms(2, capacity=[0, 1]))
    assert placed(view, "nearest") == [[0]]
    for other in set(POLICIES) - {"nearest"}:
        assert placed(view, other) == [[1]], other


@pytest.mark.parametrize("policy", POLICIES)
def test_refusals_say_why_and_when_to_try_again(policy: str) -> None:
    found = POLICIES[policy]().place(
        make_view([[1, inf], [inf, inf]], of=platforms(2, capacity=[0, 1]), rates=(0.0, 0.0), rise=77)
    )
    assert found.satellite[1].tolist() == [REFUSED, REFUSED]
    assert found.refusals[1, 0] == found.refusals[1, 1] == Refusal(NO_WAY, 77)
    if policy != "nearest":
        assert found.refusals[0, 0] == Refusal(NO_POWER, None)


@pytest.mark.parametrize("policy", POLICIES)
def test_nobody_who_serves_is_no_way(policy: str) -> None:
    found = POLICIES[policy]().place(make_view([[]]))
    assert found.satellite.tolist() == [[REFUSED]]
    assert found.refusals[0, 0].reason == NO_WAY


def test_sunlit_goes_before_near_and_of_the_sunlit_the_nearest() -> None:
    view = make_view([[1, 5, 3], [1, 5, inf]], of=platforms(3, sunlit=[0, 1, 1]))
    assert placed(view, "sunlit") == [[2], [1]]
    assert placed(make_view([[3, 1]], of=platforms(2, sunlit=[0, 0])), "sunlit") == [[1]]


def test_coolest_goes_before_near_and_of_the_equally_cool_the_nearest() -> None:
    view = make_view([[1, 5, 3], [1, 5, inf]], of=platforms(3, temperature_k=[310, 295, 295]))
    assert placed(view, "coolest") == [[2], [1]]


def test_round_robin_takes_the_next_that_can() -> None:
    view = make_view([[1, 1, inf, 1]], satellites=[1, 3, 4, 7], before=[[3]])
    assert placed(view, "round-robin") == [[7]]
    assert placed(make_view([[1, 1]], satellites=[1, 3], before=[[3]]), "round-robin") == [[1]]
    # at the start each gateway and class one further
    assert placed(make_view([[1, 1, 1], [1, 1, 1]], rates=(0.0, 0.0)), "round-robin") == [[0, 1], [2, 0]]


def test_sticky_stays_until_another_is_nearer_by_its_margin() -> None:
    assert placed(make_view([[10, 5.1]], before=[[0]]), "sticky") == [[0]]
    assert placed(make_view([[10, 4.9]], before=[[0]]), "sticky") == [[1]]
    assert placed(make_view([[inf, 40]], before=[[0]]), "sticky") == [[1]]
    lost_power = make_view([[1, 2]], before=[[0]], of=platforms(2, capacity=[0, 1]))
    assert placed(lost_power, "sticky") == [[1]]
    # each class of a gateway has its own
    assert placed(make_view([[3, 5]], before=[[0, 1]], rates=(0.0, 0.0)), "sticky") == [[0, 1]]


def test_least_completion_weighs_path_queue_and_capacity() -> None:
    # answers of 1 s; the way to the second is 2 × 40 ms longer
    near_far = [[10, 50]]
    assert placed(make_view(near_far), "least-completion") == [[0]]
    assert placed(make_view(near_far, in_flight=[0.05, 0]), "least-completion") == [[0]]
    assert placed(make_view(near_far, in_flight=[0.1, 0]), "least-completion") == [[1]]
    slow = platforms(2, capacity=[0.9, 1])  # 1.11 s
    assert placed(make_view(near_far, of=slow), "least-completion") == [[1]]
    assert placed(make_view(near_far, of=platforms(2, capacity=[0.95, 1])), "least-completion") == [[0]]


@pytest.mark.parametrize("wrong", ["slope", "energy"])
def test_least_completion_looks_at_the_length_of_the_answer(wrong: str) -> None:
    """The near one slows down, or runs out of battery, before a long answer ends."""
    for answer_s, expected in ((0.5, 0), (9.5, 1)):
        view = make_view(
            [[1, 2]],
            of=platforms(2, capacity=[1, 0.8]),
            work=steady_work(answer_s),
            slope=[-0.09, 0] if wrong == "slope" else None,
            energy_s=[5, inf] if wrong == "energy" else None,
        )
        assert placed(view, "least-completion") == [[expected]]


def test_least_completion_spreads_what_would_crowd_one() -> None:
    """Two gateways under the same satellite: the second sees what the first brings."""
    assert placed(make_view([[1, 2], [1, 2]], rates=(1.0,)), "least-completion") == [[0], [1]]
    assert placed(make_view([[1, 2], [1, 2]], rates=(0.0,)), "least-completion") == [[0], [0]]


@pytest.mark.parametrize("policy", POLICIES)
def test_the_same_view_gives_the_same_placement(policy: str) -> None:
    random = np.random.default_rng(1)
    delay_ms = random.integers(1, 5, (6, 40)).astype(float)
    of = platforms(
        40,
        temperature_k=random.integers(300, 303, 40).tolist(),
        sunlit=random.integers(0, 2, 40).tolist(),
        capacity=(random.integers(0, 3, 40) / 2).tolist(),
    )
    first, second = (make_view(delay_ms.tolist(), of=of, rates=(1.0, 2.0)) for _ in range(2))
    assert placed(first, policy) == placed(second, policy)
