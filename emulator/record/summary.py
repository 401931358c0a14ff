"""The summary of a run: one JSON object, keys in a stable order, a unit in every key that has one.  Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from .files import FORMAT
from .light import TOLERANCE_NS
from .verdict import Evidence, judge

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
    unread: bool = False  # rows that were written are damaged or gone: figures made anew lack them
    unreachable: int = 0  # samples whose far end had no way at the instant of sending
    without_truth: int = 0  # samples of an instant whose epoch is not known
    missed_entries: int = 0  # of the feed: epochs among them, in whose time nothing is judged
    path_changes: int = 0
    handovers: tuple[int, int] | None = None  # how many, and of these not in their table; None: not known
    too_fast: int = 0
    too_fast_first: str | None = None
    lost_on_way: int = 0  # of those lost, with a way at the instant of sending
    recorder_gap_ns: int = 0  # the longest that the recorder itself stood still
    least_margin_ns: int | None = None  # measured minus the least that light allows
    rates: dict[str, dict[str, int]] = field(default_factory=dict)


def build_summary(
    run: dict[str, Any],
    facts: dict[str, Any] | None,
    recorded: Recorded,
    gateways: list[dict[str, Any]],
    *,
    ended_without_facts: str = "killed",
    sound: dict[str, Any] | None = None,
    account: dict[str, Any] | None = None,
    gaps: Sequence[tuple[str, int]] = (),
    host_watched: bool = False,
    knows_stolen: bool = True,
    platform: dict[str, Any] | None = None,
    customers: Sequence[dict[str, Any]] = (),
    training: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """From run.json, the facts of the end, the counts, the statistics, and what ``verdict.Evidence`` takes.

    A run that was killed, or still runs, has no facts: None, and in ``ended``
    what is given for that case.
    """
    facts = facts or {}
    ended, reason = facts.get("ended", ended_without_facts), facts.get("reason", "")
    if recorded.too_fast and ended in ("completed", "interrupted"):
        ended, reason = "failed", recorded.too_fast_first or "faster than light"
    late = facts.get("late_ticks", ())
    budget = run.get("error_budget", _NO_BUDGET)
    verdict = judge(
        Evidence(
            ended, facts, recorded, budget, run["backend"], sound, account, gateways,
            gaps, host_watched, training, knows_stolen, run["machine"].get("not_told", {}),
        )
    )  # fmt: skip
    return {
        "format": FORMAT,
        "run_id": run["run_id"],
        "scenario": run["scenario"],
        "seed": run["seed"],
        "ended": ended,
        "reason": reason,
        "trusted": verdict.trusted,
        "doubts": verdict.doubts,
        "remarks": verdict.remarks,
        "not_known": verdict.not_known,
        "soundness": sound,
        "start_utc": run["start_utc"],
        "began_utc": run["began_utc"],
        "ended_utc": facts.get("ended_utc"),
        "duration_asked_ns": run["duration_ns"],
        "emulated_ns": facts.get("emulated_ns"),
        "began_sim_ns": facts.get("began_sim_ns"),
        "build_ns": facts.get("build_ns"),
        "machine": run["machine"],
        "awake": run.get("awake", _NOT_AWAKE),
        "options": run["options"],
        "plane": run.get("plane", "wired"),  # a record of before there was another
        "backend": run["backend"],
        "clock": run["clock"],
        "clock_held_ns": facts.get("clock_held_ns"),
        "clock_paused_ns": facts.get("clock_paused_ns"),
        "clock_pauses": facts.get("clock_pauses"),
        "clock_steps": facts.get("clock_steps"),
        "clock_speeds": list(facts.get("clock_speeds") or ()),
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
        "schedule": run.get("schedule"),
        "measurements": account,
        "samples": {
            key: value
            for key, value in asdict(recorded).items()
            if key
            in (
                "samples",
                "lost",
                "lost_on_way",
                "dropped",
                "malformed",
                "unwritten",
                "unreachable",
                "without_truth",
            )
        },
        "light": {
            "too_fast": recorded.too_fast,
            "first": recorded.too_fast_first,
            "least_margin_ns": recorded.least_margin_ns,
            "tolerance_ns": TOLERANCE_NS,
        },
        "presets": run.get("presets", []),  # a record of before there were any
        "platform": platform,
        "path_changes": recorded.path_changes,
        "handovers": None
        if recorded.handovers is None
        else dict(zip(("count", "not_in_table"), recorded.handovers, strict=True)),
        "packets_dropped": dict(sorted(facts.get("packets_dropped", {}).items())),
        "interventions": facts.get("interventions") or None,
        "dead_nodes": dict(sorted(facts.get("dead_nodes", {}).items())),
        "gateways": gateways,
        "customers": list(customers),
        "training": training,
    }
