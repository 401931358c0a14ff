"""Quantities with units and instants, as a user writes them; parsed once, here.

Each annotated type accepts a string with a unit ("550 km") and holds the
number in the unit its name states.  A bare number is refused: nobody can know
which unit was meant.  Types are non-negative unless their name says Signed
(angles are signed).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer

from ..numbers import LARGEST_WHOLE, MOST_CHARACTERS
from ..shown import shown

_DEGREE_RAD = math.pi / 180

LENGTH_KM = {"m": 1e-3, "km": 1.0}
ANGLE_RAD = {"deg": _DEGREE_RAD, "°": _DEGREE_RAD, "rad": 1.0, "mrad": 1e-3, "urad": 1e-6, "µrad": 1e-6}
DURATION_NS = {
    "ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "min": 60 * 10**9, "h": 3600 * 10**9,
}  # fmt: skip
PERCENT = {"%": 0.01}
RATE_BPS = {"bit/s": 1, "kbit/s": 10**3, "Mbit/s": 10**6, "Gbit/s": 10**9, "Tbit/s": 10**12}
SIZE_BYTES = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
TEMPERATURE_K = {"K": 1.0}
POWER_W = {"mW": 1e-3, "W": 1.0, "kW": 1e3}
LENGTH_M = {"nm": 1e-9, "um": 1e-6, "µm": 1e-6, "mm": 1e-3, "cm": 1e-2, "m": 1.0, "km": 1e3}

SLACK_RAD = 1e-12  # "90 deg" in radians may round up
FIRST_YEAR, LAST_YEAR = 1957, 2056  # what the two-digit year of a TLE can say

_QUANTITY = re.compile(r"\s*([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)\s*([^\s0-9].*?)\s*")


def _example(units: Mapping[str, float]) -> str:
    usual = next(unit for unit in ("%", "deg", "cm", "km", "s", "Gbit/s", "kB", "W", "K") if unit in units)
    return f'write a number and one of {", ".join(units)}, as in "10 {usual}"'


def _split(text: object, units: Mapping[str, float], *, signed: bool) -> tuple[str, str]:
    """The number as written, and its unit; ValueError with what is accepted."""
    if isinstance(text, bool) or not isinstance(text, str | int | float):
        raise ValueError(f"{shown(text)} is not a quantity: {_example(units)}")
    if not isinstance(text, str):
        raise ValueError(f"{shown(text)} has no unit: {_example(units)}")
    if len(text) > 2 * MOST_CHARACTERS:  # before a regular expression that tries every way to part the digits
        raise ValueError(f"{shown(text)} has {len(text)} characters: {_example(units)}")
    match = _QUANTITY.fullmatch(text)
    if match is None:
        lacks_unit = re.fullmatch(r"\s*[+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?\s*", text) is not None
        raise ValueError(
            f"{shown(text)} {'has no unit' if lacks_unit else 'is not a quantity'}: {_example(units)}"
        )
    number, unit = match.groups()
    if unit not in units:
        raise ValueError(f"{shown(text)} has the unit {shown(unit)}: {_example(units)}")
    if not math.isfinite(float(number) * units[unit]):
        raise ValueError(f"{shown(text)} is too large a number: write one that a machine can hold")
    if not signed and float(number) < 0:
        raise ValueError(f"{shown(text)} is negative: write 0 or more")
    return number, unit


def parse(text: object, units: Mapping[str, float], *, signed: bool = False) -> float:
    """The number in the table's base unit; ValueError with what is accepted."""
    number, unit = _split(text, units, signed=signed)
    return float(number) * units[unit]


def parse_whole(text: object, units: Mapping[str, int]) -> int:
    """The same, exactly, rounded to a whole number of the base unit; at most ``LARGEST_WHOLE``."""
    number, unit = _split(text, units, signed=False)
    if float(number) * units[unit] >= LARGEST_WHOLE:
        raise ValueError(
            f"{shown(text)} is too large: it must stay below {LARGEST_WHOLE} {next(iter(units))}"
        )
    return round(Decimal(number) * units[unit])


def parse_percent(text: object) -> float:
    """A share, 0 to any: "2 %" is 0.02, exactly as a machine writes that."""
    number, _ = _split(text, PERCENT, signed=False)
    return float(Decimal(number) / 100)


def _real(units: Mapping[str, float], *, signed: bool = False) -> Callable[[object], float]:
    return lambda text: parse(text, units, signed=signed)


def _whole(units: Mapping[str, int]) -> Callable[[object], int]:
    return lambda text: parse_whole(text, units)


def parse_instant(value: object) -> datetime:
    """An instant in UTC, from TOML's own date-time or an ISO 8601 text; a naive one is refused."""
    how = "write it as 2026-11-01T00:00:00Z"
    if isinstance(value, str) and len(value) <= MOST_CHARACTERS:
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(f"{shown(value)} is not a date and a time: {how}") from None
    if not isinstance(value, datetime):
        raise ValueError(
            f"{value if isinstance(value, date) else shown(value)} is not a date and a time: {how}"
        )
    if value.tzinfo is None:
        raise ValueError(
            f"{value.isoformat()} has no offset from UTC: say the offset, as in {value.isoformat()}Z"
        )
    if not FIRST_YEAR < value.year < LAST_YEAR:
        raise ValueError(
            f"{value.isoformat()} is out of range: write a year after {FIRST_YEAR} and before {LAST_YEAR}"
        )
    return value.astimezone(UTC)


def _quantity(unit: str) -> PlainSerializer:
    """As it is read, in the unit that is held: exact, since Python writes the shortest text of a number."""
    return PlainSerializer(lambda value: f"{value!r} {unit}", return_type=str)


LengthKm = Annotated[float, BeforeValidator(_real(LENGTH_KM)), _quantity("km")]
SignedLengthKm = Annotated[float, BeforeValidator(_real(LENGTH_KM, signed=True)), _quantity("km")]
LengthM = Annotated[float, BeforeValidator(_real(LENGTH_M)), _quantity("m")]
AngleRad = Annotated[float, BeforeValidator(_real(ANGLE_RAD, signed=True)), _quantity("rad")]
DurationNs = Annotated[int, BeforeValidator(_whole(DURATION_NS)), _quantity("ns")]
PercentRatio = Annotated[
    float,
    BeforeValidator(parse_percent),
    PlainSerializer(lambda ratio: f"{100 * Decimal(repr(ratio)):f} %", return_type=str),
]
RateBps = Annotated[int, BeforeValidator(_whole(RATE_BPS)), _quantity("bit/s")]
SizeBytes = Annotated[int, BeforeValidator(_whole(SIZE_BYTES)), _quantity("B")]
PowerW = Annotated[float, BeforeValidator(_real(POWER_W)), _quantity("W")]
TemperatureK = Annotated[float, BeforeValidator(_real(TEMPERATURE_K)), _quantity("K")]
Utc = Annotated[datetime, BeforeValidator(parse_instant)]
