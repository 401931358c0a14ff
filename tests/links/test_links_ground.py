"""Which satellites a station holds: both policies, as a fold over what it sees."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbitmesh.emulator.links.ground import Selection, select
from orbitmesh.emulator.links.visibility import Sight


def look(*ranges_km: list[float | None]) -> Sight:
    """A row for each station: the range to each satellite, None where it is not visible."""
    range_km = np.array([[np.nan if r is None else r for r in row] for row in ranges_km])
    return in_sight(range_km, ~np.isnan(range_km))


def in_sight(range_km: np.ndarray, visible: np.ndarray) -> Sight:
    station, satellite = np.nonzero(visible)
    first = np.searchsorted(station, np.arange(len(visible) + 1))
    return Sight(first, satellite.astype(np.int32), range_km[visible], np.full(len(station), 0.5))


def never_asked(rows: np.ndarray, satellites: np.ndarray) -> np.ndarray:
    raise AssertionError("nobody has a choice to make")


def stays(*seconds: float) -> object:
    return lambda rows, satellites: np.array(seconds)[satellites] * 1e9


NOTHING = Selection.nothing(1)


def test_nearest_takes_the_nearest_as_many_as_there_are_antennas() -> None:
    seen = look([900.0, None, 600.0, 700.0])
    for antennas, expected in ((1, (2,)), (2, (2, 3)), (3, (0, 2, 3)), (9, (0, 2, 3))):
        assert select(NOTHING, "nearest", (antennas,), seen, never_asked).satellites == (expected,)


def test_nearest_has_no_memory_and_settles_ties_by_index() -> None:
    seen = look([700.0, 600.0, 600.0])
    assert select(Selection(((2,),)), "nearest", (1,), seen, never_asked).satellites == ((1,),)


def test_one_satellite_serves_several_stations() -> None:
    seen = look([700.0, 600.0], [900.0, 800.0])
    assert select(Selection.nothing(2), "nearest", (1, 1), seen, never_asked).satellites == ((1,), (1,))


def test_longest_visibility_holds_until_the_satellite_has_set() -> None:
    held = Selection(((0,),))
    assert select(held, "longest-visibility", (1,), look([900.0, 500.0]), never_asked) == held
    set_now = look([None, 500.0, 600.0])
    assert select(held, "longest-visibility", (1,), set_now, stays(0, 60, 90)).satellites == ((2,),)


def test_longest_visibility_takes_who_stays_longest_then_the_nearest_then_by_index() -> None:
    seen = look([500.0, 900.0, 800.0, 800.0])
    for antennas, expected in ((1, (2,)), (2, (2, 3)), (3, (1, 2, 3))):
        found = select(NOTHING, "longest-visibility", (antennas,), seen, stays(10, 90, 90, 90))
        assert found.satellites == (expected,)


def test_only_free_antennas_are_filled_and_only_who_has_a_choice_asks() -> None:
    held = Selection(((0, 3), (1,)))
    seen = look([700.0, 600.0, 650.0, None], [None, 600.0, None, 500.0])
    asked = []

    def remaining(rows: np.ndarray, satellites: np.ndarray) -> np.ndarray:
        asked.append((rows.tolist(), satellites.tolist()))
        return np.array([10e9, 20e9])

    found = select(held, "longest-visibility", (2, 2), seen, remaining)
    assert found.satellites == ((0, 2), (1, 3))
    assert asked == [([0, 0], [1, 2])]  # the second station has room for all it sees


def test_pairs() -> None:
    assert Selection(((4, 7), (), (4,))).pairs().tolist() == [[4, 0], [7, 0], [4, 2]]
    assert Selection.nothing(3).pairs().shape == (0, 2)


@pytest.mark.parametrize("policy", ["nearest", "longest-visibility"])
@given(data=st.data())
def test_whatever_happens(policy: str, data: st.DataObject) -> None:
    n_stations, n_satellites = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 8))
    antennas = tuple(data.draw(st.integers(1, 4)) for _ in range(n_stations))
    selection = Selection.nothing(n_stations)
    for _ in range(4):
        visible = np.array(
            [[data.draw(st.booleans()) for _ in range(n_satellites)] for _ in range(n_stations)]
        )
        range_km = np.array(
            [[data.draw(st.sampled_from([500.0, 700.0, 900.0])) for _ in range(n_satellites)]
             for _ in range(n_stations)]
        )  # fmt: skip
        stay_ns = np.array([data.draw(st.sampled_from([1.0, 2.0, 3.0])) for _ in range(n_satellites)])
        before = selection
        seen_now = in_sight(range_km, visible)
        selection = select(before, policy, antennas, seen_now, lambda rows, who, stays=stay_ns: stays[who])
        for row, held in enumerate(selection.satellites):
            seen = set(np.flatnonzero(visible[row]).tolist())
            assert set(held) <= seen
            assert list(held) == sorted(set(held))
            assert len(held) == min(antennas[row], len(seen))
            if policy == "longest-visibility":
                still = set(before.satellites[row]) & seen
                assert still <= set(held)
                passed_over = seen - set(held)
                fresh = set(held) - still
                assert all(stay_ns[a] >= stay_ns[b] for a in fresh for b in passed_over)
            else:
                assert all(range_km[row, a] <= range_km[row, b] for a in held for b in seen - set(held))
