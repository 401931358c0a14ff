"""Two-line element sets, with or without a name line before each.

Columns after https://celestrak.org/NORAD/documentation/tle-fmt.php; catalogue
numbers may be Alpha-5 (a letter for the first two digits).  The check is ours,
strict and in words; the reading of the fields is the sgp4 library's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from sgp4.alpha5 import from_alpha5
from sgp4.api import Satrec

from ..errors import ElementsError
from ..reading import ELEMENTS, read_text
from ..shown import plain, shown
from .elements import ElementSet, range_problem, theory_problem
from .gravity import Gravity

LINE_LENGTH = 69
_MOST_OF_NAME = 30  # characters; the format has 24


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
        if not text.startswith("1 ") or _is_name(lines[at : at + 3]):
            if text.startswith("2 ") and len(text) == LINE_LENGTH:
                raise ElementsError(
                    "this is line 2 of an element set with no line 1 before it: add that",
                    path=path,
                    line=number,
                )
            if label_line:
                raise ElementsError(
                    f"{_shown(text)} follows the name {_shown(label)}: "
                    "write its line 1, which begins with '1 '",
                    path=path,
                    line=number,
                )
            label, label_line = plain(text.removeprefix("0 ").strip(), 60), number
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
        if len(text) != len(second):  # one character lost shifts no column that is looked at
            short, where = (text, number) if len(text) < len(second) else (second, second_number)
            raise ElementsError(
                f"this line {short[0]} has {len(short)} characters, and the other of its set has "
                f"{LINE_LENGTH}: copy it again",
                path=path,
                line=where,
            )
        found.append(_element_set(text, second, label, path, number, gravity))
        label, label_line = "", 0
        at += 2
    if label_line:
        raise ElementsError(
            f"the name {shown(label)} is the end of the file: write its lines 1 and 2 after it",
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
        text = read_text(path, ELEMENTS, utf16=True, replace=True)
    except FileNotFoundError:
        raise ElementsError("cannot read the file: No such file or directory", path=path) from None
    numbered = enumerate(re.split("\r\n|\r|\n", text), 1)
    return [(i, _without_remarks(line.rstrip())) for i, line in numbered if line.strip()]


def _without_remarks(line: str) -> str:
    """What stands behind column 69 and a blank belongs to other programs (the verification set has times)."""
    is_set = line.startswith(("1 ", "2 ")) and line[LINE_LENGTH : LINE_LENGTH + 1].isspace()
    return line[:LINE_LENGTH].rstrip() if is_set else line


def _is_name(lines: Sequence[tuple[int, str]]) -> bool:
    """Whether a short line that begins as a line 1 ("1 KUNS") is a name: lines 1 and 2 follow it."""
    return (
        len(lines) == 3
        and len(lines[0][1]) <= _MOST_OF_NAME
        and lines[1][1].startswith("1 ")
        and lines[2][1].startswith("2 ")
    )


def _check(which: int, text: str, path: Path, number: int) -> None:
    def error(message: str) -> ElementsError:
        return ElementsError(message, path=path, line=number)

    if len(text) not in (LINE_LENGTH, LINE_LENGTH - 1):
        raise error(
            f"this line {which} has {len(text)} characters: it must have {LINE_LENGTH} "
            f"({LINE_LENGTH - 1} without its checksum), so copy it again"
        )
    for field in _FIELDS[which]:
        if field.last > len(text):
            return  # some programs leave the checksum out
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
    problem = theory_problem(first[62].strip())
    if problem is not None:
        raise ElementsError(problem, path=path, line=number)
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
        satrec=Satrec.twoline2rv(*map(_with_checksum, (first, second)), gravity.sgp4_code),
        catalog=from_alpha5(first[2:7].strip()),
        label=label,
        path=path,
        line=number,
    )


def _with_checksum(line: str) -> str:
    return line if len(line) == LINE_LENGTH else f"{line}{checksum(line)}"


def _shown(text: str) -> str:
    return shown(text, 40)
