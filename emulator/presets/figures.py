"""A figure with its origin, and a preset of them.

A figure says its value and unit, where and when it was stated, of what kind it
is, and how low and how high it may be.  What a scenario gives in its place is
of the kind "own".
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, get_args

from ..errors import InputError
from ..shown import plain, shown
from .units import base_of

Family = Literal["platform", "accelerator", "model", "target", "terminal", "cost", "routing"]
FAMILIES: tuple[Family, ...] = get_args(Family)
#: published: somebody stated it of the real thing; estimated: somebody's guess, its reasons in the source;
#: calibrated: chosen so that a formula meets published figures of whole systems
Kind = Literal["published", "estimated", "calibrated", "own"]
KINDS = ("published", "estimated", "calibrated")  # own: only in a scenario

_QUANTITY = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?)\s*(\S*)\s*")
_MOST_CHARACTERS = 60


@dataclass(frozen=True)
class Figure:
    value: float
    unit: str
    source: str
    date: str  # year, year-month or year-month-day
    kind: Kind
    low: float
    high: float

    def in_unit(self, unit: str) -> float:
        """The value in another unit of the same kind; ValueError for one of another."""
        ours, theirs = base_of(self.unit), base_of(unit)
        if ours[0] != theirs[0]:
            raise ValueError(f"a figure in {self.unit} is not one in {unit}")
        # one unit: as it stands, with nothing that rounds
        return self.value if self.unit == unit else self.value * ours[1] / theirs[1]

    def own(self, value: object) -> Figure:
        """What a scenario gives in its place: "130 kW", or a number where the unit is 1; else ValueError."""
        number, unit = _parted(value, self.unit)
        if base_of(unit)[0] != base_of(self.unit)[0]:
            raise ValueError(
                f"{shown(value)} is not in {self.unit}: write it as in '{self.value:g} {self.unit}'"
            )
        return Figure(number, unit, "the scenario", "", "own", number, number)


@dataclass(frozen=True)
class Preset:
    name: str
    family: Family
    title: str
    note: str  # what to know before one trusts it; may be empty
    figures: Mapping[str, Figure]

    def figure(self, name: str) -> Figure:
        """InputError where it has none of that name."""
        try:
            return self.figures[name]
        except KeyError:
            near = difflib.get_close_matches(name[:_MOST_CHARACTERS], self.figures, 1)
            meant = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(self.figures)}"
            raise InputError(
                f"the {self.family} preset {self.name!r} has no figure {shown(name)}: {meant}"
            ) from None

    def value(self, name: str, unit: str) -> float:
        """A figure's value in a unit; InputError where it has none of that name, or one in another kind."""
        figure = self.figure(name)
        try:
            return figure.in_unit(unit)
        except ValueError as error:
            raise InputError(f"the {self.family} preset {self.name!r}, {plain(name)}: {error}") from None

    def with_own(self, values: Mapping[str, object]) -> Preset:
        """With these in the place of its own; InputError names the key that is wrong."""
        figures = dict(self.figures)
        for name, value in values.items():
            try:
                figures[name] = self.figure(name).own(value)
            except ValueError as error:
                raise InputError(str(error), key=plain(name)) from None
        return replace(self, figures=figures)


def _parted(value: object, unit: str) -> tuple[float, str]:
    """Number and unit of what a user wrote; ValueError in words."""
    example = f"{unit}" if unit != "1" else ""
    how = f"write a number and a unit, as in '10 {example}'" if example else "write a number"
    number, written = value, ""
    if isinstance(value, str) and len(value) <= _MOST_CHARACTERS:
        match = _QUANTITY.fullmatch(value)
        if match is None:
            raise ValueError(f"{shown(value)} is not a quantity: {how}")
        number, written = float(match[1]), match[2]
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise ValueError(f"{shown(value)} is not a quantity: {how}")
    if not written and unit != "1":
        raise ValueError(f"{shown(value)} has no unit: {how}")
    try:
        held = float(number)
    except OverflowError:
        held = math.inf
    if not math.isfinite(held):
        raise ValueError(f"{shown(value)} is not a finite number: {how}")
    return held, written or "1"
