"""A report as a page of one file: no script, nothing from elsewhere, and a policy that holds browsers to it.

The page is HTML and well-formed XML at once.  Whatever comes from a record passes ``_esc``.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from html import escape
from importlib.resources import files

from ..shown import counted
from .document import (
    Absent,
    Block,
    Cell,
    Document,
    Facts,
    Figure,
    Headline,
    Sentences,
    Table,
    Value,
    code,
    rendered,
)  # fmt: skip
from .plot_data import Plot
from .values import NOTHING, is_glued

MARKER = '<meta name="generator" content="orbitmesh report"/>'
_GLYPHS = {"good": "✓ ", "note": "▲ ", "doubt": "✗ ", "text": ""}
# characters: a column of sentences gets room, a name is not broken
_WORDY, _SHORT = 60, 28
#: how a figure is drawn: its data, a name for ids, and what it shows
Draw = Callable[[Plot, str, str], str]


def to_html(document: Document, draw: Draw) -> str:
    style = files(__package__ or __name__).joinpath("page.css").read_text(encoding="utf-8")
    held = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{held}'; base-uri 'none'; form-action 'none'"
    number = {figure.id: n for n, figure in enumerate(document.figures(), 1)}
    body = [_header(document), _contents(document), "<main>"]
    body += [
        '<section class="heads" aria-label="In short">',
        *map(_headline, document.headlines),
        "</section>",
    ]
    for section in document.sections:
        body.append(f'<section id="{_esc(section.id)}"><h2>{_esc(section.title)}</h2>')
        body += [_block(block, number, draw) for block in section.blocks]
        body.append("</section>")
    body += ["</main>", _footer(document, len(number))]
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en" xmlns="http://www.w3.org/1999/xhtml">',
            '<head><meta charset="utf-8"/>',
            f'<meta http-equiv="Content-Security-Policy" content="{_esc(policy)}"/>',
            MARKER,
            '<meta name="viewport" content="width=device-width, initial-scale=1"/>',
            '<meta name="referrer" content="no-referrer"/>',
            f"<title>{_esc(document.title)}</title>",
            f"<style>{style}</style></head>",
            "<body>",
            *body,
            "</body></html>\n",
        ]
    )


def _esc(text: str) -> str:
    return rendered(text, escape, lambda typed: f"<code>{escape(typed)}</code>")


def _header(document: Document) -> str:
    return (
        f'<header><h1>{_esc(document.title)}</h1><p class="subtitle">{_esc(document.subtitle)}</p>'
        f'<p class="run">Run {_esc(document.run_id)}</p>'
        f'<p class="intro">{_esc(document.introduction)}</p></header>'
    )


def _contents(document: Document) -> str:
    links = "".join(
        f'<li><a href="#{_esc(each.id)}">{_esc(each.title)}</a></li>' for each in document.sections
    )
    return f'<nav aria-label="Contents"><ol>{links}</ol></nav>'


def _footer(document: Document, n_figures: int) -> str:
    return (
        f"<footer><p>Made by orbitmesh {_esc(document.version)} from the record of the run "
        f"{_esc(document.run_id)}; "
        f"{counted(n_figures, 'figure')}. All numbers, and the data of each figure: "
        f"{_esc(code('orbitmesh report RUN --json FILE'))}.</p></footer>"
    )


def _headline(head: Headline) -> str:
    return (
        f'<div class="head {head.level}"><h3>{_esc(head.title)}</h3>'
        f'<p class="big">{_GLYPHS[head.level]}{_cell(head.value)}</p><p>{_esc(head.context)}</p></div>'
    )


def _block(block: Block, number: dict[str, int], draw: Draw) -> str:
    match block:
        case Sentences():
            return _sentences(block)
        case Facts():
            return _facts(block)
        case Table():
            return _table(block)
        case Figure():
            return _figure(block, number[block.id], draw)
        case Absent():
            return f'<p class="absent">Not in this record: {_esc(block.what)} – {_esc(block.why)}.</p>'


def _sentences(block: Sentences) -> str:
    title = f"<h3>{_GLYPHS[block.level]}{_esc(block.title)}</h3>" if block.title else ""
    if len(block.texts) == 1 and not block.title:
        said = f"<p>{_GLYPHS[block.level]}{_esc(block.texts[0])}</p>"
    elif block.title:
        said = "<ul>" + "".join(f"<li>{_esc(text)}</li>" for text in block.texts) + "</ul>"
    else:
        first, *others = block.texts
        said = f"<p><strong>{_GLYPHS[block.level]}</strong>{_esc(first)}</p>" + "".join(
            f"<p>{_esc(text)}</p>" for text in others
        )
    return f'<div class="said {block.level}">{title}{said}</div>'


def _facts(block: Facts) -> str:
    rows = "".join(
        f'<tr><th scope="row">{_esc(name)}</th><td>{_joined(cells)}</td></tr>' for name, cells in block.rows
    )
    return f'<table class="facts"><tbody>{rows}</tbody></table>'


def _table(block: Table) -> str:
    kinds = [_kind_of([row[i] for row in block.rows]) for i in range(len(block.columns))]
    head = "".join(
        f'<th scope="col"{kind}>{_esc(name)}</th>' for name, kind in zip(block.columns, kinds, strict=True)
    )
    rows = "".join(
        "<tr>"
        + "".join(f"<td{kind}>{_cell(cell)}</td>" for cell, kind in zip(row, kinds, strict=True))
        + "</tr>"
        for row in block.rows
    )
    left = f'<p class="left">{_esc(block.left_out)}</p>' if block.left_out else ""
    return (
        f'<h3 id="table-{_esc(block.id)}">{_esc(block.title)}</h3><p class="about">{_esc(block.about)}</p>'
        f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>{left}'
    )


def _kind_of(cells: list[Cell]) -> str:
    if any(isinstance(cell, Value) for cell in cells) or (cells and all(cell == NOTHING for cell in cells)):
        return ' class="n"'
    longest = max((len(cell) for cell in cells if isinstance(cell, str)), default=0)
    return ' class="w"' if longest > _WORDY else ' class="s"' if longest <= _SHORT else ' class="t"'


def _figure(block: Figure, number: int, draw: Draw) -> str:
    drawn = draw(block.plot, f"f{number}", f"{block.title}. {block.shows}")
    return (
        f'<figure id="figure-{_esc(block.id)}"><div class="wide">{drawn}</div>'
        f"<figcaption><strong>Figure {number}. {_esc(block.title)}.</strong> {_esc(block.shows)} "
        f"Over {_esc(block.over)}; n = {_cell(block.samples)} {_esc(block.of)}.</figcaption></figure>"
    )


def _cell(cell: Cell) -> str:
    if isinstance(cell, Value):
        return f'<data value="{cell.value!r}">{_esc(cell.text)}</data>'
    return _esc(cell)


def _joined(cells: tuple[Cell, ...]) -> str:
    text = ""
    for cell in cells:
        text += ("" if not text or is_glued(cell) else " ") + _cell(cell)
    return text
