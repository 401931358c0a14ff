"""Clocks: a wait never ends early, a paced clock stands still while the host is late."""

from __future__ import annotations

import threading
import time

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


def test_mono_and_sim_are_one_line():
    for clock in (RealClock(), PacedClock(), SteppedClock()):
        clock.start(7)
        assert clock.mono_ns(1_000_007) - clock.mono_ns(7) == 1_000_000


def test_stepped_clock_moves_only_when_told():
    clock, stop = SteppedClock(), threading.Event()
    clock.start(0)
    passed: list[int | None] = []
    waiter = threading.Thread(target=lambda: passed.append(clock.wait(2_000, stop)))
    waiter.start()
    clock.advance(1_999)
    waiter.join(0.1)
    assert passed == []
    clock.advance(1)
    waiter.join(5)
    assert passed == [0]
    assert clock.sim_ns() == 2_000
