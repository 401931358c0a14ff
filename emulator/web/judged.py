"""What is said of a class of customers while its run goes on: its verdict, or why not yet; the cause."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..answers.judge import met
from ..answers.parts import WORDS
from ..answers.quantiles import wilson
from ..record.totals import MISSED, REFUSED, UNANSWERED
from ..record.verdict import percent


def verdict(in_time: int, asked: int, share: float | None) -> str:
    """As a run's own, but as if requests that come together did not wait together: it may be known sooner."""
    if share is None or not asked:
        return ""
    is_met = met(*wilson(in_time / asked, asked), share)
    return "not known" if is_met is None else "met" if is_met else "missed"


def why_not_known(in_time: int, asked: int, share: float | None) -> str:
    """Empty where the verdict is known, or nobody judges."""
    if share is None or verdict(in_time, asked, share) != "not known":
        return ""
    low, high = wilson(in_time / asked, asked)
    return (
        f"{percent(in_time / asked)} of {asked:,} {'was' if asked == 1 else 'were'} in time, and "
        f"{percent(share)} is asked for: so few tell only that it is from {percent(low)} to {percent(high)}"
    )


def cause(row: Mapping[str, Any]) -> str:
    """Of a row of a digest's customers: what most of those missed their target by; empty where none did."""
    outcomes, counts = row["outcomes"], dict(row.get("causes") or {})
    n_judged = sum(counts.values())
    counts |= {name: n for name in (REFUSED, UNANSWERED) if (n := outcomes[name])}
    n_late = outcomes[MISSED]
    if row.get("asked_for") is None or not (n_late or counts):
        return ""
    if n_late and not n_judged and n_late >= max(counts.values(), default=0):
        return f"not known yet: of {n_late:,} late so far it is not known where the time went"
    name = max(counts, key=lambda each: counts[each])
    return f"{WORDS.get(name, name)} ({counts[name]:,} of {sum(counts.values()):,})"
