"""Emulated time that was paused, stepped or given another speed between two looks is noticed."""

from __future__ import annotations

import pytest

from orbitmesh.emulator.probing.straight import Look, went_straight

S = 10**9


@pytest.mark.parametrize(
    ("before", "after", "straight"),
    [
        (Look(0, 50 * S, 1.0), Look(3 * S, 53 * S, 1.0), True),
        (Look(0, 50 * S, 1.0), Look(3 * S, 53 * S + 20_000_000, 1.0), True),
        (Look(0, 0, 10.0), Look(3 * S, 30 * S, 10.0), True),
        (Look(0, 7 * S, 0.0), Look(3 * S, 7 * S, 0.0), True),  # paused all the time
        (Look(0, 7 * S, 0.0), Look(3 * S, 8 * S, 0.0), False),  # stepped
        (Look(0, 50 * S, 1.0), Look(3 * S, 52 * S, 1.0), False),  # paused for a second
        (Look(0, 50 * S, 1.0), Look(3 * S, 53 * S, 2.0), False),
        (Look(0, 50 * S, 1.0), Look(3 * S, 53 * S, 0.0), False),
    ],
)
def test_a_clock_that_did_not_go_straight_on_is_noticed(before: Look, after: Look, *, straight: bool) -> None:
    assert went_straight(before, after) == straight
