"""Which line of a TOML text a key stands on; ``tomllib`` does not say.

The text is known to be valid TOML (``tomllib`` has read it), so this only
walks over it: headers, keys, inline tables and arrays.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_left
from collections.abc import Mapping, Sequence

Location = tuple[str | int, ...]

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"""(?:"{0,2})'
    r"|'''.*?'''(?:'{0,2})"
    r'|"(?:\\.|[^"\\])*"'
    r"|'[^']*'",
    re.DOTALL,
)
_SCALAR = re.compile(r"[^\s,\]}#]+(?: [0-9][^\s,\]}#]*)?")  # the space: "1979-05-27 07:32:00Z" is one value


def key_lines(text: str) -> dict[Location, int]:
    """The line (from 1) of every table, key and array element of a valid TOML text."""
    return _Walker(text.replace("\r\n", "\n")).walk()


def line_of(lines: Mapping[Location, int], location: Sequence[str | int]) -> int | None:
    """The line of a key, or of the nearest table around it that is in the text; None for the whole file."""
    for length in range(len(location), 0, -1):
        line = lines.get(tuple(location[:length]))
        if line is not None:
            return line
    return None


def key_of(location: Sequence[str | int]) -> str:
    """A location as a reader of TOML would write it: ``ground.stations[2].name``."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


class _Walker:
    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.newlines = [match.start() for match in re.finditer("\n", text)]
        self.lines: dict[Location, int] = {}
        self.last_table: dict[Location, int] = {}  # index of the newest [[table]] of each array of tables

    def walk(self) -> dict[Location, int]:
        table: Location = ()
        self._skip(_BLANK)
        while self.at < len(self.text):
            if self.text[self.at] == "[":
                table = self._header()
            else:
                self._key_and_value(table)
            self._skip(_BLANK)
        return self.lines

    def _skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        if match is None:
            raise ValueError(f"not TOML at offset {self.at}")
        self.at = match.end()
        return match.group()

    def _note(self, location: Location, at: int) -> None:
        self.lines.setdefault(location, bisect_left(self.newlines, at) + 1)

    def _key(self) -> list[str]:
        parts = []
        while True:
            self._skip(_SPACE)
            if self.text[self.at] in "\"'":
                parts.append(str(tomllib.loads(f"k = {self._skip(_STRING)}")["k"]))
            else:
                parts.append(self._skip(_BARE_KEY))
            self._skip(_SPACE)
            if self.text[self.at] != ".":
                return parts
            self.at += 1

    def _header(self) -> Location:
        start = self.at
        is_array = self.text.startswith("[[", self.at)
        self.at += 2 if is_array else 1
        parts = self._key()
        self.at += 2 if is_array else 1
        location: Location = ()
        for i, part in enumerate(parts):
            location = (*location, part)
            if is_array and i == len(parts) - 1:
                self._note(location, start)
                index = self.last_table[location] = self.last_table.get(location, -1) + 1
                location = (*location, index)
            elif location in self.last_table:
                location = (*location, self.last_table[location])
        self._note(location, start)
        return location

    def _key_and_value(self, table: Location) -> None:
        start = self.at
        location = table
        for part in self._key():
            location = (*location, part)
            self._note(location, start)
        self.at += 1  # =
        self._skip(_SPACE)
        self._value(location)

    def _value(self, location: Location) -> None:
        opening = self.text[self.at]
        if opening in "\"'":
            self._skip(_STRING)
        elif opening == "[":
            self._members("]", location)
        elif opening == "{":
            self._members("}", location)
        else:
            self._skip(_SCALAR)

    def _members(self, closing: str, location: Location) -> None:
        self.at += 1
        count = 0
        self._skip(_BLANK)
        while self.text[self.at] != closing:
            if closing == "}":
                self._key_and_value(location)
            else:
                self._note((*location, count), self.at)
                self._value((*location, count))
            count += 1
            self._skip(_BLANK)
            if self.text[self.at] == ",":
                self.at += 1
                self._skip(_BLANK)
        self.at += 1
