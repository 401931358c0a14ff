"""Instants against ERFA and the standard library."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import erfa
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbitmesh.emulator.orbit.time import DAY_NS, julian, unix_ns, utc_text

FRACTION_RESOLUTION_NS = 0.01  # 1.1e-16 of a day


def test_julian_date_is_erfas() -> None:
    instant = datetime(2026, 11, 1, 6, 30, 15, 250_000, tzinfo=UTC)
    jd, fr = julian(np.array([unix_ns(instant)]))
    d1, d2 = erfa.dtf2d("UTC", 2026, 11, 1, 6, 30, 15.25)
    assert jd[0] == d1
    assert fr[0] == pytest.approx(float(d2), abs=1e-15)


def test_offsets_are_honoured() -> None:
    east = datetime(2026, 11, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    assert unix_ns(east) == unix_ns(datetime(2026, 11, 1, tzinfo=UTC)) == 1_793_491_200 * 10**9


def test_naive_instants_are_refused() -> None:
    with pytest.raises(ValueError, match="no offset from UTC"):
        unix_ns(datetime(2026, 11, 1))


@given(st.integers(min_value=-(10**18), max_value=4 * 10**18))
def test_the_split_loses_less_than_its_resolution(instant: int) -> None:
    jd, fr = julian(np.array([instant]))
    assert 0 <= fr[0] < 1
    assert (jd[0] - 0.5).is_integer()
    day, rest = divmod(instant, DAY_NS)
    assert jd[0] == 2_440_587.5 + day
    assert abs(fr[0] * DAY_NS - rest) <= FRACTION_RESOLUTION_NS


def test_text_of_an_instant() -> None:
    assert utc_text(1_793_491_200_500_000_000) == "2026-11-01T00:00:00.500Z"
