"""Ring all-reduce: the schedule, the sum, and what happens when a neighbour goes."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from dataclasses import replace
from functools import partial
from ipaddress import ip_address

import numpy as np
import pytest

from orbitmesh.nodes.training.gradient import gradient, pattern, wrong
from orbitmesh.nodes.training.meter import Meter
from orbitmesh.nodes.training.pace import Pace
from orbitmesh.nodes.training.ring import Ring, RingBroken
from orbitmesh.nodes.training.schedule import rounds
from orbitmesh.nodes.training.trainer import Trainer
from orbitmesh.wire.training import TrainingSpec, TrainingStep

PORT = 50_552  # of loopback, each member an address of its own


@pytest.mark.parametrize("members", [2, 3, 8, 81])
def test_after_all_rounds_each_member_has_each_sum_and_was_sent_what_the_one_before_sent(
    members: int,
) -> None:
    plans = [list(rounds(place, members)) for place in range(members)]
    have = np.eye(members)[:, None, :].repeat(members, axis=1)  # member, chunk, whose share is in it
    for k in range(2 * (members - 1)):
        before = have.copy()
        for place, plan in enumerate(plans):
            sender = (place - 1) % members
            assert plans[sender][k].sends == plan[k].receives
            came = before[sender, plan[k].receives]
            if plan[k].adds:
                assert not (have[place, plan[k].receives] * came).any()  # nobody is counted twice
                have[place, plan[k].receives] += came
            else:
                have[place, plan[k].receives] = came
    assert (have == 1).all()
    assert all(len(plan) == 2 * (members - 1) for plan in plans)


def spec(place: int, members: int, elements: int, **more: int) -> TrainingSpec:
    return TrainingSpec(
        place, members, f"sat-0-{(place + 1) % members}", address((place + 1) % members),
        gradient_bytes=4 * elements, compute_ns=1, **more,
    )  # fmt: skip


def address(place: int) -> str:
    """Of this process: others that run these tests beside it have theirs."""
    return str(ip_address("127.0.0.0") + (os.getpid() % 2**21 << 3) + place + 1)


@pytest.mark.parametrize(("members", "elements"), [(2, 2), (5, 500), (3, 3_000_000)])
def test_the_sum_is_right_over_sockets_also_of_chunks_larger_than_their_buffers(
    members: int, elements: int
) -> None:
    rings = [Ring(spec(place, members, elements), address(place), PORT) for place in range(members)]
    vectors = [
        np.random.default_rng(place).integers(-99, 99, elements).astype(np.float32)
        for place in range(members)
    ]
    expected = np.sum(vectors, axis=0)
    agreed: list[int] = []

    def live(place: int) -> None:
        rings[place].connect()
        agreed.append(rings[place].agree(place))
        rings[place].all_reduce(members - 1, vectors[place])

    threads = [threading.Thread(target=live, args=(place,)) for place in range(members)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert agreed == [members - 1] * members
    for vector in vectors:
        assert np.array_equal(vector, expected)
    for ring in rings:
        assert ring.bytes_sent == 2 * (members - 1) * (8 + 4 * elements // members)
        ring.release()


def test_a_neighbour_that_goes_or_is_silent_breaks_the_ring_with_a_reason() -> None:
    rings = [Ring(spec(place, 2, 2, timeout_ns=200_000_000), address(place), PORT) for place in range(2)]
    other = threading.Thread(target=rings[1].connect)
    other.start()
    rings[0].connect()
    other.join(5)
    vector = np.ones(2, np.float32)
    with pytest.raises(RingBroken, match="timeout"):
        rings[0].all_reduce(0, vector)
    rings[1].release()
    with pytest.raises(RingBroken):
        rings[0].all_reduce(0, vector)
    rings[0].release()


@pytest.mark.parametrize("members", [2, 81, 500])
def test_whoever_is_left_out_or_counted_twice_shows(members: int) -> None:
    elements = 3 * members
    total = np.sum([gradient(4, place, elements) for place in range(members)], axis=0, dtype=np.float64)
    assert total.max() < 2**24  # whole numbers that float32 holds
    assert wrong(total.astype(np.float32), 4, members) == 0
    lacking = total - gradient(4, members - 1, elements)
    assert wrong(lacking.astype(np.float32), 4, members) == np.count_nonzero(pattern(4, elements))
    assert wrong(total.astype(np.float32), 5, members) > 0  # of another step


def test_computing_takes_as_long_as_its_speed_allows() -> None:
    pace = Pace(1000, 0, 1.0)
    assert pace.at_ns() == 1000
    assert pace.at_ns(0.25) == 250
    pace.set(400, 0.5)
    assert pace.at_ns() == 400 + 1200
    pace.set(600, 0.0)  # 500 are done
    assert pace.at_ns() is None
    assert pace.at_ns(0.5) == 600
    pace.set(2000, 0.1)
    assert pace.at_ns() == 7000


def test_what_accelerators_draw_follows_what_they_do() -> None:
    s = 10**9
    meter = Meter(100.0, 900.0, 0.5, 0)
    assert meter.read(s) == (100.0, 100.0)
    meter.computes(2 * s, True)
    assert meter.read(3 * s) == (200.0 + 900, 200.0 + 900)
    meter.capacity(3 * s, 0.25)  # 0.25 ** (1 / 0.5) of what is above rest
    assert meter.read(5 * s) == (1100.0 + 2 * 150, 1100.0 + 2 * 900)
    meter.computes(5 * s, False)
    meter.capacity(6 * s, 0.0)
    assert meter.read(9 * s) == (1400.0 + 100, 2900.0 + 4 * 100)
    meter.computes(8 * s, True)  # without power, and yet with something to do
    assert meter.read(9 * s) == (1500.0, 2900.0 + 300 + 900)
    meter.computes(7 * s, False)  # told late: from the latest on
    assert meter.read(9 * s) == (1500.0, 2900.0 + 300 + 100)


def test_what_is_told_survives_the_wire() -> None:
    step = TrainingStep(3, "sat-0-1", 1, 2, 3, 4, error="timeout")
    assert TrainingStep.from_json(step.to_json()) == step
    for wrong_spec in (
        {"members": 1},
        {"place": 2},
        {"gradient_bytes": 10},
        {"overlap_ratio": 2.0},
        {"idle_w": 1.0},
    ):
        good = {
            "place": 0,
            "members": 2,
            "next_name": "",
            "next_address": "",
            "gradient_bytes": 8,
            "compute_ns": 1,
        }
        with pytest.raises(ValueError, match=r"\w"):
            TrainingSpec.from_dict(good | wrong_spec)


def test_a_broken_ring_is_made_again_and_agrees_on_the_step() -> None:
    """As a trainer does after RingBroken: connect again, agree on the largest, go on."""
    rings = [Ring(spec(place, 3, 3, timeout_ns=500_000_000), address(place), PORT) for place in range(3)]
    vectors = [np.full(3, place + 1, np.float32) for place in range(3)]
    agreed: list[int] = []

    def live(place: int) -> None:
        step, sums = place, 0
        while not sums:
            rings[place].connect()
            try:
                step = rings[place].agree(step)
                if place == 1 and not agreed:
                    agreed.append(step)
                    raise RingBroken("on purpose")
                rings[place].all_reduce(step, vectors[place])
            except RingBroken:
                step += 1
                vectors[place][:] = place + 1
            else:
                sums += 1
        agreed.append(step)

    threads = [threading.Thread(target=live, args=(place,), daemon=True) for place in range(3)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 20
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    assert agreed == [2, 3, 3, 3]
    assert all((vector == 6).all() for vector in vectors)
    for ring in rings:
        ring.release()


def test_a_member_that_gets_less_power_computes_longer_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    compute_ns = 100_000_000
    monkeypatch.setattr("orbitmesh.nodes.training.trainer.Ring", partial(Ring, port=PORT))

    async def train() -> list[TrainingStep]:
        told: list[TrainingStep] = []
        began_ns = time.monotonic_ns()
        members = [
            Trainer(
                replace(spec(place, 2, 20), compute_ns=compute_ns, idle_w=100.0, full_w=1100.0),
                f"sat-0-{place}",
                address(place),
                told.append,
            )
            for place in range(2)
        ]
        made_ns = time.monotonic_ns()
        members[1].obey({"capacity_ratio": 0.5})
        for member in members:
            member.obey({"train_from_mono_ns": time.monotonic_ns()})
        while len(told) < 8:
            await asyncio.sleep(0.02)
        assert not any(member.failed.done() for member in members)
        # at rest 100 W; while it computes 1000 more, or 500 where it has half of the speed
        for member, name, more_w in ((members[0], "sat-0-0", 1000), (members[1], "sat-0-1", 500)):
            found = member.energy(name)
            most_rest_j, rest_j = ((found.at_mono_ns - at) / 1e9 * 100 for at in (began_ns, made_ns))
            done = [step for step in told if step.src == name and step.computed_mono_ns <= found.at_mono_ns]
            least_s = sum(step.computed_mono_ns - step.began_mono_ns for step in done) / 1e9
            most_s = least_s + (found.at_mono_ns - max(step.computed_mono_ns for step in done)) / 1e9
            assert rest_j + least_s * more_w - 2 <= found.drawn_j <= most_rest_j + most_s * more_w + 2
            assert rest_j + least_s * 1000 - 2 <= found.asked_j <= most_rest_j + most_s * 1000 + 2
        for member in members:
            await asyncio.to_thread(member.close)
        return told

    told = asyncio.run(asyncio.wait_for(train(), 10))
    assert len(told) >= 8
    quick = [step.waited_ns for step in told[:8] if step.src == "sat-0-0"]
    assert max(quick) > 0.5 * compute_ns  # for the other; each only where it had its turn in time
    for step in told[:8]:
        assert step.error == ""
        took_ns = step.computed_mono_ns - step.began_mono_ns
        if step.src == "sat-0-1":
            assert (took_ns, step.held_ns) == (2 * compute_ns, compute_ns)
        else:
            assert (took_ns, step.held_ns) == (compute_ns, 0)
            assert 0 < step.waited_ns <= step.done_mono_ns - step.joined_mono_ns
