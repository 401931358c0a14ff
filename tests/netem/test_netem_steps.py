"""For how long a netem delay has to hold.  Pure."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbitmesh.emulator.plane.netem.steps import MOST_MARGIN_NS, Horizon, Steps
from orbitmesh.emulator.plane.netem.translate import longest_until_next_step_ns

STEP_NS = 100_000_000


def test_steps_in_time_leave_no_margin() -> None:
    horizon = Horizon(STEP_NS)
    for _ in range(5):
        horizon.stepped(STEP_NS)
    assert horizon.ns == STEP_NS


def test_a_late_step_makes_the_next_hold_longer_and_it_fades() -> None:
    horizon = Horizon(STEP_NS)
    horizon.stepped(STEP_NS + 40_000_000)
    assert horizon.ns == STEP_NS + 80_000_000
    seen = []
    for _ in range(1_000):
        horizon.stepped(STEP_NS)
        seen.append(horizon.ns)
    assert seen == sorted(seen, reverse=True)
    assert seen[0] > STEP_NS + 70_000_000
    assert seen[-1] == STEP_NS


def test_no_step_holds_for_more_than_ten_seconds_longer() -> None:
    horizon = Horizon(STEP_NS)
    horizon.stepped(60 * 10**9)
    assert horizon.ns == STEP_NS + MOST_MARGIN_NS


@given(st.integers(0, 900_000_000), st.floats(0, 1e6))
def test_equally_late_steps_are_never_early_again(late_ns: int, slope_ns_per_s: float) -> None:
    horizon = Horizon(STEP_NS)
    horizon.stepped(STEP_NS + late_ns)  # the first one may have been
    gap_ns = STEP_NS + late_ns
    (commanded_ns,) = longest_until_next_step_ns(
        np.array([5e6]), np.array([slope_ns_per_s]), np.array([0]), horizon.ns
    )
    assert commanded_ns >= 5e6 + slope_ns_per_s * gap_ns / 1e9 - 0.01


def test_a_step_that_fails_ends_the_thread_with_its_reason() -> None:
    def step() -> None:
        raise OSError("gone")

    steps = Steps(1_000_000, step)
    steps.start()
    deadline = time.monotonic() + 10
    while steps.failure is None:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    assert "gone" in steps.failure
    steps.stop()
    assert steps.is_stopped


def test_steps_stop_at_once() -> None:
    steps = Steps(3_600 * 10**9, lambda: pytest.fail("it was not due"))
    steps.start()
    steps.stop()
    assert steps.failure is None
