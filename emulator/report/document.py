"""What a report says, before it is a page: sections of facts, tables, sentences, and figures as data.  Pure.

All renderers take the same document, so that a number is the same in each.  Texts are plain texts: who
renders them escapes them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from .plot_data import Plot

Level = Literal["text", "good", "note", "doubt"]


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
