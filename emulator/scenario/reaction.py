"""How soon a failure is known: in ns, or as a preset of a routing protocol has it."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer

from ..errors import InputError
from ..presets import Preset, preset
from ..presets.units import base_of
from ..shown import shown
from .units import DURATION_NS, parse_whole

MOST_REACTION_NS = 600 * 10**9


def _reaction(value: object) -> int | str:
    if isinstance(value, str) and value[:1].isalpha():
        try:
            preset("routing", value)
        except InputError as error:
            raise ValueError(error.message) from None
        return value
    ns = value if type(value) is int else parse_whole(value, DURATION_NS)
    if ns > MOST_REACTION_NS:
        raise ValueError(f"{shown(value)} is too long: at most {MOST_REACTION_NS // 10**9} s")
    return ns


Reaction = Annotated[
    int | str,
    BeforeValidator(_reaction),
    PlainSerializer(lambda value: value if isinstance(value, str) else f"{value} ns", return_type=str),
]


def reaction_ns(value: int | str) -> int:
    """Until routes follow: of a protocol, until it is detected, and what it waits before it computes."""
    if isinstance(value, int):
        return value
    found = preset("routing", value)
    return detection_ns(value) + _ns(found, "computation-delay")


def detection_ns(value: int | str) -> int:
    """Until who is next to it knows."""
    return value if isinstance(value, int) else _ns(preset("routing", value), "detection")


def _ns(found: Preset, name: str) -> int:
    figure = found.figures[name]
    _, in_s = base_of(figure.unit)
    return round(figure.value * in_s * 1e9)
