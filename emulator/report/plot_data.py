"""Figures as data: what ``plots`` draws, and what the JSON of a report holds.  Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

Numbers = tuple[float | None, ...]
#: which look a line has; the same in every figure, and told apart without colour
Role = Literal["measured", "tail", "physical", "target", "other", "more"]


@dataclass(frozen=True)
class Line:
    name: str
    x: Numbers
    y: Numbers
    role: Role = "measured"


@dataclass(frozen=True)
class Span:
    """Something that lasted; ``end`` is where the axis ends for what never ended."""

    name: str
    begin: float
    end: float


@dataclass(frozen=True)
class Panel:
    """Lines over one axis.

    ``marks``: instants, at its foot; ``crosses``: others, at its top; ``levels``: bounds on the x axis.
    ``shape``: as lines, as steps, or as bars that are stacked.
    """

    title: str
    y_label: str
    lines: tuple[Line, ...]
    spans: tuple[Span, ...] = ()
    marks: Numbers = ()
    crosses: Numbers = ()
    levels: tuple[tuple[str, float], ...] = ()
    shape: Literal["lines", "steps", "bars"] = "lines"
    y_from_zero: bool = True


@dataclass(frozen=True)
class Lines:
    """Panels that share their x axis; ``columns`` of them stand beside each other."""

    kind: ClassVar[str] = "lines"
    x_label: str
    panels: tuple[Panel, ...]
    columns: int = 1
    x_log: bool = False
    x_range: tuple[float, float] | None = None
    span_name: str = "fault"
    mark_name: str = "handover"
    cross_name: str = "fault by chance"


@dataclass(frozen=True)
class Bars:
    """A bar for each category, of parts that add up; ``values[part][category]``."""

    kind: ClassVar[str] = "bars"
    x_label: str
    categories: tuple[str, ...]
    parts: tuple[str, ...]
    values: tuple[Numbers, ...]


@dataclass(frozen=True)
class Ranges:
    """For each category a value between two ends, and one beside it to compare with."""

    kind: ClassVar[str] = "ranges"
    x_label: str
    categories: tuple[str, ...]
    low: Numbers
    value: Numbers
    high: Numbers
    beside: Numbers
    names: tuple[str, str, str]  # of the value, of its range, of what stands beside
    x_range: tuple[float, float] | None = None


@dataclass(frozen=True)
class Place:
    name: str
    latitude_deg: float
    longitude_deg: float
    value: float | None


@dataclass(frozen=True)
class Map:
    kind: ClassVar[str] = "map"
    value_label: str
    places: tuple[Place, ...]


@dataclass(frozen=True)
class Matrix:
    """``values[row][column]``; None: not measured; ``no_way``: those cells at which there was no way."""

    kind: ClassVar[str] = "matrix"
    value_label: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: tuple[Numbers, ...]
    no_way: tuple[tuple[int, int], ...] = field(default=())


@dataclass(frozen=True)
class Timeline:
    """Spans in rows."""

    kind: ClassVar[str] = "timeline"
    x_label: str
    rows: tuple[str, ...]
    spans: tuple[tuple[Span, ...], ...]
    x_range: tuple[float, float]


Plot = Lines | Bars | Ranges | Map | Matrix | Timeline
