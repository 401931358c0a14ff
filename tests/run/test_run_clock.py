"""Clocks: a wait never ends early, a paced clock stands still while the host is late."""

from __future__ import annotations

import threading
import time

from jumping_clock import JumpingClock

from orbitmesh.emulator.course import NEVER_MONO_NS, Course
from orbitmesh.emulator.run.clock import PacedClock, RealClock, SteppedClock


def test_real_clock_waits_until_the_instant_and_says_how_late():
    clock = RealClock()
    clock.start(5_000_000_000)
    late_ns = clock.wait(5_030_000_000, threading.Event())
    assert late_ns is not None
    assert late_ns >= 0
    assert clock.sim_ns() >= 5_030_000_000


def test_real_clock_reports_an_instant_that_has_passed():
    clock = RealClock()
    clock.start(1_000_000_000)
    late_ns = clock.wait(0, threading.Event())
    assert late_ns is not None
    assert late_ns >= 1_000_000_000


def test_wait_ends_without_a_result_when_told_to_stop():
    clock, stop = RealClock(), threading.Event()
    clock.start(0)
    stop.set()
    assert clock.wait(3_600_000_000_000, stop) is None


def test_paced_clock_holds_emulated_time_for_a_late_host():
    clock = PacedClock()
    clock.start(0)
    time.sleep(0.05)
    began_ns = time.monotonic_ns()
    assert clock.wait(10_000_000, threading.Event()) == 0
    assert clock.held_ns >= 40_000_000
    # the instant that was late is now, not 40 ms ago
    assert 10_000_000 <= clock.sim_ns() <= 10_000_000 + time.monotonic_ns() - began_ns


def test_paced_clock_goes_no_further_than_the_epoch_it_waits_for():
    clock = PacedClock()
    clock.start(0)
    clock.due_by(5_000_000)
    time.sleep(0.03)  # a host that stands still
    assert clock.sim_ns() == 5_000_000
    assert clock.wait(5_000_000, threading.Event()) == 0
    clock.due_by(1_000_000_000)
    assert 5_000_000 <= clock.sim_ns() < 5_000_000 + clock.held_ns


def test_mono_and_sim_are_one_line():
    for clock in (RealClock(), PacedClock(), JumpingClock()):
        clock.start(7)
        assert clock.mono_ns(1_000_007) - clock.mono_ns(7) == 1_000_000


def test_a_clock_goes_as_fast_as_its_course_says():
    clock = RealClock()
    clock.start(0)
    now_ns = time.monotonic_ns()
    clock.go(Course(10_000_000_000, now_ns, 20.0))
    assert clock.mono_ns(30_000_000_000) == now_ns + 1_000_000_000
    late_ns = clock.wait(11_000_000_000, threading.Event())  # 50 ms of the machine's
    assert late_ns is not None
    assert time.monotonic_ns() - now_ns >= 50_000_000
    assert clock.sim_ns() >= 11_000_000_000


def test_a_clock_that_stands_still_reaches_nothing_and_can_be_told_to_stop():
    clock, stop = SteppedClock(), threading.Event()
    clock.start(7)
    assert clock.sim_ns() == 7
    assert clock.mono_ns(8) == NEVER_MONO_NS
    passed: list[int | None] = []
    waiter = threading.Thread(target=lambda: passed.append(clock.wait(2_000, stop)))
    waiter.start()
    waiter.join(0.05)
    assert passed == []
    stop.set()
    waiter.join(5)
    assert passed == [None]
    assert clock.sim_ns() == 7


def test_a_course_is_one_line_at_every_speed():
    for ratio in (0.1, 1.0, 20.0, 1000.0):
        course = Course(5_000, 1_000_000, ratio)
        assert course.sim_at(course.mono_at(2_005_000)) == 2_005_000
        assert course.sim_at(1_000_000) == 5_000
    assert Course(5_000, 1_000_000, 0.0).sim_at(9_000_000) == 5_000
