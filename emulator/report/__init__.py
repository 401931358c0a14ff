"""A report of a run for who never saw the tool: HTML of one file, Markdown, JSON, of the same sections."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from .document import Document

__all__ = ["Document", "report_of", "written"]


def report_of(run: Path | str) -> Document:
    """Of a run's folder, as far as it can be read; InputError where there is nothing of a run."""
    from .gather import document
    from .source import read

    return document(read(run))


def written(document: Document, form: Literal["html", "markdown", "json"] | str) -> str:
    """As a text; HostError for HTML where matplotlib is not installed."""
    if form == "markdown":
        from .markdown import to_markdown

        return to_markdown(document)
    if form == "json":
        from .as_json import to_json

        return to_json(document)
    from .html import to_html
    from .plots import draw

    return to_html(document, draw)
