"""What is told each second of how a run goes: the second's own lateness, and what all links carried."""

from __future__ import annotations

from typing import Any

import numpy as np

from orbitmesh.emulator.epoch import Int64, Links
from orbitmesh.emulator.feed.feed import Entry, Feed
from orbitmesh.emulator.geometry import Geometry
from orbitmesh.emulator.plane.backend import Lateness
from orbitmesh.emulator.plane.mesh import Carried
from orbitmesh.emulator.run.clock import RealClock
from orbitmesh.emulator.run.course_watch import CourseWatch, carried_of, lateness_of
from orbitmesh.emulator.scenario import load

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


class Engine:
    """A carrier and a plane: each look at it finds a thousand bytes more on each link."""

    name = "engine"

    def __init__(self) -> None:
        self.number, self.n_looks = 0, 0
        self.links: Links

    def lateness(self) -> None:
        return None

    def carried(self, rows: Int64 | None) -> Carried:
        self.n_looks += 1
        columns = np.full((len(self.links), 4), [1000, 0, 1, 0], np.int64) * self.n_looks
        return Carried(self.number, self.links, columns)


def test_a_second_in_which_an_epoch_comes_is_counted_too() -> None:
    """The plane has it a moment before the run says so: each second, where ticks and looks keep time."""
    geometry = Geometry(load("pocket"))
    engine, feed = Engine(), Feed(100, 1 << 20)
    of_run = [geometry.epoch_at(0)]
    watch = CourseWatch(engine, engine, RealClock(), lambda: of_run[0], feed, _raise)  # type: ignore[arg-type]
    for number in range(4):
        epoch = geometry.epoch_at(number * 10**9)
        engine.number, engine.links = number, epoch.links
        watch._look()
        of_run[0] = epoch
    told: list[dict[str, Any]] = []
    while isinstance(entry := feed.take(len(told), 0.0), Entry):
        told.append(entry.value)
    assert len(told) == 3  # the first look is what the others are from
    assert [row["packets"] for row in told] == [len(geometry.epoch_at(0).links)] * 3


def _raise(error: BaseException) -> None:
    raise error
