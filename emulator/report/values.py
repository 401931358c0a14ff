"""How a report writes its numbers: few digits that count, each with its unit.  Pure."""

from __future__ import annotations

import math
from typing import Any

from ..record.verdict import percent
from ..shown import figure, plain, rate_text
from .document import Cell, Value

NOTHING = "–"


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def count(n: Any) -> Cell:
    return Value(n, "", f"{n:,}") if is_number(n) else NOTHING


def ms(duration_ns: Any) -> Cell:
    """For a column whose title says ms."""
    if not is_number(duration_ns):
        return NOTHING
    value = duration_ns / 1e6
    return Value(duration_ns, "ns", f"{value:,.2f}" if abs(value) < 1000 else f"{value:,.0f}")


def duration(duration_ns: Any) -> Cell:
    """In the unit that suits it."""
    if not is_number(duration_ns):
        return NOTHING
    for unit, factor in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if abs(duration_ns) >= factor:
            return Value(duration_ns, "ns", f"{_rounded(duration_ns / factor)} {unit}")
    return Value(duration_ns, "ns", f"{duration_ns:,.0f} ns")


def seconds(duration_ns: Any) -> Cell:
    """For a column whose title says s."""
    return Value(duration_ns, "ns", f"{duration_ns / 1e9:,.1f}") if is_number(duration_ns) else NOTHING


def share(ratio: Any) -> Cell:
    return Value(ratio, "", percent(ratio)) if is_number(ratio) else NOTHING


def rate(rate_bps: Any) -> Cell:
    if not is_number(rate_bps):
        return NOTHING
    return Value(rate_bps, "bit/s", "unlimited" if rate_bps == 0 else rate_text(rate_bps))


def quantity(value: Any, unit: str, digits: int = 3) -> Cell:
    return Value(value, unit, f"{figure(value, digits)} {unit}".strip()) if is_number(value) else NOTHING


def temperature(kelvin: Any) -> Cell:
    return Value(kelvin, "K", f"{kelvin - 273.15:.1f} °C") if is_number(kelvin) else NOTHING


def energy(joules: Any) -> Cell:
    if not is_number(joules):
        return NOTHING
    return Value(
        joules, "J", f"{figure(joules / 3.6e6)} kWh" if abs(joules) >= 3.6e5 else f"{figure(joules)} J"
    )


def power(watts: Any) -> Cell:
    if not is_number(watts):
        return NOTHING
    return Value(watts, "W", f"{figure(watts / 1e3)} kW" if abs(watts) >= 1e3 else f"{figure(watts)} W")


def text(value: Any, most: int = 200) -> str:
    """Of the record, whatever it is: on one line, cut, nothing in it that cannot be printed."""
    return NOTHING if value is None or value == "" else plain(str(value), most)


def texts(values: Any, most: int = 2000) -> tuple[str, ...]:
    return tuple(plain(str(value), most) for value in values)


def is_glued(cell: Cell) -> bool:
    """Does it follow what stands before without a space?"""
    return isinstance(cell, str) and cell[:1] in (",", ";", ":", ")", ".")


def written(cell: Cell) -> str:
    return cell.text if isinstance(cell, Value) else cell


def _rounded(value: float) -> str:
    return f"{value:,.1f}" if abs(value) >= 100 else f"{value:.3g}"
