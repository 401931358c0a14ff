"""A class of customers, judged: how long answers took, how many were good, why others were not."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .parts import PARTS, Parts
from .quantiles import CONFIDENCE, Quantile, quantile, share_interval
from .targets import Target

QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99_9": 0.999}
_REFUSED, _UNANSWERED = "refused", "no answer"


@dataclass(frozen=True)
class Asked:
    """What a class's real requests got, in the order in which they were due.

    ``answered``: (n,) bool; ``refused``: (n,) bool, of the others those that were told so.  ``metrics`` has
    Parts of those answered, by metric ("ttft", "tpot", "answer"); ``tokens`` and ``bytes`` of all.
    ``links``: of those answered, the name of the link on which most was waited, or "".
    """

    answered: np.ndarray
    refused: np.ndarray
    metrics: dict[str, Parts]
    tokens: np.ndarray
    bytes: np.ndarray
    duration_ns: int
    one_in: int = 1
    links: tuple[str, ...] = ()
    reasons: tuple[str, ...] = field(default=())  # of those refused


def judge(asked: Asked, target: Target) -> dict[str, Any]:
    """A row of ``customers`` in a summary: plain numbers, ns, ready for JSON."""
    n = len(asked.answered)
    if n == 0:
        return {"requests": 0, "one_in": asked.one_in, "met": None}
    within = {
        m: p.measured_ns <= target.bounds_ns[m] for m, p in asked.metrics.items() if m in target.bounds_ns
    }
    missing = [metric for metric in target.bounds_ns if metric not in asked.metrics]
    if missing:
        raise ValueError(f"a target for {missing[0]}, which was not measured")
    all_within = np.logical_and.reduce(list(within.values()))
    good = np.zeros(n, bool)
    good[asked.answered] = all_within
    share, low, high = share_interval(good)
    answered, answered_low, answered_high = share_interval(asked.answered)
    seconds = asked.duration_ns / 1e9
    return {
        "requests": n,
        "one_in": asked.one_in,
        "answered": int(asked.answered.sum()),
        "refused": int(asked.refused.sum()),
        "availability": {"share": answered, "low": answered_low, "high": answered_high},
        "within_target": {"share": share, "low": low, "high": high, "asked_for": target.share},
        "met": met(low, high, target.share),
        "confidence": CONFIDENCE,
        **{f"{metric}_ns": _quantiles(parts.measured_ns) for metric, parts in asked.metrics.items()},
        "goodput_answers_per_s": float(good.sum()) * asked.one_in / seconds,
        "goodput_tokens_per_s": float(asked.tokens[good].sum()) * asked.one_in / seconds,
        "delivered_bps": float(asked.bytes.sum()) * 8 * asked.one_in / seconds,
        "causes": causes(asked, target),
    }


def met(low: float, high: float, asked_for: float) -> bool | None:
    """None where the interval of the share holds what is asked for: more requests would have to tell."""
    if low >= asked_for:
        return True
    return False if high < asked_for else None


def _quantiles(values: np.ndarray) -> dict[str, Any]:
    return {name: _row(quantile(values, at)) for name, at in QUANTILES.items()}


def _row(it: Quantile | None) -> dict[str, int | None] | None:
    if it is None:
        return None
    return {
        "value": round(it.value),
        "low": None if it.low is None else round(it.low),
        "high": None if it.high is None else round(it.high),
    }


def causes(asked: Asked, target: Target) -> dict[str, dict[str, Any]]:
    """By cause: how many requests missed the target by it, and by how much together.  Each request counts
    once, by the metric that it missed by the largest factor."""
    counted: Counter[str] = Counter()
    over_ns: Counter[str] = Counter()
    on_links: Counter[str] = Counter()
    answered = int(asked.answered.sum())
    worst, cause, excess = np.ones(answered), np.full(answered, -1), np.zeros(answered)
    for metric, bound_ns in target.bounds_ns.items():
        parts = asked.metrics[metric]
        factor = parts.measured_ns / bound_ns
        worse = factor > worst
        cause = np.where(worse, parts.causes(bound_ns), cause)
        excess = np.where(worse, parts.measured_ns - bound_ns, excess)
        worst = np.where(worse, factor, worst)
    for place in np.flatnonzero(cause >= 0):
        name = PARTS[cause[place]]
        counted[name] += 1
        over_ns[name] += round(float(excess[place]))
        if name == "links" and asked.links:
            on_links[asked.links[place]] += 1
    rows: dict[str, dict[str, Any]] = {
        name: {"requests": count, "over_ns": over_ns[name]} for name, count in counted.most_common()
    }
    if on_links:
        rows["links"]["by_link"] = dict(on_links.most_common(5))
    refused = int(asked.refused.sum())
    if refused:
        rows[_REFUSED] = {"requests": refused, "by_reason": dict(Counter(asked.reasons).most_common(5))}
    unanswered = len(asked.answered) - answered - refused
    if unanswered:
        rows[_UNANSWERED] = {"requests": unanswered}
    return rows
