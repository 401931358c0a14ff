"""``--fail-if "p99 +10 %"``: how far a figure may go, and whether it did.  Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ..errors import InputError
from ..numbers import real
from ..scenario.units import DURATION_NS
from ..shown import shown
from ..suggest import suggest
from .rows import MACHINE, More, Row

_AMOUNT = r"(?P<sign>\+-|±|[+-])\s*(?P<number>[\d.]{1,32})\s*(?P<unit>[^\s\d.]{1,8})"
_FORM = re.compile(rf"(?P<words>.*?)\s*{_AMOUNT}\s*")
_HOW = 'write what and how far, as in "p99 +10 %", "udp p50 +2 ms", "lost +0.1 %" or "availability -1 %"'


class Outcome(StrEnum):
    WITHIN = "within"
    BEYOND = "beyond"
    NOT_KNOWN = "not known"


@dataclass(frozen=True)
class Threshold:
    """``up``, ``down``: which way is too far.  ``ratio``: of the base's value, or of a share in points."""

    text: str
    words: tuple[str, ...]
    up: bool
    down: bool
    amount: float
    unit: str  # ratio, ns

    def matches(self, row: Row) -> bool:
        """All its words are the row's; what is the machine's own is meant only where it is named."""
        named = row.figure in self.words or row.figure != MACHINE
        return named and {*self.words} <= {row.figure, row.of, row.at, row.where}


@dataclass(frozen=True)
class Judged:
    """``run``: against which the base stands."""

    threshold: str
    run: str
    row: Row
    outcome: Outcome

    def to_dict(self) -> dict[str, Any]:
        told = {"fail_if": self.threshold, "run": self.run, "row": self.row.name}
        return told | {"outcome": str(self.outcome)}


def threshold(text: str) -> Threshold:
    """InputError in words."""
    match = _FORM.fullmatch(text) if len(text) <= 200 else None
    if match is None:
        raise InputError(f"{shown(text)} is no threshold: {_HOW}", key="--fail-if")
    words = tuple(match["words"].split())
    if not words:
        raise InputError(f"{shown(text)} names no figure: {_HOW}", key="--fail-if")
    try:
        number = real(match["number"])
    except ValueError as error:
        raise InputError(f"{error}: {_HOW}", key="--fail-if") from None
    sign, unit = match["sign"], match["unit"]
    if unit == "%":
        amount, kind = number / 100, "ratio"
    elif unit in DURATION_NS:
        amount, kind = number * DURATION_NS[unit], "ns"
    else:
        raise InputError(
            f"{shown(text)} has the unit {shown(unit)}: write one of %, {', '.join(DURATION_NS)}",
            key="--fail-if",
        )
    return Threshold(text, words, sign != "-", sign != "+", amount, kind)


def check_words(thresholds: Iterable[Threshold], rows: Sequence[Row]) -> None:
    """InputError for one that no row answers to: a name misspelt would be within for ever."""
    known = list(
        dict.fromkeys(word for row in rows for word in (row.figure, row.of, row.at, row.where) if word)
    )
    for each in thresholds:
        for word in each.words:
            if word not in known:
                raise InputError(
                    f"{shown(each.text)}: no row is of {shown(word)}: {suggest(word, known, 'rows are of')}",
                    key="--fail-if",
                )
        matching = [row for row in rows if each.matches(row)]
        if not matching:
            raise InputError(
                f"{shown(each.text)}: no row is of all of {', '.join(each.words)} at once", key="--fail-if"
            )
        if each.unit == "ns" and all(row.unit != "ns" for row in matching):
            raise InputError(
                f"{shown(each.text)}: a share or a number an hour has no duration: write %", key="--fail-if"
            )


def outcome(each: Threshold, row: Row) -> Outcome:
    """Beyond: the difference is, and is more than noise.  Not known: beyond cannot be excluded."""
    if row.difference is None:
        return Outcome.NOT_KNOWN
    scale = 1.0
    if each.unit == "ratio" and row.unit != "ratio":
        if not row.base:
            return Outcome.NOT_KNOWN
        scale = abs(row.base)

    def is_beyond(difference: float) -> bool:
        part = difference / scale
        return (each.up and part > each.amount) or (each.down and -part > each.amount)

    if row.more is More.YES and is_beyond(row.difference):
        return Outcome.BEYOND
    if row.more is More.NOT_KNOWN or row.low is None or row.high is None:
        known = row.more is More.NO or (row.more is More.YES and not is_beyond(row.difference))
        return Outcome.WITHIN if known else Outcome.NOT_KNOWN
    return Outcome.NOT_KNOWN if is_beyond(row.low) or is_beyond(row.high) else Outcome.WITHIN


def judge(thresholds: Sequence[Threshold], run: str, rows: Sequence[Row]) -> list[Judged]:
    """Of one run against the base, each threshold on each row that it is of."""
    return [
        Judged(each.text, run, row, outcome(each, row))
        for each in thresholds
        for row in rows
        if each.matches(row) and not (each.unit == "ns" and row.unit != "ns")
    ]
