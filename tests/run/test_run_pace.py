"""Ticks that take longer than their period: when the step grows, and how far."""

from __future__ import annotations

from orbitmesh.emulator.run.pace import Pace

MS = 10**6


def test_three_late_ticks_in_a_row_lengthen_the_step_to_what_the_work_needs() -> None:
    pace = Pace(100 * MS)
    assert [pace.after(230 * MS, 5 * MS, is_late=True) for _ in range(3)] == [None, None, 300 * MS]
    assert pace.step_ns == 300 * MS
    # epochs that were under way have yet to pass
    assert [pace.after(230 * MS, 5 * MS, is_late=True) for _ in range(3)] == [None] * 3


def test_the_slower_stage_counts() -> None:
    pace = Pace(100 * MS)
    assert [pace.after(10 * MS, 90 * MS, is_late=True) for _ in range(3)][-1] == 200 * MS


def test_an_accident_does_not() -> None:
    pace = Pace(100 * MS)
    late = [True, True, False, True, True, False]
    assert [pace.after(500 * MS, 0, is_late=is_late) for is_late in late] == [None] * 6


def test_ticks_late_for_another_reason_do_not() -> None:
    pace = Pace(100 * MS)
    assert [pace.after(20 * MS, 20 * MS, is_late=True) for _ in range(9)] == [None] * 9
