"""What a run says of itself at its end.  Pure."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..calibration import store
from ..calibration.budget import budget_of
from ..plane.backend import Carrier, Lateness
from ..record.facts import Ended, LateTickFact, RunFacts
from .ticks import TickLog


def how_it_ended(error: BaseException | None) -> tuple[Ended, str]:
    """In a word, and the reason where there is one to give."""
    if error is None:
        return "completed", ""
    if isinstance(error, KeyboardInterrupt | SystemExit):
        return "interrupted", ""
    return "failed", str(error) or type(error).__name__


def run_facts(
    error: BaseException | None,
    ticks: TickLog,
    lateness: Lateness | None,
    counters: dict[str, int],
    **known: Any,
) -> RunFacts:
    """``counters`` are those of Plane; ``known`` is what RunFacts takes as it is."""
    ended, reason = how_it_ended(error)
    dropped = {
        name.removeprefix("dropped_"): n for name, n in counters.items() if name.startswith("dropped_")
    }
    return RunFacts(
        ended=ended,
        reason=reason,
        ticks=len(ticks.cost_ns),
        late_ticks=tuple(LateTickFact(t.number, t.sim_ns, t.late_ns) for t in ticks.late),
        tick_cost_p50_ns=_quantile_ns(ticks.cost_ns, 0.5),
        tick_cost_p99_ns=_quantile_ns(ticks.cost_ns, 0.99),
        tick_cost_max_ns=max(ticks.cost_ns, default=None),
        lateness_p50_ns=lateness.quantile_ns(0.5) if lateness else None,
        lateness_p99_ns=lateness.quantile_ns(0.99) if lateness else None,
        lateness_max_ns=lateness.max_ns if lateness else None,
        packets_dropped=dropped,
        **known,
    )


def error_budget(plane: str, backend: Carrier, machine: dict[str, Any], *, is_awake: bool) -> dict[str, Any]:
    """What the last calibration lets expect of this machine, or the reason why there is none."""
    found = store.recall(plane, backend.name, getattr(backend, "wait", "kernel"), machine, is_awake=is_awake)
    if isinstance(found, str):
        return {"reason": found}
    budget = budget_of(found)
    return {"reason": "the calibration holds no stream"} if budget is None else budget.to_dict()


def _quantile_ns(values: list[int], q: float) -> int | None:
    return round(float(np.quantile(values, q))) if values else None
