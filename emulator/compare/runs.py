"""A run, read to be compared: what it measured as arrays, and what there is to be said against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from orbitmesh.wire.answers import CUT_OFF

from ..record import files
from ..record.plausible import floats, is_time, placed, untimed
from ..record.totals import KINDS as KINDS
from ..results import Results, load
from ..shown import counted, plain
from . import training
from .measured import Bools, Floats, Ints, Measured

_SAMPLES = (
    "sim_ns", "sent_mono_ns", "done_mono_ns", "kind", "src", "dst", "ok", "task", "hops", "measured_ns",
    "remainder_ns", "sound", "doubt",
)  # fmt: skip
_ANSWERS = (
    "sim_ns", "customer_class", "src", "dst", "number", "ok", "error", "ttft_ns", "answer_ns",
    "propagation_ns", "serialisation_ns", "queue_ns", "prefill_ns", "sound",
)  # fmt: skip


@dataclass
class Run:
    """``by_kind`` and ``by_class`` hold what can be placed in time; ``pairs`` is its table of that name."""

    results: Results
    by_kind: dict[str, Measured] = field(default_factory=dict)
    by_class: dict[str, Measured] = field(default_factory=dict)
    by_step: dict[str, Measured] = field(default_factory=dict)  # of training, under its name
    notes: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.results.run_id or plain(self.results.path.name) or plain(str(self.results.path))

    @property
    def summary(self) -> Mapping[str, Any]:
        return self.results.summary

    def header_ns(self, key: str) -> int:
        """A duration of run.json; 0 where it is not known."""
        value = self.results.header.get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) else 0

    @cached_property
    def pairs(self) -> pa.Table:
        return self.results.table(files.PAIRS.removesuffix(".parquet"))

    @property
    def said(self) -> list[str]:
        """What is to be known before its figures are: not trusted, not finished, damaged."""
        found, summary = [], self.summary
        if not summary:
            found.append("nothing is known of how it went: its figures are those of its tables alone")
        elif not summary["trusted"]:
            doubts = [plain(str(each), 400) for each in summary["doubts"]] or ["for no stated reason"]
            more = f" (and {counted(len(doubts) - 1, 'more doubt')})" if len(doubts) > 1 else ""
            found.append(f"not trusted: {doubts[0]}{more}")
        if summary and not self.results.is_finished:
            ended = plain(str(summary["ended"]))
            found.append(f"it did not end in order ({ended}): its figures are of a part")
        found += [plain(each, 400) for each in self.results.missing]
        return list(dict.fromkeys([*found, *self.notes]))


def read_run(folder: Path) -> Run:
    """InputError where there is nothing of a run."""
    run = Run(load(folder))
    _ = run.pairs  # what is damaged of it is named with the rest
    samples = run.results.table(files.SAMPLES, _SAMPLES)
    lacking = {"sim_ns", "kind", "src", "dst", "ok", "measured_ns"} - {*samples.schema.names}
    if len(samples) and not lacking:
        run.by_kind = _by_kind(samples, run.notes)
    elif len(samples):
        run.notes.append(f"its samples lack {', '.join(sorted(lacking))}, and are left out")
    answers = run.results.table(files.ANSWERS, _ANSWERS)
    lacking = {"sim_ns", "customer_class", "src", "number", "ok", "ttft_ns"} - {*answers.schema.names}
    if len(answers) and not lacking:
        run.by_class = _by_class(answers, run.notes)
    elif len(answers):
        run.notes.append(f"its answers lack {', '.join(sorted(lacking))}, and are left out")
    steps = run.results.table(files.TRAINING, training.COLUMNS)
    lacking = training.NEEDED - {*steps.schema.names}
    if len(steps) and not lacking:
        run.by_step = training.by_step(steps, run.notes)
    elif len(steps):
        run.notes.append(f"its steps of training lack {', '.join(sorted(lacking))}, and are left out")
    return run


def _by_kind(table: pa.Table, notes: list[str]) -> dict[str, Measured]:
    table = placed(table, "sample", notes)
    found = {}
    kinds = pc.unique(table["kind"]).to_pylist()
    for kind in sorted(kinds, key=lambda k: (KINDS.index(k) if k in KINDS else len(KINDS), k)):
        rows = table if len(kinds) == 1 else table.filter(pc.equal(table["kind"], kind))
        ok = _truths(rows, "ok", False)
        value = _checked(_floats(rows, "measured_ns"), ok, f"{plain(kind)} samples", notes)
        # a task's pair is who sends it: whoever serves it may be another each time
        far = _texts(rows, "task" if kind == "task" else "dst")
        hops = _floats(rows, "hops")
        found[plain(kind)] = Measured(
            {"src": _texts(rows, "src"), "far": far, "dst": _texts(rows, "dst")},
            _ints(rows, "sim_ns"), ok, _truths(rows, "sound", True), {"": value},
            np.where(ok, _floats(rows, "remainder_ns"), np.nan),
            float(np.nanmedian(hops)) if np.isfinite(hops).any() else 0.0,
        )  # fmt: skip
    return found


def _by_class(table: pa.Table, notes: list[str]) -> dict[str, Measured]:
    if "error" in table.schema.names:  # what the end of the run cut off is nobody's answer
        table = table.filter(pc.not_equal(table["error"].fill_null(""), CUT_OFF))
    table = placed(table, "answer", notes)
    found = {}
    for name in sorted(pc.unique(table["customer_class"].fill_null("")).to_pylist()):
        rows = table.filter(pc.equal(table["customer_class"].fill_null(""), name))
        ok = _truths(rows, "ok", False)
        values = {
            what: _checked(_floats(rows, f"{what}_ns"), ok, f"answers of {plain(name)}", notes)
            for what in ("ttft", "answer")
        }
        known = sum(
            np.nan_to_num(_floats(rows, f"{part}_ns"))
            for part in ("propagation", "serialisation", "queue", "prefill")
        )
        found[plain(name)] = Measured(
            {"src": _texts(rows, "src"), "far": _texts(rows, "number"), "dst": _texts(rows, "dst")},
            _ints(rows, "sim_ns"), ok, _truths(rows, "sound", True), values, values["ttft"] - known,
        )  # fmt: skip
    return found


def _checked(value: Floats, ok: Bools, what: str, notes: list[str]) -> Floats:
    sane = is_time(value)
    if wrong := int((ok & ~sane).sum()):
        notes.append(untimed(wrong, what))
    return np.where(ok & sane, value, np.nan)


def _ints(table: pa.Table, name: str) -> Ints:
    found: Ints = table[name].to_numpy()
    return found


def _floats(table: pa.Table, name: str) -> Floats:
    if name not in table.schema.names:
        return np.full(len(table), np.nan)
    return floats(table[name])


def _truths(table: pa.Table, name: str, otherwise: bool) -> Bools:
    if name not in table.schema.names:
        return np.full(len(table), otherwise)
    found: Bools = table[name].fill_null(otherwise).to_numpy()
    return found


def _texts(table: pa.Table, name: str) -> pa.ChunkedArray:
    if name not in table.schema.names:
        return pa.chunked_array([pa.nulls(len(table), pa.string())])
    return table[name].cast(pa.string())


def read_runs(folders: Sequence[Path]) -> list[Run]:
    """Each folder once, in order."""
    known: dict[Path, Run] = {}
    for folder in folders:
        known.setdefault(folder, read_run(folder))
    return [known[folder] for folder in folders]
