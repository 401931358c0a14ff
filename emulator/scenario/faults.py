"""``[[faults]]``: what fails or changes in a run, at given instants or at random."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from math import radians
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from ..errors import InputError
from ..find_node import is_set
from ..shown import shown
from .section import Section
from .units import DurationNs, PercentRatio, RateBps

ANTENNA = "/antenna"
MOST_RATE_BPS, MOST_DELAY_NS = 10**15, 10**10
# What begins and ends between two epochs is never in force: changes within 20 ms of each other come in one,
# which waits up to 20 ms for a step (see series.py).
LEAST_LASTING_NS = 50_000_000
_NUMBER = r"[0-9]{1,5}(?:\.[0-9]{1,12})?"
_REGION = re.compile(rf"region:([+-]?{_NUMBER}),([+-]?{_NUMBER}),({_NUMBER}) ?km")


def region(what: str) -> tuple[float, float, float]:
    """Latitude and longitude in rad, and a radius in km; InputError for another form."""
    match = _REGION.fullmatch(what)
    if match is None or abs(float(match[1])) > 90 or abs(float(match[2])) > 360:
        raise InputError(
            f"{shown(what)} is not a region: write region:LATITUDE,LONGITUDE,RADIUS in degrees and km, "
            "as in region:35.7,139.7,500km"
        )
    return radians(float(match[1])), radians(float(match[2])), float(match[3])


def _one_or_more(value: object) -> object:
    return (value,) if isinstance(value, str) else value


class Fault(Section):
    what: Annotated[tuple[str, ...], BeforeValidator(_one_or_more)] = ()
    at_ns: DurationNs = Field(0, alias="at")
    until_ns: DurationNs | None = Field(None, alias="until")
    rate_bps: RateBps | None = Field(None, alias="rate", gt=0, le=MOST_RATE_BPS)
    delay_ns: DurationNs = Field(0, alias="delay", le=MOST_DELAY_NS)
    loss_ratio: PercentRatio | None = Field(None, alias="loss", le=1)
    every: Literal["laser", "satellite", "gateway"] | None = None
    mtbf_ns: DurationNs | None = Field(None, alias="mtbf", gt=0)
    mttr_ns: DurationNs | None = Field(None, alias="mttr", gt=0)


def fault_problems(fault: Fault) -> Iterator[tuple[str, str]]:
    """What is wrong with one: the key and a sentence."""
    if fault.every is None and not fault.what:
        yield "what", 'nothing is named: write what fails, as in what = "sat-0-0:sat-0-1", or every = "laser"'
    if fault.every is not None and fault.what:
        yield "every", "either what or every: what names things, every lets all of a kind fail at random"
    if fault.until_ns is not None and fault.until_ns <= fault.at_ns:
        yield (
            "until",
            f"it ends at {fault.until_ns / 1e9:g} s, not after it begins at {fault.at_ns / 1e9:g} s",
        )
    elif fault.until_ns is not None and fault.until_ns - fault.at_ns < LEAST_LASTING_NS:
        lasts_ms, least_ms = (fault.until_ns - fault.at_ns) / 1e6, LEAST_LASTING_NS / 1e6
        yield (
            "until",
            f"{lasts_ms:g} ms is shorter than links can follow: let it last {least_ms:g} ms or more",
        )
    if fault.every is None:
        for key, value in (("mtbf", fault.mtbf_ns), ("mttr", fault.mttr_ns)):
            if value is not None:
                yield key, f'{key} is of failures at random: add every = "laser", or remove it'
        return
    for key, value in (("mtbf", fault.mtbf_ns), ("mttr", fault.mttr_ns)):
        if value is None:
            yield key, f'the key {key!r} is missing: write a mean duration, as in {key} = "2 h"'
    for key, is_given in (
        ("rate", fault.rate_bps is not None),
        ("delay", fault.delay_ns > 0),
        ("loss", fault.loss_ratio is not None),
    ):
        if is_given:
            yield key, f"what fails at random fails: remove {key!r}, or name what it is of in 'what'"


def name_problem(what: str, stations: Sequence[str]) -> str | None:
    """What is surely wrong with a name before the satellites are known, in a sentence."""
    if what.startswith("region:"):
        try:
            region(what)
        except InputError as error:
            return error.message
    for end in what.removesuffix(ANTENNA).split(":"):
        if end.startswith("gw-") and not is_set(end) and end.removeprefix("gw-") not in stations:
            near = ", ".join(f"gw-{name}" for name in stations[:12])
            return f"there is no gateway {shown(end)}: {near or 'the scenario has no station'}"
    return None
