"""Rows of what a record holds one figure of: the share of time with a way, the lateness of the engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from .noise import again_floor
from .rows import MACHINE, PER_H, More, Row
from .runs import Run

_NS_PER_H = 3600 * 10**9
_LATENESS = {"p50": "p50_ns", "p99": "p99_ns", "most": "max_ns"}


def availability_row(a: Run, b: Run) -> Row:
    """Known by the epochs, without noise, but for the step in which a run begins and ends."""
    mine, theirs = _available(a.pairs), _available(b.pairs)
    common = sorted(mine.keys() & theirs.keys())
    if not common:
        return Row("availability", "", "", "ratio", _mean([*mine.values()]), _mean([*theirs.values()]),
                   samples_base=len(mine), samples_other=len(theirs),
                   why="the two have no pair of nodes in common")  # fmt: skip
    base, other = _mean([mine[key] for key in common]), _mean([theirs[key] for key in common])
    assert base is not None
    assert other is not None
    floor = max(_edge(a), _edge(b))
    if floor >= 1:
        return Row(
            "availability", "", "", "ratio", base, other, other - base, samples_base=len(common),
            samples_other=len(common), paired=True,
            why="a run that is no longer than the steps in which it begins and ends tells nothing of it",
        )  # fmt: skip
    more = More.YES if abs(other - base) > floor else More.NO
    return Row(
        "availability", "", "", "ratio", base, other, other - base, max(other - base - floor, -1.0),
        min(other - base + floor, 1.0), floor, more, samples_base=len(common), samples_other=len(common),
        paired=True,
        why="known by the epochs; to within the steps in which runs begin and end",
    )  # fmt: skip


def _available(pairs: pa.Table) -> dict[tuple[str, str], float]:
    if not {"src", "dst", "kind", "available_ratio"} <= {*pairs.schema.names}:
        return {}
    rows = zip(*(pairs[name].to_pylist() for name in ("src", "dst", "available_ratio")), strict=True)
    return {
        (src, dst): ratio
        for src, dst, ratio in rows
        if src is not None and dst is not None and ratio is not None and 0 <= ratio <= 1
    }


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _edge(run: Run) -> float:
    """A step at each end, as a share of the run."""
    step, lasted = run.header_ns("step_ns"), run.summary.get("emulated_ns") or run.header_ns("duration_ns")
    return 2 * step / lasted if step and lasted else 0.0


def handover_rows(a: Run, b: Run) -> list[Row]:
    """Of each gateway and hour; none of two records that hold none."""
    counts = [(run.summary.get("handovers") or {}).get("count") for run in (a, b)]
    base, other = (_per_h(run, n) for run, n in zip((a, b), counts, strict=True))
    if base is None and other is None:
        return []

    def row(difference: float | None, floor: float, more: More, why: str) -> Row:
        n, m = (each or 0 for each in counts)
        return Row("handovers", "", "", PER_H, base, other, difference, floor=floor, more=more,
                   samples_base=n, samples_other=m, why=why)  # fmt: skip

    if base is None or other is None:
        return [row(None, 0.0, More.NOT_KNOWN, "one of the two does not say how many there were")]
    lasted = [run.summary["emulated_ns"] for run in (a, b)]
    step_ns = max(run.header_ns("step_ns") or 0 for run in (a, b))
    if abs(lasted[0] - lasted[1]) > 2 * step_ns:
        return [row(other - base, 0.0, More.NOT_KNOWN, "the two runs did not last equally long")]
    floor = max(base, other) * max(_edge(a), _edge(b))
    more = More.YES if abs(other - base) > floor else More.NO
    known = "known by the epochs; to within the steps in which runs begin and end"
    return [row(other - base, floor, more, known)]


def _per_h(run: Run, n: int | None) -> float | None:
    lasted, gateways = run.summary.get("emulated_ns"), len(run.summary.get("gateways") or ())
    return None if n is None or not lasted or not gateways else n / (lasted / _NS_PER_H) / gateways


def lateness_rows(a: Run, b: Run, again: Sequence[Run]) -> list[Row]:
    found = []
    for at, key in _LATENESS.items():
        base, other = _late(a, key), _late(b, key)
        if base is None and other is None:
            continue
        known = [late for run in again if (late := _late(run, key)) is not None]
        difference = None if base is None or other is None else other - base
        more, floor = More.NOT_KNOWN, 0.0
        why = "one figure of a run says nothing of its noise: give two more of the base's with --again"
        if difference is not None and base is not None and len(known) >= 2:
            floor = again_floor([base, *known])
            more, why = (More.YES if abs(difference) > floor else More.NO), ""
        found.append(Row(MACHINE, "", at, "ns", base, other, difference, floor=floor, more=more,
                         samples_base=int(base is not None), samples_other=int(other is not None),
                         why=why))  # fmt: skip
    return found


def _late(run: Run, key: str) -> float | None:
    late: Any = (run.summary.get("engine_lateness") or {}).get(key)
    return float(late) if isinstance(late, int | float) and not isinstance(late, bool) else None
