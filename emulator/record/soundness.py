"""Which samples touch a moment in which the emulation was not what it claims to be.  Pure.

Such a moment is a *window* with a cause.  A sample is unsound where its time on
the way, from its sending to its answer (or its loss), touches one.  What the
figures of a run are worth is the share of its samples that is sound.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

# The causes, the gravest first: a sample that touches several is marked with the first of these.
TICK = "late-tick"  # links and routes were those of an instant before
ENGINE = "late-engine"  # packets left their links after they were due
HOST = "host-stall"  # no process of a processor ran, not even one that goes before all nodes
STEAL = "stolen"  # the hypervisor gave the processor to others
CAUSES = (TICK, ENGINE, HOST, STEAL)

# Beyond these a moment is a window.  What stays below is not known to have been without effect,
# but was at most this: the bound that a verdict states.
LATE_TICK_NS = 10_000_000
LATE_ENGINE_NS = 1_000_000
STALL_NS = 5_000_000
STOLEN_RATIO = 0.2  # of one processor, over STOLEN_OVER_NS
STOLEN_OVER_NS = 100_000_000


@dataclass(frozen=True)
class Window:
    """From ``from_mono_ns`` to ``to_mono_ns``; ``worst_ns`` is the most that something was late by in it."""

    from_mono_ns: int
    to_mono_ns: int
    cause: str
    worst_ns: int

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def bounds() -> dict[str, Any]:
    """For the summary: beyond what a moment is a window."""
    return {
        "late_tick_ns": LATE_TICK_NS,
        "late_engine_ns": LATE_ENGINE_NS,
        "stall_ns": STALL_NS,
        "stolen_ratio": STOLEN_RATIO,
        "stolen_over_ns": STOLEN_OVER_NS,
    }


def from_dicts(values: Iterable[Any]) -> list[Window]:
    """As ``to_dict`` wrote them, and ``shape.WINDOW`` has found them to be."""
    return [
        Window(value["from_mono_ns"], value["to_mono_ns"], value["cause"], value["worst_ns"])
        for value in values
    ]


def joined(windows: Iterable[Window]) -> list[Window]:
    """In order of time, those of one cause that overlap or touch made one."""
    found: list[Window] = []
    last: dict[str, int] = {}
    for window in sorted(windows, key=lambda w: (w.from_mono_ns, w.to_mono_ns)):
        row = last.get(window.cause)
        if row is not None and window.from_mono_ns <= found[row].to_mono_ns:
            before = found[row]
            found[row] = Window(
                before.from_mono_ns,
                max(before.to_mono_ns, window.to_mono_ns),
                window.cause,
                max(before.worst_ns, window.worst_ns),
            )
        else:
            last[window.cause] = len(found)
            found.append(window)
    return found


def doubt_of(
    sent_mono_ns: NDArray[np.int64], done_mono_ns: NDArray[np.int64], windows: Sequence[Window]
) -> NDArray[np.int8]:
    """(n,) row in CAUSES of the gravest window that a sample touches, -1 where it is sound."""
    doubt = np.full(len(sent_mono_ns), -1, np.int8)
    for code in reversed(range(len(CAUSES))):
        mine = joined(w for w in windows if w.cause == CAUSES[code])
        if not mine:
            continue
        begin = np.array([w.from_mono_ns for w in mine], np.int64)
        end = np.array([w.to_mono_ns for w in mine], np.int64)
        # the windows of one cause do not overlap: of those that begin by the end of a sample, the last one
        # ends last
        row = np.searchsorted(begin, done_mono_ns, side="right") - 1
        touches = (row >= 0) & (end[np.maximum(row, 0)] >= sent_mono_ns)
        doubt[touches] = code
    return doubt


def marked(samples: pa.Table, windows: Sequence[Window]) -> pa.Table:
    """With the columns ``sound`` and ``doubt`` filled, from ``sent_mono_ns`` and ``done_mono_ns``."""
    sent, done = (samples[name].to_numpy() for name in ("sent_mono_ns", "done_mono_ns"))
    code = doubt_of(sent, done, windows)
    names = pa.array(CAUSES, pa.string())
    doubt = names.take(pa.array(code, pa.int8(), mask=code < 0))
    for name, column in (("sound", pa.array(code < 0)), ("doubt", doubt)):
        at = samples.schema.get_field_index(name)
        field = pa.field(name, column.type)
        samples = samples.append_column(field, column) if at < 0 else samples.set_column(at, field, column)
    return samples


def with_marks(samples: pa.Table, windows: Sequence[Window]) -> pa.Table:
    """As they are where they are marked already; a part of a run that did not end in order is not."""
    return samples if samples["sound"].null_count == 0 else marked(samples, windows)


def of_samples(samples: pa.Table, windows: Sequence[Window]) -> dict[str, Any]:
    """For the summary, from a marked table: how many are sound, why the others are not, and the windows."""
    n, sound = len(samples), int(np.count_nonzero(samples["sound"].to_numpy()))
    counts = samples["doubt"].value_counts().to_pylist()
    by_cause = {row["values"]: row["counts"] for row in counts if row["values"] is not None}
    causes = {}
    for cause in CAUSES:
        mine = joined(w for w in windows if w.cause == cause)
        causes[cause] = {
            "samples": by_cause.get(cause, 0),
            "windows": len(mine),
            "windows_ns": sum(w.to_mono_ns - w.from_mono_ns for w in mine),
            "worst_ns": max((w.worst_ns for w in mine), default=None),
        }
    return {
        "samples": n,
        "sound": sound,
        "sound_ratio": sound / n if n else None,
        "bounds": bounds(),
        "causes": causes,
    }
