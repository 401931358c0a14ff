"""Numbers that people and other programs write: the one place where a text becomes one.

The length is bounded before Python reads the digits (it refuses 4,300 of
them, and takes quadratic time below that), and what is no finite number is
refused.
"""

from __future__ import annotations

import math
import re

from .shown import shown

MOST_CHARACTERS = 64  # of one number; a float64 has 17 digits that matter
LARGEST_WHOLE = 2**63 - 1  # what an int64 column holds

_REAL = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)


def real(text: str) -> float:
    """A finite number; ValueError in words."""
    return float(_checked(text, _REAL, "a number"))


def whole(text: str) -> int:
    """A whole number that an int64 holds; ValueError in words."""
    value = int(_checked(text, _WHOLE, "a whole number"))
    if abs(value) > LARGEST_WHOLE:
        raise ValueError(f"{shown(text)} is too large a number: write one below 2^63")
    return value


def _checked(text: str, form: re.Pattern[str], what: str) -> str:
    stripped = text.strip()
    if len(stripped) > MOST_CHARACTERS:
        raise ValueError(
            f"{shown(text)} has {len(stripped)} characters: write {what} of at most {MOST_CHARACTERS}"
        )
    if form.fullmatch(stripped) is None:
        raise ValueError(f"{shown(text)} is not {what}")
    if not math.isfinite(float(stripped)):
        raise ValueError(f"{shown(text)} is too large a number: write one that a machine can hold")
    return stripped
