"""Quantities as a test writes them: with their unit, or as whole nanoseconds."""

from __future__ import annotations

import re

from ..errors import InputError
from ..scenario.units import DURATION_NS, RATE_BPS, parse_whole
from ..shown import shown

_PERCENT = re.compile(r"\s*([0-9]*\.?[0-9]+)\s*%\s*")


def duration_ns(value: str | int) -> int:
    """ "40 ms", or whole nanoseconds; InputError says what is accepted."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    try:
        return parse_whole(value, DURATION_NS)
    except ValueError as error:
        raise InputError(str(error)) from None


def rate_bps(value: str) -> int:
    """ "10 Mbit/s"; InputError says what is accepted."""
    try:
        return parse_whole(value, RATE_BPS)
    except ValueError as error:
        raise InputError(str(error)) from None


def ratio(value: str | float) -> float:
    """ "2 %", or a share from 0 to 1."""
    if isinstance(value, str):
        found = _PERCENT.fullmatch(value)
        if found is None:
            raise InputError(f'{shown(value)} is no share: write "2 %", or 0.02')
        value = float(found[1]) / 100
    if not 0 <= value <= 1:
        raise InputError(f"{value} is no share: write 0 to 1, or 0 % to 100 %")
    return float(value)


def ms(value_ns: float | None) -> str:
    """For people."""
    return "-" if value_ns is None else f"{value_ns / 1e6:.3f} ms"
