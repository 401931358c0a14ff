"""What a run says of itself: how it ended, and the figures of its ticks and links."""

from __future__ import annotations

import numpy as np
import pytest

from orbitmesh.emulator.errors import ProcessDied
from orbitmesh.emulator.plane.backend import Lateness
from orbitmesh.emulator.run.account import how_it_ended, run_facts
from orbitmesh.emulator.run.ticks import LateTick, TickLog


@pytest.mark.parametrize(
    ("error", "ended", "reason"),
    [
        (None, "completed", ""),
        (KeyboardInterrupt(), "interrupted", ""),
        (SystemExit(143), "interrupted", ""),
        (ProcessDied("the engine died: signal 9"), "failed", "the engine died: signal 9"),
        (ValueError(), "failed", "ValueError"),
    ],
)
def test_how_it_ended(error: BaseException | None, ended: str, reason: str):
    assert how_it_ended(error) == (ended, reason)


def test_facts_of_ticks_and_links():
    ticks = TickLog(cost_ns=[10, 20, 30], late=[LateTick(7, 7_000, 12_000_000)])
    lateness = Lateness(np.array([0, 10, 100]), np.array([99, 1]), 60)
    facts = run_facts(None, ticks, lateness, {"packets_in": 5, "dropped_queue": 2}, emulated_ns=3)
    assert (facts.ticks, facts.tick_cost_p50_ns, facts.tick_cost_max_ns) == (3, 20, 30)
    assert facts.late_ticks[0].late_ns == 12_000_000
    assert (facts.lateness_p50_ns, facts.lateness_max_ns) == (10, 60)
    assert facts.packets_dropped == {"queue": 2}
    assert facts.emulated_ns == 3


def test_facts_where_nothing_was_measured():
    facts = run_facts(None, TickLog(), None, {})
    assert (facts.ticks, facts.tick_cost_p50_ns, facts.lateness_p99_ns) == (0, None, None)


def test_lateness_since_leaves_out_what_was_before():
    edges = np.array([0, 10, 100, 1000])
    before = Lateness(edges, np.array([5, 0, 1]), 700)
    now = Lateness(edges, np.array([9, 2, 1]), 700)
    since = now.since(before)
    assert since.count.tolist() == [4, 2, 0]
    assert since.max_ns == 100
    assert now.since(now).quantile_ns(0.5) is None
