"""What a report says, before it is a page: sections of facts, tables, sentences, and figures as data.  Pure.

All renderers take the same document, so that a number is the same in each.  Texts are plain texts: who
renders them escapes them.  What is to be typed is marked by ``code``; nothing of a record can be, since
the marks are no printable characters.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

from .plot_data import Plot

Level = Literal["text", "good", "note", "doubt"]


_CODE = re.compile("\ue000([^\ue000\ue001]*)\ue001")


def code(typed: str) -> str:
    """In a text of our own: a command, a file, whatever is typed as it stands."""
    return f"\ue000{typed}\ue001"


def rendered(text: str, plainly: Callable[[str], str], as_code: Callable[[str], str]) -> str:
    """The parts of a text, each as a renderer writes its kind."""
    parts = _CODE.split(text)
    return "".join((as_code if i % 2 else plainly)(part) for i, part in enumerate(parts))


@dataclass(frozen=True)
class Value:
    """A number as it is, in ``unit`` ("" : a count or a share), and as it is written."""

    value: int | float
    unit: str
    text: str


Cell = Value | str  # "" : nothing to say here


@dataclass(frozen=True)
class Sentences:
    texts: tuple[str, ...]
    level: Level = "text"
    title: str = ""


@dataclass(frozen=True)
class Facts:
    """Rows of a name and what belongs to it."""

    rows: tuple[tuple[str, tuple[Cell, ...]], ...]


@dataclass(frozen=True)
class Table:
    """``about``: what it shows, over what; ``left_out``: which rows are not in it, in a sentence."""

    id: str
    title: str
    about: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    left_out: str = ""

    def without_last_if_empty(self) -> Table:
        """A column of remarks where nothing is to be remarked."""
        if any(row[-1] for row in self.rows):
            return self
        rows = tuple(row[:-1] for row in self.rows)
        return replace(self, columns=self.columns[:-1], rows=rows)


@dataclass(frozen=True)
class Figure:
    """``shows`` and ``over`` are for its caption; ``samples``: how many values of what it was made from."""

    id: str
    title: str
    shows: str
    over: str
    samples: Value
    of: str
    plot: Plot = field(repr=False)


@dataclass(frozen=True)
class Absent:
    """What the record does not hold, and why."""

    what: str
    why: str


Block = Sentences | Facts | Table | Figure | Absent


@dataclass(frozen=True)
class Section:
    id: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Headline:
    """What a reader in a hurry takes along: a title, a large figure or word, a line of context."""

    title: str
    value: Cell
    context: str
    level: Level = "text"


@dataclass(frozen=True)
class Document:
    title: str
    subtitle: str
    run_id: str
    version: str  # of the orbitmesh that made the report
    introduction: str
    headlines: tuple[Headline, ...]
    sections: tuple[Section, ...]

    def figures(self) -> Iterator[Figure]:
        for section in self.sections:
            yield from (block for block in section.blocks if isinstance(block, Figure))
