"""What a report is made from: a record as far as it can be read."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import InputError
from ..reading import RECORD, parse_json, read_text
from ..record import files, shape
from ..record.parts import Parts
from ..record.plausible import floats, is_time, placed, untimed
from ..record.soundness import Window, from_dicts
from ..results import Results, load
from ..results.tables import paths_of
from .groups import Floats
from .values import text

SAMPLE_COLUMNS = (
    "sim_ns", "sent_mono_ns", "kind", "src", "dst", "ok", "error", "path", "path_backward", "hops",
    "propagation_ns", "measured_ns", "remainder_ns", "bytes_up", "bytes_down", "sound",
)  # fmt: skip


@dataclass
class Source:
    """``header``: of run.json each key that is as it should be; ``summary``: empty where there is none.

    ``missing``: sentences on what could not be read.
    """

    path: Path
    run_id: str
    version: str
    form: int | None
    header: dict[str, Any]
    summary: dict[str, Any]
    is_finished: bool
    events: list[dict[str, Any]]
    windows: list[Window]
    samples: pa.Table
    path_changes: pa.Table
    pairs: pa.Table
    answers: pa.Table
    links: pa.Table
    platforms: pa.Table
    training: pa.Table
    handovers: pa.Table | None = None  # and why there is none, where there is none
    why_no_handovers: str = ""
    missing: list[str] = field(default_factory=list)

    def known(self, key: str, otherwise: Any = None) -> Any:
        """Of the summary, or of run.json where there is no summary."""
        return self.summary.get(key, self.header.get(key, otherwise))

    @property
    def began_sim_ns(self) -> float:
        """Of a record that does not say so, the scenario's start."""
        began = self.summary.get("began_sim_ns")
        return float(began) if isinstance(began, int | float) and is_time(np.array([began]))[0] else 0.0

    def named(self, node: str) -> str:
        """With the name that a file has for it, where one does."""
        known = (self.header.get("known_as") or {}).get(node)
        if known is None:
            return text(node, 40)
        also = known["name"] or f"norad-{known['catalog_number']}"
        return f"{text(node, 40)} ({text(also, 40)})"

    @property
    def gateways(self) -> tuple[str, ...]:
        named = self.header.get("gateways") or [row["gateway"] for row in self.summary.get("gateways", [])]
        return tuple(str(name) for name in named)


def read(run: Path | str) -> Source:
    """InputError only where there is nothing of a run."""
    results = load(run)
    parts = Parts(results.path)
    events = parts.lines(files.EVENTS, shape.EVENT, "faults may be missing", is_whole=False)
    windows = from_dicts(
        parts.lines(files.WINDOWS, shape.WINDOW, "late moments may be missing", is_whole=False)
    )
    source = Source(
        results.path, results.run_id, results.version, results.format, _header(results.path),
        results.summary, results.is_finished, events, windows,
        results.table(files.SAMPLES, SAMPLE_COLUMNS),
        *(
            results.table(name)
            for name in (
                files.PATH_CHANGES, files.PAIRS.removesuffix(".parquet"), files.ANSWERS, files.LINKS,
                files.PLATFORMS, files.TRAINING,
            )
        ),
    )  # fmt: skip
    source.handovers, source.why_no_handovers = _handovers(results)
    _leave_out_what_no_run_measures(source, parts.notes)
    source.missing = list(dict.fromkeys([*results.missing, *parts.notes]))
    return source


def _handovers(results: Results) -> tuple[pa.Table | None, str]:
    """Their table, or why there is none."""
    table = results.table(files.HANDOVERS)
    if not paths_of(results.path, files.HANDOVERS):
        return None, "the record has no table of them"
    if not {"sim_ns", "gateway", "cause"} <= {*table.schema.names} or (
        not len(table)
        and any(f"{files.HANDOVERS}.parquet cannot be read" in each for each in results.missing)
    ):
        return None, "their table cannot be read"
    return table, ""


def _leave_out_what_no_run_measures(source: Source, notes: list[str]) -> None:
    for name, what, times in (
        ("samples", "sample", ("measured_ns",)),
        ("answers", "answer", ("ttft_ns", "answer_ns")),
        ("path_changes", "path change", ()),
        ("handovers", "handover", ()),
    ):
        table = getattr(source, name)
        if table is None:
            continue
        if "sim_ns" in table.schema.names:
            table = placed(table, what, notes)
        for each in times:
            table = _timed(table, each, what, notes)
        setattr(source, name, table)


def _timed(table: pa.Table, name: str, what: str, notes: list[str]) -> pa.Table:
    """Null where it can not have been measured."""
    values = column(table, name)
    wrong = ~np.isnan(values) & ~is_time(values)
    if not wrong.any():
        return table
    notes.append(untimed(int(wrong.sum()), f"{what}s"))
    place = table.schema.get_field_index(name)
    kept = pc.if_else(pa.array(wrong), None, table[name])
    return table.set_column(place, table.schema.field(place), kept)


def _header(path: Path) -> dict[str, Any]:
    """What of run.json has the shape that it should have; another version may have written it.

    Of what has no shape (``platform``, ``schedule``) nothing is known but that it is JSON.
    """
    try:
        value = parse_json(read_text(path / files.RUN, RECORD), RECORD, path / files.RUN)
    except (FileNotFoundError, InputError):
        return {}  # load() has said so
    if not isinstance(value, dict):
        return {}
    optional = {
        key: wanted.shape if isinstance(wanted, shape.Optional) else wanted
        for key, wanted in shape.RUN.items()
    }
    return {
        key: value[key]
        for key in value
        if key not in optional or shape.problem(value[key], optional[key]) is None
    }


def column(table: pa.Table, name: str) -> Floats:
    """(n,) float64; NaN for null, and for all of a column that is not there."""
    if name not in table.schema.names:
        return np.full(len(table), np.nan)
    return floats(table[name])


def flags(table: pa.Table, name: str, otherwise: bool) -> np.ndarray:
    """(n,) bool; ``otherwise`` for null, and where the column is not there."""
    if name not in table.schema.names:
        return np.full(len(table), otherwise)
    return np.asarray(table[name].fill_null(otherwise).to_numpy(), bool)


def codes(table: pa.Table, name: str) -> tuple[np.ndarray, list[str]]:
    """(n,) int64 numbers of texts, -1 for null, and the texts."""
    if name not in table.schema.names or not len(table):
        return np.full(len(table), -1, np.int64), []
    values = table[name]
    if not pa.types.is_dictionary(values.type):
        values = values.dictionary_encode()
    whole = values.unify_dictionaries().combine_chunks()
    if isinstance(whole, pa.ChunkedArray):
        whole = whole.chunk(0)
    return (
        np.asarray(whole.indices.fill_null(-1).to_numpy(zero_copy_only=False), np.int64),
        whole.dictionary.to_pylist(),
    )
