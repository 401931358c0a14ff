"""Opens the parts of a record one by one: what is wrong with one is said, and the others are read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

from ..errors import InputError
from ..reading import EVENTS, parse_json, read_text
from . import files, shape

T = TypeVar("T")

_NOT_UTF8 = "\N{REPLACEMENT CHARACTER}"  # what was written is ASCII


class Parts:
    """``notes``: a sentence for each part that is damaged, with what of the report lacks for it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.notes: list[str] = []

    def take(self, name: str, read: Callable[[Path], T], lacking: str) -> T | None:
        """What ``read`` makes of a part; None where there is none, or it is damaged."""
        path = self.folder / name
        if not os.path.lexists(path):
            return None
        try:
            return read(path)
        except FileNotFoundError:  # a link that leads nowhere
            self._note(path, "there is no such file", lacking)
        except InputError as error:
            self._note(path, error.message, lacking)
        return None

    def table(self, name: str, schema: pa.Schema, lacking: str) -> pa.Table | None:
        return self.take(name, lambda path: files.read_rows(path, schema), lacking)

    def lines(self, name: str, wanted: Any, lacking: str, *, is_whole: bool) -> list[dict[str, Any]]:
        """The objects of a file of JSON lines that are of a shape; ``is_whole``: its last line was ended."""
        text = self.take(name, lambda path: read_text(path, EVENTS, replace=True), lacking) or ""
        rows = [(number, row) for number, row in enumerate(text.split("\n"), 1) if row.strip()]
        found: list[dict[str, Any]] = []
        wrong: list[tuple[int, str]] = []
        for number, row in rows:
            value, why = _object(row, wanted)
            if value is not None:
                found.append(value)
            elif is_whole or text.endswith("\n") or number != rows[-1][0]:
                wrong.append((number, why))
        if wrong:
            (number, why), n = wrong[0], len(wrong)
            said = f"{n} of its {len(rows)} lines, the first line {number}: {why}"
            self._note(self.folder / name, said, lacking)
        return found

    def lack(self, name: str, lacking: str) -> None:
        """Note it, where a part is not there that should be."""
        if not os.path.lexists(self.folder / name):
            self.notes.append(f"{self.folder / name} is not there; {lacking}")

    def _note(self, path: Path, why: str, lacking: str) -> None:
        self.notes.append(f"{path} cannot be read ({why}); {lacking}")


def _object(row: str, wanted: Any) -> tuple[dict[str, Any] | None, str]:
    if _NOT_UTF8 in row:
        return None, "this is not UTF-8 text"
    try:
        value = parse_json(row, EVENTS)
    except InputError as error:
        return None, error.message
    wrong = shape.problem(value, wanted)
    return (value, "") if wrong is None else (None, wrong)
