"""What tests ask of a document."""

from __future__ import annotations

from typing import Any

from orbitmesh.emulator.report.document import Absent, Document, Figure, Section, Table, Value
from orbitmesh.emulator.report.html import to_html


def section(document: Document, name: str) -> Section:
    return next(each for each in document.sections if each.id == name)


def table(document: Document, name: str) -> Table:
    return next(b for s in document.sections for b in s.blocks if isinstance(b, Table) and b.id == name)


def figure(document: Document, name: str) -> Figure:
    return next(each for each in document.figures() if each.id == name)


def absent(document: Document) -> str:
    blocks = (b for s in document.sections for b in s.blocks if isinstance(b, Absent))
    return "\n".join(f"{b.what}: {b.why}" for b in blocks)


def undrawn(document: Document) -> str:
    """The page without its figures: drawing them takes most of the time."""
    return to_html(document, lambda plot, name, label: "<svg/>")


def numbers_of(row: tuple[Any, ...]) -> list[Any]:
    return [cell.value if isinstance(cell, Value) else cell for cell in row]
