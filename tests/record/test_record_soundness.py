"""Which samples touch a moment in which the emulation was late."""

from __future__ import annotations

import random

import numpy as np
import pyarrow as pa

from orbitmesh.emulator.plane.backend import Lateness
from orbitmesh.emulator.record import soundness
from orbitmesh.emulator.record.soundness import CAUSES, ENGINE, HOST, TICK, Window
from orbitmesh.emulator.run.lateness_log import late_window

MS = 1_000_000


def doubts(sent: list[int], done: list[int], windows: list[Window]) -> list[str | None]:
    codes = soundness.doubt_of(np.array(sent, np.int64), np.array(done, np.int64), windows)
    return [None if code < 0 else CAUSES[code] for code in codes.tolist()]


def test_a_sample_is_unsound_where_it_touches_a_window() -> None:
    windows = [Window(100, 200, HOST, 60)]
    assert doubts([0, 0, 150, 120, 200, 201], [99, 100, 160, 300, 300, 300], windows) == [
        None, HOST, HOST, HOST, HOST, None,
    ]  # fmt: skip


def test_the_gravest_cause_is_named() -> None:
    windows = [Window(0, 10, HOST, 1), Window(5, 10, ENGINE, 1), Window(9, 10, TICK, 1)]
    assert doubts([0, 6, 9], [1, 7, 9], windows) == [HOST, ENGINE, TICK]


def test_against_a_comparison_of_each_with_each() -> None:
    random.seed(3)
    spans = [(a := random.randrange(1_000), a + random.randrange(40)) for _ in range(400)]
    windows = [
        Window(a := random.randrange(1_000), a + random.randrange(30), random.choice(CAUSES), 1)
        for _ in range(25)
    ]
    slow = [
        next(
            (
                c
                for c in CAUSES
                if any(w.cause == c and w.from_mono_ns <= d and w.to_mono_ns >= s for w in windows)
            ),
            None,
        )
        for s, d in spans
    ]
    assert doubts([s for s, _ in spans], [d for _, d in spans], windows) == slow
    assert None in slow


def test_the_share_that_is_sound_with_its_bounds() -> None:
    rows = pa.table({"sent_mono_ns": [0, 50, 500, 900], "done_mono_ns": [10, 120, 510, 910]})
    windows = [Window(100, 200, ENGINE, 7 * MS), Window(150, 260, ENGINE, 9 * MS)]
    found = soundness.of_samples(soundness.marked(rows, windows), windows)
    assert (found["samples"], found["sound"], found["sound_ratio"]) == (4, 3, 0.75)
    assert found["causes"][ENGINE] == {"samples": 1, "windows": 1, "windows_ns": 160, "worst_ns": 9 * MS}
    assert found["bounds"]["late_engine_ns"] == 1_000_000


def test_lateness_by_instant() -> None:
    edges = np.array([0, MS // 2, MS, 4 * MS, 5_000 * MS], np.int64)

    def lateness(*count: int) -> Lateness:
        return Lateness(edges, np.array(count, np.int64), 2_999 * MS)

    before = lateness(100, 5, 3, 0)
    assert late_window(before, lateness(200, 9, 3, 0), 1_000 * MS, 1_100 * MS) is None
    # what left 2,999 ms late should have left that much before
    assert late_window(before, lateness(200, 9, 3, 40), 4_000 * MS, 4_100 * MS) == Window(
        4_000 * MS - 2_999 * MS, 4_100 * MS, ENGINE, 2_999 * MS
    )
