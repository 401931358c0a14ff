"""How what a user wrote is repeated in a message: cut, and with nothing that moves a terminal's cursor."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Any

MOST_SHOWN = 60  # characters


def shown(value: object, most: int = MOST_SHOWN) -> str:
    """As Python writes it, control characters escaped; at most ``most`` characters and an ellipsis."""
    if isinstance(value, str):
        return repr(value) if len(value) <= most else f"{value[:most]!r}…"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**most:
        return f"a whole number of {value.bit_length()} bits"  # Python refuses to write one of 4,300 digits
    if isinstance(value, list | tuple | dict):
        return _container(value, most)
    text = repr(value)
    return text if len(text) <= most else f"{text[:most]}…"


def _container(value: list[object] | tuple[object, ...] | dict[object, object], most: int) -> str:
    opening, closing = ("{", "}") if isinstance(value, dict) else ("[", "]")
    parts: list[str] = []
    for each in value:
        if sum(map(len, parts)) > most:
            parts.append("…")
            break
        # what is inside of a member is not shown: a list may be nested as deep as the file is long
        parts.append("[…]" if isinstance(each, list | tuple | dict) else shown(each, most))
    return f"{opening}{', '.join(parts)}{closing}"


def figure(value: float, digits: int = 3) -> str:
    """So many digits that count, without an exponent: 0.0000947, 1,240."""
    if not math.isfinite(value):
        return str(value)
    return f"{Decimal(f'{value:.{digits}g}'):,f}"


def rate_text(rate_bps: float, digits: int = 4) -> str:
    """In the unit that suits it: ``2.5 Gbit/s``."""
    for unit, factor in (("Tbit/s", 1e12), ("Gbit/s", 1e9), ("Mbit/s", 1e6), ("kbit/s", 1e3)):
        if rate_bps >= factor:
            return f"{rate_bps / factor:.{digits}g} {unit}"
    return f"{rate_bps:.{digits}g} bit/s"


def counted(n: int, noun: str) -> str:
    """``1 gateway``, ``1,584 satellites``."""
    if n == 1:
        return f"1 {noun}"
    return f"{n:,} {noun}{'es' if noun.endswith('s') else 's'}"


_LONG_WORD = re.compile(r"\S{401,}")


def sentence(text: str) -> str:
    """On one line; words of more than 400 characters (a path, something pasted) are cut in the middle."""
    words = _LONG_WORD.sub(lambda word: f"{word[0][:250]}…{word[0][-100:]}", " ".join(text.split()))
    return plain(words, len(words))


def plain(text: str, most: int = 200) -> str:
    """A text without quotes: what cannot be printed is escaped, and it is cut."""
    cut = text if len(text) <= most else f"{text[:most]}…"
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in cut)


def printable(value: Any) -> Any:
    """The same, with each text in it as ``plain`` has it, uncut; lines and tabs are escaped too."""
    if isinstance(value, str):
        return plain(value, len(value))
    if isinstance(value, dict):
        return {printable(key): printable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(printable(each) for each in value)
    return value


def printable_lines(text: str) -> str:
    """A text of several lines, in which all else that cannot be printed is escaped."""
    return "".join(c if c.isprintable() or c in "\n\t" else repr(c)[1:-1] for c in text)
