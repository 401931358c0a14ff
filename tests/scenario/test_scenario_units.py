"""Quantities: what is accepted, and how the rest is refused."""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbitmesh.emulator.scenario import units


@pytest.mark.parametrize(
    ("text", "table", "value"),
    [
        ("550 km", units.LENGTH_KM, 550.0),
        ("550km", units.LENGTH_KM, 550.0),
        (" 760 m ", units.LENGTH_KM, 0.76),
        ("1550 nm", units.LENGTH_M, 1.55e-6),
        ("10 cm", units.LENGTH_M, 0.1),
        ("180 deg", units.ANGLE_RAD, math.pi),
        ("53°", units.ANGLE_RAD, math.radians(53)),
        ("1 µrad", units.ANGLE_RAD, 1e-6),
        ("1 urad", units.ANGLE_RAD, 1e-6),
        ("2.5e3 mW", units.POWER_W, 2.5),
        (".5 kW", units.POWER_W, 500.0),
    ],
)
def test_reals(text: str, table: dict[str, float], value: float) -> None:
    assert units.parse(text, table) == pytest.approx(value, rel=1e-15)


@pytest.mark.parametrize(
    ("text", "table", "value"),
    [
        ("5 ms", units.DURATION_NS, 5_000_000),
        ("0.1 s", units.DURATION_NS, 100_000_000),
        ("1.5 min", units.DURATION_NS, 90_000_000_000),
        ("2 h", units.DURATION_NS, 7_200_000_000_000),
        ("100 Gbit/s", units.RATE_BPS, 100_000_000_000),
        ("18.9 Gbit/s", units.RATE_BPS, 18_900_000_000),
        ("1 Tbit/s", units.RATE_BPS, 10**12),
        ("64 kB", units.SIZE_BYTES, 64_000),
        ("64 KiB", units.SIZE_BYTES, 65_536),
        ("123456789.123456789 s", units.DURATION_NS, 123_456_789_123_456_789),  # exact, where a float is not
    ],
)
def test_whole_numbers(text: str, table: dict[str, int], value: int) -> None:
    assert units.parse_whole(text, table) == value


@given(st.integers(min_value=0, max_value=2**63 - 2**12), st.sampled_from(sorted(units.DURATION_NS)))
def test_whole_numbers_are_exact(number: int, unit: str) -> None:
    factor = units.DURATION_NS[unit]
    whole = number // factor
    assert units.parse_whole(f"{whole} {unit}", units.DURATION_NS) == whole * factor


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (5, "5 has no unit: write a number and one of m, km"),
        (5.0, "5.0 has no unit"),
        ("5", "'5' has no unit"),
        ("5 miles", "'5 miles' has the unit 'miles': write a number and one of m, km"),
        ("5 Km", "'5 Km' has the unit 'Km'"),
        ("five km", "'five km' is not a quantity"),
        ("", "'' is not a quantity"),
        ("nan km", "'nan km' is not a quantity"),
        ("inf km", "'inf km' is not a quantity"),
        (float("nan"), "nan has no unit"),
        ("1e400 km", "'1e400 km' is too large"),
        ("-5 km", "'-5 km' is negative: write 0 or more"),
        ("1,5 km", "'1,5 km'"),
        (True, "True is not a quantity"),
        (["5 km"], "['5 km'] is not a quantity"),
        (None, "None is not a quantity"),
    ],
)
def test_what_is_no_length(value: Any, said: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(said)}"):
        units.parse(value, units.LENGTH_KM)


def test_negative_quantities_only_where_signed() -> None:
    assert units.parse("-430 m", units.LENGTH_KM, signed=True) == pytest.approx(-0.43)
    assert units.parse("-0 km", units.LENGTH_KM) == 0
    with pytest.raises(ValueError, match="is negative"):
        units.parse_whole("-1 s", units.DURATION_NS)


@pytest.mark.parametrize("text", ["1e10 s", "9223372036854775808 ns", "1e999999999 ns", "1e300 h"])
def test_durations_that_no_counter_holds(text: str) -> None:
    with pytest.raises(ValueError, match="too large"):
        units.parse_whole(text, units.DURATION_NS)


def test_an_accepted_unit_is_listed_for_every_quantity() -> None:
    for table in (units.ANGLE_RAD, units.RATE_BPS, units.SIZE_BYTES, units.POWER_W, units.DURATION_NS):
        with pytest.raises(ValueError, match="has the unit 'furlong'") as caught:
            units.parse("3 furlong", table)
        assert all(unit in str(caught.value) for unit in table)


def test_instants() -> None:
    want = datetime(2026, 11, 1, 12, tzinfo=UTC)
    assert units.parse_instant(want) == want
    assert units.parse_instant("2026-11-01T12:00:00Z") == want
    assert units.parse_instant("2026-11-01T14:00:00+02:00") == want
    assert units.parse_instant("2026-11-01T14:00:00+02:00").tzinfo == UTC


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (datetime(2026, 11, 1), "has no offset from UTC: say the offset, as in 2026-11-01T00:00:00Z"),
        ("2026-11-01T00:00:00", "has no offset from UTC"),
        (date(2026, 11, 1), "2026-11-01 is not a date and a time: write it as 2026-11-01T00:00:00Z"),
        ("tomorrow", "'tomorrow' is not a date and a time"),
        (1_793_491_200, "1793491200 is not a date and a time"),
        (datetime(1900, 1, 1, tzinfo=UTC), "is out of range: write a year after 1957 and before 2056"),
        (datetime(2100, 1, 1, tzinfo=UTC), "is out of range"),
    ],
)  # fmt: skip
def test_what_is_no_instant(value: Any, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        units.parse_instant(value)
