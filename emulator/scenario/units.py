"""Quantities with units, as a user writes them; parsed once, here.

Each annotated type accepts a string with a unit ("550 km") and holds the
number in the unit its name states.  A bare number is refused: nobody can know
which unit was meant.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Annotated

from pydantic import BeforeValidator

_DEGREE_RAD = math.pi / 180

LENGTH_KM = {"m": 1e-3, "km": 1.0}
ANGLE_RAD = {"deg": _DEGREE_RAD, "°": _DEGREE_RAD, "rad": 1.0, "mrad": 1e-3, "urad": 1e-6, "µrad": 1e-6}
DURATION_NS = {
    "ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "min": 60 * 10**9, "h": 3600 * 10**9,
}  # fmt: skip
RATE_BPS = {"bit/s": 1, "kbit/s": 10**3, "Mbit/s": 10**6, "Gbit/s": 10**9, "Tbit/s": 10**12}
SIZE_BYTES = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
POWER_W = {"mW": 1e-3, "W": 1.0, "kW": 1e3}
LENGTH_M = {"nm": 1e-9, "um": 1e-6, "µm": 1e-6, "mm": 1e-3, "cm": 1e-2, "m": 1.0, "km": 1e3}

_QUANTITY = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(\S+)\s*")


def parse(text: object, units: Mapping[str, float]) -> float:
    """The number in the table's base unit; ValueError with what is accepted."""
    accepted = f'write a number and one of {", ".join(units)}, as in "10 {list(units)[-1]}"'
    if not isinstance(text, str):
        raise ValueError(f"{text!r} has no unit: {accepted}")
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a quantity: {accepted}")
    number, unit = match.groups()
    if unit not in units:
        raise ValueError(f"{text!r} has the unit {unit!r}: {accepted}")
    return float(number) * units[unit]


def _real(units: Mapping[str, float]) -> Callable[[object], float]:
    return lambda text: parse(text, units)


def _whole(units: Mapping[str, float]) -> Callable[[object], int]:
    return lambda text: round(parse(text, units))


LengthKm = Annotated[float, BeforeValidator(_real(LENGTH_KM))]
LengthM = Annotated[float, BeforeValidator(_real(LENGTH_M))]
AngleRad = Annotated[float, BeforeValidator(_real(ANGLE_RAD))]
DurationNs = Annotated[int, BeforeValidator(_whole(DURATION_NS))]
RateBps = Annotated[int, BeforeValidator(_whole(RATE_BPS))]
SizeBytes = Annotated[int, BeforeValidator(_whole(SIZE_BYTES))]
PowerW = Annotated[float, BeforeValidator(_real(POWER_W))]
