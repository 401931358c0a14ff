"""What is told each second of how a run goes: the second's own lateness, and what all links carried."""

from __future__ import annotations

import numpy as np

from orbitmesh.emulator.plane.backend import Lateness
from orbitmesh.emulator.run.course_watch import carried_of, lateness_of

EDGES_NS = np.array([0, 1_000, 10_000, 100_000, 1_000_000], np.int64)


def late(*count: int) -> Lateness:
    return Lateness(EDGES_NS, np.array(count, np.int64), 900_000)


def test_a_second_is_as_late_as_its_own_packets() -> None:
    before, now = late(0, 0, 0, 500), late(0, 99, 1, 500)
    assert lateness_of(before, now) == {
        "late_packets": 100, "late_p50_ns": 10_000, "late_p99_ns": 10_000, "late_max_ns": 100_000,
    }  # fmt: skip
    nothing = lateness_of(now, now)
    assert nothing == {"late_packets": 0, "late_p50_ns": None, "late_p99_ns": None, "late_max_ns": None}
    assert lateness_of(None, now) == lateness_of(now, None) == {}


def keys(*of: int) -> np.ndarray:
    return np.array(of, np.int64)


def test_links_that_come_go_or_count_anew_are_counted_once() -> None:
    before = keys(1, 2, 3), np.array([[100, 10, 5, 1], [50, 50, 4, 0], [7, 7, 7, 7]], np.int64)
    #        goes on       began anew       3 is gone, 4 is new
    now = keys(1, 2, 4), np.array([[160, 10, 8, 1], [5, 6, 1, 0], [20, 0, 2, 3]], np.int64)
    assert carried_of(before, now) == {"bytes": 60 + 11 + 20, "packets": 3 + 1 + 2, "lost": 3}
    assert carried_of(None, now) == carried_of(now, None) == {}
    assert carried_of(now, now) == {"bytes": 0, "packets": 0, "lost": 0}
