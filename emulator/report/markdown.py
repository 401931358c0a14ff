"""A report as Markdown: the same sentences and tables; of a figure its caption, and where it can be had."""

from __future__ import annotations

import re

from .document import Absent, Block, Cell, Document, Facts, Figure, Sentences, Table, code, rendered
from .values import is_glued, written

MARKER = "<!-- orbitmesh report -->"
# what is markup anywhere, or made a link by itself; and what is at the beginning alone
_SPECIAL = re.compile(r"([\\`*_\[\]<>|~&$^@]|:(?=//)|(?<=www)\.|^[#+=-])", re.IGNORECASE)
_NUMBERED = re.compile(r"^(\d{1,9})([.)])(?=\s|$)")  # an item of a list
_LEVELS = {"good": "✓ ", "note": "▲ ", "doubt": "✗ ", "text": ""}


def to_markdown(document: Document) -> str:
    lines = [
        MARKER,
        f"# {_esc(document.title)}",
        "",
        _esc(document.subtitle),
        "",
        f"Run {_esc(document.run_id)}",
        "",
        _esc(document.introduction),
        "",
    ]
    lines += [
        f"- **{_esc(head.title)}:** {_LEVELS[head.level]}{_cell(head.value)} – {_esc(head.context)}"
        for head in document.headlines
    ]
    number = 0
    for section in document.sections:
        lines += ["", f"## {_esc(section.title)}"]
        for block in section.blocks:
            number += isinstance(block, Figure)
            lines += ["", *_block(block, number)]
    lines += [
        "",
        f"Made by orbitmesh {_esc(document.version)}. The figures: "
        f"{_esc(code('orbitmesh report RUN --html FILE'))}.",
    ]
    return "\n".join(lines) + "\n"


def _block(block: Block, number: int) -> list[str]:
    match block:
        case Sentences():
            title = [f"**{_LEVELS[block.level]}{_esc(block.title)}**", ""] if block.title else []
            return title + [f"- {_esc(text)}" for text in block.texts]
        case Facts():
            rows = [(name, _joined(cells)) for name, cells in block.rows]
            return ["| | |", "|---|---|", *(f"| {_esc(name)} | {_esc(said)} |" for name, said in rows)]
        case Table():
            return _table(block)
        case Figure():
            return [
                f"*Figure {number}. {_esc(block.title)}.* {_esc(block.shows)} Over {_esc(block.over)}; "
                f"n = {_cell(block.samples)} {_esc(block.of)}. (Drawn in the HTML, its data in the JSON.)"
            ]
        case Absent():
            return [f"Not in this record: {_esc(block.what)} – {_esc(block.why)}."]


def _joined(cells: tuple[Cell, ...]) -> str:
    return "".join((written(cell) if is_glued(cell) else f" {written(cell)}") for cell in cells).strip()


def _table(block: Table) -> list[str]:
    lines = [f"### {_esc(block.title)}", "", _esc(block.about), ""] if block.title else []
    lines += [_row(block.columns), "|" + "---|" * len(block.columns), *map(_row, block.rows)]
    return [*lines, "", _esc(block.left_out)] if block.left_out else lines


def _row(cells: tuple[Cell, ...]) -> str:
    return "| " + " | ".join(map(_cell, cells)) + " |"


def _cell(cell: Cell) -> str:
    return _esc(written(cell))


def _esc(text: str) -> str:
    return rendered(text, _plainly, lambda typed: f"`{typed}`")


def _plainly(text: str) -> str:
    return _NUMBERED.sub(r"\1\\\2", _SPECIAL.sub(r"\\\1", text))
