"""A run's own lateness beside what the machine's calibration lets expect."""

from __future__ import annotations

from typing import Any

import pytest

from orbitmesh.emulator.record.summary import Recorded
from orbitmesh.emulator.record.verdict import LATENESS_P99_BOUND_NS, Evidence, judge

BUDGET: dict[str, Any] = {"lateness_p99_bound_ns": 200_000}
NONE: dict[str, Any] = {"reason": "not calibrated"}


@pytest.mark.parametrize(
    ("budget", "lateness_ns", "says"),
    [
        (BUDGET, 199_999, None),
        (BUDGET, 200_001, "of the calibration 0.2 ms"),
        (NONE, 200_001, None),
        (NONE, LATENESS_P99_BOUND_NS, None),
        (NONE, LATENESS_P99_BOUND_NS + 1, "without a calibration 1 ms"),
        # a slow machine's calibration does not make the fixed bound looser
        ({"lateness_p99_bound_ns": 50_000_000}, LATENESS_P99_BOUND_NS + 1, "without a calibration 1 ms"),
    ],
)
def test_lateness_beyond_the_bound_is_a_doubt(
    budget: dict[str, Any], lateness_ns: int, says: str | None
) -> None:
    facts = {"lateness_p99_ns": lateness_ns}
    doubts = judge(Evidence("completed", facts, Recorded(samples=1), budget, "engine")).doubts
    assert [says in doubt for doubt in doubts if says] == ([True] if says else [])
    assert bool(doubts) == bool(says)
