"""What training over satellites came to: from the rows of its members, step by step.  Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from ..training.bound import algorithm_bps, bus_bps

#: who is slower than the middle one by less than this share of a step's computing holds nobody up
STRAGGLES = 0.01


@dataclass(frozen=True)
class Step:
    """One that all members ended; durations of the group as a whole.

    ``all_reduce_ns``: from when the last member was ready to when the last had the sum.  ``behind_ns``: how
    much longer than the middle one the slowest computed; when it began is the doing of this host.
    """

    end_mono_ns: int
    began_mono_ns: int
    compute_ns: int
    all_reduce_ns: int
    bound_ns: int | None
    headers_ns: int | None
    slowest: str
    behind_ns: int
    held_by: str | None
    is_sound: bool


def steps_of(rows: pa.Table, members: int) -> tuple[list[Step], Counter[str], int]:
    """Those that all members ended, in order; why others failed, by step; how many the end cut off."""
    by_step: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in rows.drop_columns(["sim_utc"]).to_pylist():
        by_step[row["step"]].append(row)
    found: list[Step] = []
    failed: Counter[str] = Counter()
    cut_off = 0
    for _, of_step in sorted(by_step.items()):
        errors = [row["error"] for row in of_step if not row["ok"]]
        if errors:
            failed[min(errors, key=lambda error: (-errors.count(error), error))] += 1
        elif len(of_step) < members:
            cut_off += 1
        else:
            found.append(_step(of_step))
    return found, failed, cut_off


def _step(rows: list[dict[str, Any]]) -> Step:
    last = max(rows, key=lambda row: row["sent_mono_ns"])
    slowest = max(rows, key=lambda row: (row["compute_ns"], row["satellite"]))
    done = max(row["done_mono_ns"] for row in rows)
    return Step(
        end_mono_ns=max(done, *(row["computed_mono_ns"] for row in rows)),
        began_mono_ns=min(row["began_mono_ns"] for row in rows),
        compute_ns=slowest["compute_ns"],
        all_reduce_ns=done - last["sent_mono_ns"],
        bound_ns=last["bound_ns"],
        headers_ns=last["headers_ns"],
        slowest=slowest["satellite"],
        behind_ns=slowest["compute_ns"] - int(np.median([row["compute_ns"] for row in rows])),
        held_by=slowest["held_by"],
        is_sound=all(row["sound"] is not False for row in rows),
    )


def training_summary(rows: pa.Table, told: dict[str, Any], rate_scale: float) -> dict[str, Any]:
    """For summary.json; ``told``: what run.json says of the training.  Nulls where no step ended."""
    members, gradient = len(told["ring"]), told["gradient_bytes"]
    steps, failed, cut_off = steps_of(rows, members)
    summary: dict[str, Any] = {
        "model": told["model"],
        "accelerator": told["accelerator"],
        "accelerators": told["accelerators"],
        "satellites": members,
        "tokens": told["tokens"] * members,
        "gradient_bytes": gradient,
        "emulated_bytes": told["emulated_bytes"],
        "rate_scale": rate_scale,
        "overlap_ratio": told["overlap_ratio"],
        "full_speed_compute_ns": told["compute_ns"],
        "steps": len(steps),
        "failed": dict(sorted(failed.items())),
        "cut_off": cut_off,
        "sound": sum(step.is_sound for step in steps),
        "most_hops": max((hops for hops in rows["most_hops"].to_pylist() if hops is not None), default=None),
        "stragglers": _stragglers(steps),
    }
    return summary | _figures(steps, summary)


def _figures(steps: list[Step], told: dict[str, Any]) -> dict[str, Any]:
    """Medians, and the most; of the whole without this host's part what would be left."""
    known = [step for step in steps if step.bound_ns is not None]
    lasts = [step.end_mono_ns for step in steps]
    begins = [step.began_mono_ns for step in steps]
    before = [0, *lasts][: len(lasts)]
    whole = [end - max(was, begin) for was, begin, end in zip(before, begins, lasts, strict=True)]
    host = [step.all_reduce_ns - (step.bound_ns or 0) - (step.headers_ns or 0) for step in known]
    found: dict[str, Any] = {
        "step_ns": _spread(whole),
        "compute_ns": _spread([step.compute_ns for step in steps]),
        "all_reduce_ns": _spread([step.all_reduce_ns for step in steps]),
        "bound_ns": _spread([step.bound_ns for step in known if step.bound_ns is not None]),
        "headers_ns": _spread([step.headers_ns for step in known if step.headers_ns is not None]),
        "host_ns": _spread(host),
        "communicating_ratio": None,
        "communicating_bound_ratio": None,
        "algorithm_bps": None,
        "bus_bps": None,
        "bus_bound_bps": None,
        "tokens_per_s": None,
        "tokens_bound_per_s": None,
    }
    if not steps:
        return found
    members, gradient = told["satellites"], told["gradient_bytes"]
    reduce_ns, step_ns = found["all_reduce_ns"]["p50"], found["step_ns"]["p50"]
    compute_ns = found["compute_ns"]["p50"]
    found |= {
        "communicating_ratio": max(0.0, 1 - compute_ns / step_ns),
        "algorithm_bps": algorithm_bps(reduce_ns, gradient),
        "bus_bps": bus_bps(reduce_ns, gradient, members),
        "tokens_per_s": told["tokens"] * 1e9 / step_ns,
    }
    if found["bound_ns"] is not None:
        bound_ns = found["bound_ns"]["p50"]
        hidden_ns = min(bound_ns, round(told["overlap_ratio"] * compute_ns))
        least_ns = compute_ns + bound_ns - hidden_ns
        found |= {
            "communicating_bound_ratio": 1 - compute_ns / least_ns,
            "bus_bound_bps": bus_bps(bound_ns, gradient, members),
            "tokens_bound_per_s": told["tokens"] * 1e9 / least_ns,
        }
    return found


def _spread(values: list[int]) -> dict[str, int] | None:
    return {"p50": int(np.median(values)), "most": max(values)} if values else None


def _stragglers(steps: list[Step]) -> dict[str, Any]:
    """By name: in how many steps it was the slowest, and clearly so; by how much at most, and why."""
    found: dict[str, Any] = {}
    for step in steps:
        if step.behind_ns <= STRAGGLES * step.compute_ns:
            continue
        row = found.setdefault(step.slowest, {"steps": 0, "behind_ns": 0, "held_by": None})
        row["steps"] += 1
        if step.behind_ns > row["behind_ns"]:
            row.update(behind_ns=step.behind_ns, held_by=step.held_by)
    return dict(sorted(found.items(), key=lambda each: (-each[1]["steps"], each[0])))
