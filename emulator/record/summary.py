"""The summary of a run: one JSON object, keys in a stable order, a unit in every key that has one.  Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from .truth import TOLERANCE_NS

FORMAT = 1

# Beyond this the link backend itself is no longer negligible beside what is measured.
LATENESS_P99_BOUND_NS = 1_000_000

# In run.json: what a calibration says of the machine, beside which a run's own lateness is judged.
_NO_BUDGET = {"reason": "recorded by a version that knew none"}

_NOT_AWAKE = {"held": False, "reason": "recorded by a version that did not ask for it"}

# A run that is late at every tick would fill the summary with nothing else.
_MOST_LATE_TICKS = 100


@dataclass
class Recorded:
    """What the recorder counted."""

    samples: int = 0  # measurements received, with and without an answer
    lost: int = 0  # of these, without an answer
    dropped: int = 0  # datagrams the nodes could not send to the recorder
    malformed: int = 0  # datagrams that were no sample of this run
    unwritten: int = 0  # rows the disk did not take
    unreachable: int = 0  # samples whose far end had no way at the instant of sending
    without_truth: int = 0  # samples of an instant whose epoch is not known
    path_changes: int = 0
    too_fast: int = 0
    too_fast_first: str | None = None
    least_margin_ns: int | None = None  # measured minus the least that light allows
    rates: dict[str, dict[str, int]] = field(default_factory=dict)


def build_summary(
    run: dict[str, Any],
    facts: dict[str, Any] | None,
    recorded: Recorded,
    gateways: list[dict[str, Any]],
    *,
    ended_without_facts: str = "killed",
) -> dict[str, Any]:
    """From run.json, the facts of the end, the counts and the statistics.

    A run that was killed, or still runs, has no facts: None, and in ``ended``
    what is given for that case.
    """
    facts = facts or {}
    ended, reason = facts.get("ended", ended_without_facts), facts.get("reason", "")
    if recorded.too_fast and ended in ("completed", "interrupted"):
        ended, reason = "failed", recorded.too_fast_first or "faster than light"
    late = facts.get("late_ticks", ())
    budget = run.get("error_budget", _NO_BUDGET)
    doubts = doubts_about(ended, facts, recorded, budget)
    return {
        "format": FORMAT,
        "run_id": run["run_id"],
        "scenario": run["scenario"],
        "seed": run["seed"],
        "ended": ended,
        "reason": reason,
        "trusted": not doubts,
        "doubts": doubts,
        "start_utc": run["start_utc"],
        "began_utc": run["began_utc"],
        "ended_utc": facts.get("ended_utc"),
        "duration_asked_ns": run["duration_ns"],
        "emulated_ns": facts.get("emulated_ns"),
        "build_ns": facts.get("build_ns"),
        "machine": run["machine"],
        "awake": run.get("awake", _NOT_AWAKE),
        "options": run["options"],
        "plane": run.get("plane", "wired"),  # a record of before there was another
        "backend": run["backend"],
        "clock": run["clock"],
        "clock_held_ns": facts.get("clock_held_ns"),
        "satellites": run["satellites"],
        "rate_scale": run["rate_scale"],
        "rates": recorded.rates,
        "ticks": {
            "count": facts.get("ticks"),
            "step_ns": run["step_ns"],
            "late": len(late) if "late_ticks" in facts else None,
            "late_worst_ns": max((tick["late_ns"] for tick in late), default=None),
            "late_first": list(late[:_MOST_LATE_TICKS]),
            "cost_p50_ns": facts.get("tick_cost_p50_ns"),
            "cost_p99_ns": facts.get("tick_cost_p99_ns"),
            "cost_max_ns": facts.get("tick_cost_max_ns"),
        },
        "engine_lateness": {
            "p50_ns": facts.get("lateness_p50_ns"),
            "p99_ns": facts.get("lateness_p99_ns"),
            "max_ns": facts.get("lateness_max_ns"),
        },
        "error_budget": budget,
        "samples": {
            key: value
            for key, value in asdict(recorded).items()
            if key in ("samples", "lost", "dropped", "malformed", "unwritten", "unreachable", "without_truth")
        },
        "light": {
            "too_fast": recorded.too_fast,
            "first": recorded.too_fast_first,
            "least_margin_ns": recorded.least_margin_ns,
            "tolerance_ns": TOLERANCE_NS,
        },
        "path_changes": recorded.path_changes,
        "packets_dropped": dict(sorted(facts.get("packets_dropped", {}).items())),
        "dead_nodes": dict(sorted(facts.get("dead_nodes", {}).items())),
        "gateways": gateways,
    }


def doubts_about(
    ended: str, facts: dict[str, Any], recorded: Recorded, budget: dict[str, Any] = _NO_BUDGET
) -> list[str]:
    """Why the results of a run are not to be trusted without a further look; empty where they are."""
    doubts = []
    if recorded.too_fast:
        doubts.append(f"{_n(recorded.too_fast, 'measurement')} faster than light: {recorded.too_fast_first}")
    if ended == "killed":
        doubts.append("the run was killed: ticks, engine lateness and packet losses are not known")
    if ended == "running":
        doubts.append("the run is still under way")
    if ended == "failed" and not recorded.too_fast:
        doubts.append(f"the run failed: {facts.get('reason') or 'for no stated reason'}")
    if late := facts.get("late_ticks"):
        worst = max(late, key=lambda tick: tick["late_ns"])
        doubts.append(
            f"{_n(len(late), 'tick')} came late, the worst (number {worst['number']}) by "
            f"{worst['late_ns'] / 1e6:.1f} ms: routes and handovers were late by as much"
        )
    lateness_ns = facts.get("lateness_p99_ns")
    bound_ns = min(LATENESS_P99_BOUND_NS, budget.get("lateness_p99_bound_ns", LATENESS_P99_BOUND_NS))
    if lateness_ns is not None and lateness_ns > bound_ns:
        whose = "of the calibration" if bound_ns < LATENESS_P99_BOUND_NS else "without a calibration"
        doubts.append(
            f"the link engine was late by {lateness_ns / 1e6:.2f} ms at p99 "
            f"(bound {whose} {bound_ns / 1e6:.2g} ms): the host is too slow for this load"
        )
    if recorded.dropped:
        doubts.append(f"{_n(recorded.dropped, 'sample')} did not reach the recorder: the host is overloaded")
    if recorded.malformed:
        doubts.append(f"{_n(recorded.malformed, 'datagram')} to the recorder could not be read")
    if recorded.unwritten:
        doubts.append(f"{_n(recorded.unwritten, 'row')} could not be written to disk")
    if ended == "completed" and recorded.samples == 0:
        doubts.append("nothing was measured: no sample came (compute.probes, compute.tasks; links = fake?)")
    if recorded.without_truth:
        doubts.append(f"{_n(recorded.without_truth, 'sample')} came from an instant whose epoch is not known")
    for name, how in sorted(facts.get("dead_nodes", {}).items()):
        doubts.append(f"the node process of {name} died: {how}")
    doubts.extend(facts.get("warnings", ()))
    return doubts


def _n(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
