"""A report as JSON: the same sections, numbers as they are and as they are written, figures as their data."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from typing import Any

from .document import Document, Value, rendered
from .plot_data import Plot

FORMAT = 1
MARKER = "orbitmesh_report"


def to_json(document: Document) -> str:
    return (
        json.dumps({MARKER: FORMAT} | _plain(document), indent=1, allow_nan=False, ensure_ascii=True) + "\n"
    )


def _plain(value: Any) -> Any:
    if isinstance(value, Value):
        return {"value": value.value, "unit": value.unit, "shown": value.text}
    if is_dataclass(value) and not isinstance(value, type):
        kind = {"kind": _kind(value)} if _has_kind(value) else {}
        return kind | {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return rendered(value, str, str) if isinstance(value, str) else value


def _kind(value: Any) -> str:
    return str(getattr(value, "kind", type(value).__name__.lower()))


def _has_kind(value: Any) -> bool:
    return isinstance(value, Plot) or type(value).__name__ in (
        "Sentences",
        "Facts",
        "Table",
        "Figure",
        "Absent",
    )
