"""Steps of training as values of a run: of each step that of the slowest member.  Pure."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..record.plausible import floats, is_time, placed, untimed
from .measured import Floats, Measured

TRAINING = "training"
FIGURES = ("step", "all-reduce")
COLUMNS = (
    "sim_ns", "step", "began_mono_ns", "sent_mono_ns", "computed_mono_ns", "done_mono_ns", "ok", "bound_ns",
    "headers_ns",
)  # fmt: skip
NEEDED = {"sim_ns", "step", "began_mono_ns", "sent_mono_ns", "done_mono_ns", "ok"}


def by_step(table: pa.Table, notes: list[str]) -> dict[str, Measured]:
    """A row a step of the group, as the summary takes it, known by its number; at the instant at which the
    last member was ready.  One that the run's end cut off is none."""
    table = placed(table, "member's step", notes)
    table = table.filter(pc.greater_equal(table["step"], 0).fill_null(False))
    if not len(table):
        return {}
    number, step = np.unique(table["step"].to_numpy(), return_inverse=True)
    n = len(number)

    def most(name: str, factor: float = 1) -> Floats:
        found = np.full(n, np.nan)
        if name in table.schema.names:
            np.fmax.at(found, step, factor * floats(table[name]))
        return factor * found

    ok = np.ones(n, bool)
    np.logical_and.at(ok, step, table["ok"].fill_null(False).to_numpy())
    members = np.bincount(step)
    done, sent = most("done_mono_ns"), most("sent_mono_ns")
    end = np.fmax(done, most("computed_mono_ns"))
    begin = most("began_mono_ns", -1)
    begin[1:] = np.where(np.diff(number) == 1, np.fmax(begin[1:], end[:-1]), begin[1:])
    values = {"step": end - begin, "all-reduce": done - sent}
    rest = values["all-reduce"] - np.nan_to_num(most("bound_ns")) - np.nan_to_num(most("headers_ns"))
    sane = np.logical_and.reduce([is_time(value) for value in values.values()])
    if wrong := int((ok & ~sane).sum()):
        notes.append(untimed(wrong, "steps of training"))
    kept = ~ok | (members == members.max())
    none = pa.chunked_array([pa.nulls(n, pa.string())])
    return {
        TRAINING: Measured(
            {"src": none, "far": pa.chunked_array([pa.array(number.astype(str), pa.string())]), "dst": none},
            most("sim_ns").astype(np.int64), ok, np.ones(n, bool),
            {name: np.where(ok & sane, value, np.nan) for name, value in values.items()},
            np.where(ok & sane, rest, np.nan),
        ).only(kept)
    }  # fmt: skip
