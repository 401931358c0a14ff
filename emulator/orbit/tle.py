"""Two-line element sets, with or without a name line before each.

Columns after https://celestrak.org/NORAD/documentation/tle-fmt.php; catalogue
numbers may be Alpha-5 (a letter for the first two digits).  The check is ours,
strict and in words; the reading of the fields is the sgp4 library's.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from sgp4.alpha5 import from_alpha5
from sgp4.api import Satrec

from ..errors import ElementsError
from .elements import ElementSet, range_problem
from .gravity import Gravity

LINE_LENGTH = 69


class _Field(NamedTuple):
    first: int  # columns as the format counts them: from 1, the last included
    last: int
    name: str
    pattern: str


_DECIMAL = r" *[+-]?\d*\.\d+ *"
_ANGLE = r" *\d{1,3}\.\d* *"
_POWER = r"[ +-][\d ]{4}\d[+-]\d"  # decimal point assumed: 28098-4 is 0.28098e-4
_NUMBER = _Field(3, 7, "catalogue number", r"[ 0-9A-HJ-NP-Z][ 0-9]{3}\d")
_FIELDS = {
    1: (
        _NUMBER,
        _Field(8, 8, "classification", r"[A-Z ]"),
        _Field(9, 9, "blank", " "),
        _Field(19, 20, "year of the epoch", r"\d\d"),
        _Field(21, 32, "day of the epoch", r"[ \d]{2}\d\.\d{8}"),
        _Field(33, 33, "blank", " "),
        _Field(34, 43, "first derivative of the mean motion", _DECIMAL),
        _Field(44, 44, "blank", " "),
        _Field(45, 52, "second derivative of the mean motion", _POWER),
        _Field(53, 53, "blank", " "),
        _Field(54, 61, "drag term B*", _POWER),
        _Field(62, 62, "blank", " "),
        _Field(63, 63, "ephemeris type", r"[\d ]"),
        _Field(64, 64, "blank", " "),
        _Field(65, 68, "element set number", r" *\d*"),
        _Field(69, 69, "checksum", r"\d"),
    ),
    2: (
        _NUMBER,
        _Field(8, 8, "blank", " "),
        _Field(9, 16, "inclination", _ANGLE),
        _Field(17, 17, "blank", " "),
        _Field(18, 25, "right ascension of the node", _ANGLE),
        _Field(26, 26, "blank", " "),
        _Field(27, 33, "eccentricity", r"\d{7}"),
        _Field(34, 34, "blank", " "),
        _Field(35, 42, "argument of perigee", _ANGLE),
        _Field(43, 43, "blank", " "),
        _Field(44, 51, "mean anomaly", _ANGLE),
        _Field(52, 52, "blank", " "),
        _Field(53, 63, "mean motion", r" *\d{1,2}\.\d{1,8}"),
        _Field(64, 68, "revolution number", r" *\d*"),
        _Field(69, 69, "checksum", r"\d"),
    ),
}


def read_tle(path: Path, gravity: Gravity) -> list[ElementSet]:
    """The element sets of a file, in its order.  ElementsError names file and line."""
    lines = _lines(path)
    found: list[ElementSet] = []
    label, label_line = "", 0
    at = 0
    while at < len(lines):
        number, text = lines[at]
        if not text.startswith("1 "):
            if text.startswith("2 ") and len(text) == LINE_LENGTH:
                raise ElementsError(
                    "this is line 2 of an element set with no line 1 before it: add that",
                    path=path,
                    line=number,
                )
            if label_line:
                raise ElementsError(
                    f"{_shown(text)} follows the name {label!r}: write its line 1, which begins with '1 '",
                    path=path,
                    line=number,
                )
            label, label_line = text.removeprefix("0 ").strip(), number
            at += 1
            continue
        _check(1, text, path, number)
        if at + 1 == len(lines) or not lines[at + 1][1].startswith("2 "):
            follows = "the end of the file" if at + 1 == len(lines) else _shown(lines[at + 1][1])
            raise ElementsError(
                f"this line 1 is followed by {follows}: write its line 2, which begins with '2 '",
                path=path,
                line=number if at + 1 == len(lines) else lines[at + 1][0],
            )
        second_number, second = lines[at + 1]
        _check(2, second, path, second_number)
        found.append(_element_set(text, second, label, path, number, gravity))
        label, label_line = "", 0
        at += 2
    if label_line:
        raise ElementsError(
            f"the name {label!r} is the end of the file: write its lines 1 and 2 after it",
            path=path,
            line=label_line,
        )
    if not found:
        raise ElementsError(
            "the file holds no element set: write one line 1 and one line 2 per satellite", path=path
        )
    return found


def checksum(line: str) -> int:
    """Sum of the digits of the first 68 columns, a minus counting 1, modulo 10."""
    return sum(int(c) if c.isdigit() else c == "-" for c in line[: LINE_LENGTH - 1]) % 10


def _lines(path: Path) -> list[tuple[int, str]]:
    """Numbered lines that are not empty."""
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise ElementsError(f"cannot read the file: {error.strerror}", path=path) from None
    return [(i, line.rstrip()) for i, line in enumerate(text.splitlines(), 1) if line.strip()]


def _check(which: int, text: str, path: Path, number: int) -> None:
    def error(message: str) -> ElementsError:
        return ElementsError(message, path=path, line=number)

    if len(text) != LINE_LENGTH:
        raise error(
            f"this line {which} has {len(text)} characters: it must have {LINE_LENGTH}, so copy it again"
        )
    for field in _FIELDS[which]:
        value = text[field.first - 1 : field.last]
        if re.fullmatch(field.pattern, value, re.ASCII) is None:
            columns = (
                f"column {field.first} holds"
                if field.first == field.last
                else (f"columns {field.first} to {field.last} hold")
            )
            wrong = "where a blank belongs" if field.name == "blank" else f"which is no {field.name}"
            raise error(f"{columns} {value!r}, {wrong}: copy the line again")
    computed = checksum(text)
    if computed != int(text[-1]):
        raise error(
            f"the checksum, column {LINE_LENGTH}, is {text[-1]}, and the line gives {computed}: copy it again"
        )


def _element_set(
    first: str, second: str, label: str, path: Path, number: int, gravity: Gravity
) -> ElementSet:
    if first[2:7] != second[2:7]:
        raise ElementsError(
            f"line 2 is of satellite {second[2:7].strip()}, and line 1 of {first[2:7].strip()}: pair them up",
            path=path,
            line=number + 1,
        )
    day = float(first[20:32])
    if not 1 <= day < 367:
        raise ElementsError(
            f"the day of the epoch is {day:g}: it must be at least 1 and below 367", path=path, line=number
        )
    problem = range_problem(
        inclination_deg=float(second[8:16]),
        raan_deg=float(second[17:25]),
        eccentricity=float(f"0.{second[26:33]}"),
        perigee_deg=float(second[34:42]),
        anomaly_deg=float(second[43:51]),
        mean_motion_rev_per_day=float(second[52:63]),
    )
    if problem is not None:
        raise ElementsError(f"{problem}; correct it", path=path, line=number + 1)
    return ElementSet(
        satrec=Satrec.twoline2rv(first, second, gravity.sgp4_code),
        catalog=from_alpha5(first[2:7].strip()),
        label=label,
        path=path,
        line=number,
    )


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:37]}...")
