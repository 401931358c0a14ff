"""A comparison as one HTML file: no script, nothing fetched, and nothing of a run is ever markup."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from .comparing import Comparison
from .rows import More
from .telling import COLUMNS, block_of, cells, is_same, method, notes
from .thresholds import Judged

MARKER = '<meta name="generator" content="orbitmesh compare">'
_STYLE = """
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 85rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0; display: block; overflow-x: auto }
th, td { padding: .25rem .75rem; border-bottom: 1px solid #8886; text-align: right; white-space: nowrap }
th:first-child, td:first-child { text-align: left }
.words th, .words td { text-align: left; white-space: normal; overflow-wrap: anywhere }
tr.yes { font-weight: 600 } tr.unknown { opacity: .7 }
li, p, h1, h2 { overflow-wrap: anywhere }
@media print { body { max-width: none } }
"""
# no source of anything but the style above
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def page(comparison: Comparison, judged: Sequence[Judged]) -> str:
    base = comparison.base
    title = f"{base.name} beside {', '.join(each.run.name for each in comparison.others)}"
    parts = [f"<h1>{escape(title)}</h1>", f"<p>Base: {escape(base.name)}</p>", _list(base.said)]
    for each in comparison.others:
        parts.append(f"<h2>{escape(each.run.name)}</h2>")
        if is_same(comparison, each):
            parts.append("<p>This is the base itself: nothing can differ.</p>")
        parts += [_list(each.run.said), f"<p>{escape(each.pairing)}; {escape(block_of(each))}.</p>"]
        parts.append(_head(COLUMNS))
        for row in each.rows:
            kind = {More.YES: "yes", More.NO: "no"}.get(row.more, "unknown")
            parts.append(_line(cells(row), kind))
        parts.append("</tbody></table>")
        parts.append(_list(notes(each)))
        if each.differences:
            parts.append("<h3>What differs in how they were set up</h3>")
            parts.append(_head(("", "base", "this run"), "words"))
            parts += [_line((one.what, one.base, one.other)) for one in each.differences]
            parts.append("</tbody></table>")
        else:
            parts.append("<p>They were set up alike.</p>")
    if judged:
        parts += ["<h2>Thresholds</h2>", _head(("fail if", "run", "row", "outcome"), "words")]
        parts += [_line((one.threshold, one.run, one.row.name, str(one.outcome))) for one in judged]
        parts.append("</tbody></table>")
    parts += ["<h2>How it was reckoned</h2>", _list(method(comparison))]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f"{MARKER}\n"
        f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>\n"
        + "\n".join(part for part in parts if part)
        + "\n</body></html>\n"
    )


def _head(columns: Iterable[str], kind: str = "") -> str:
    names = "".join(f'<th scope="col">{escape(name)}</th>' for name in columns)
    return f'<table class="{kind}"><thead><tr>{names}</tr></thead><tbody>'


def _line(texts: Iterable[str], kind: str = "") -> str:
    return f'<tr class="{kind}">' + "".join(f"<td>{escape(text)}</td>" for text in texts) + "</tr>"


def _list(sentences: Sequence[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(each)}</li>" for each in sentences) + "</ul>" if sentences else ""
