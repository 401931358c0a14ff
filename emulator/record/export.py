"""The results of a run for programs: JSON and CSV."""

from __future__ import annotations

import csv
import io
import json

from .. import spreadsheet
from .results import RunResults

_FIGURES = {
    "measured": ("p50_ns", "p90_ns", "p99_ns", "min_ns", "max_ns"),
    "physical": ("p50_ns", "p90_ns", "p99_ns", "min_ns", "max_ns"),
    "remainder": ("p50_ns", "p90_ns", "p99_ns", "min_ns", "max_ns"),
}


def to_json(results: RunResults) -> str:
    """The summary, with ``finished`` and ``notes``."""
    value = results.summary | {"finished": results.is_finished, "notes": list(results.notes)}
    return json.dumps(value, indent=2, allow_nan=False)


def to_csv(results: RunResults) -> str:
    """One row per gateway and kind; empty fields where nothing was measured."""
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    figures = [(what, name) for what, names in _FIGURES.items() for name in names]
    out.writerow(["gateway", "kind", "satellites", "samples", "lost", *(f"{a}_{b}" for a, b in figures)])
    for gateway in results.summary["gateways"]:
        for kind, values in gateway["kinds"].items():
            row = [(values[what] or {}).get(name) for what, name in figures]
            counts = (gateway["satellites"], values["samples"], values["lost"])
            out.writerow(spreadsheet.row([gateway["gateway"], kind, *counts, *row]))
    return text.getvalue()
