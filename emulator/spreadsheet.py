"""Cells of CSV that a spreadsheet and a terminal take for what they are: names, never formulas or commands.

Excel, LibreOffice and others compute a cell that begins with =, +, - or @, and ask no quotation marks
about it; one that begins with an apostrophe is text to them.  A name may come from a file of elements that
somebody else wrote.  Numbers stay as they are, with their signs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
# also after what parts cells where the list separator is a semicolon, and at the begin of a line
_FORMULA = re.compile(r"(^|[;\t\r\n])([ \t\u00a0]*)(?=[=+\-@\uff1d\uff0b\uff0d\uff20])")
# what moves a terminal's cursor, or turns the direction of writing; a tab and a new line do neither
_COMMAND = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def cell(value: Any) -> Any:
    """The value, or a text that no spreadsheet computes and no terminal obeys."""
    if not isinstance(value, str) or _NUMBER.fullmatch(value):
        return value
    # a carriage return alone is not quoted by the csv module, and would end the row
    text = _FORMULA.sub(r"\1\2'", value.replace("\r\n", "\n").replace("\r", "\n"))
    return _COMMAND.sub(lambda found: repr(found[0])[1:-1], text)


def row(values: Iterable[Any]) -> list[Any]:
    return [cell(value) for value in values]
