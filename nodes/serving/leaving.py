"""Which requests a satellite cannot answer to the end, and when they have to leave.  Pure.

The run says until when a satellite serves the customers of a gateway (power, heat, sight), and who would go
on (``Leave``); the node knows its requests.  One that would be finished by then stays.  The others leave as
late as is safe: all caches of those that must go to one satellite have to be there by then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

NS_PER_S = 1_000_000_000
MARGIN_NS = NS_PER_S  # before the end: epochs are as far apart, and what is foreseen may come sooner
_SAFE = 1.5  # times what the caches take at the rate of the narrowest link: others send too
RULES = ("move", "refuse")


@dataclass(frozen=True)
class Target:
    """``rate_bps``: of the narrowest link on the way there; 0: none, and the cache stays behind."""

    name: str
    address: str
    rate_bps: int


@dataclass(frozen=True)
class Leave:
    """``reason``: what the satellite will be; ``again_mono_ns``: when somebody serves again, if known."""

    gateway: str
    customer_class: str
    rule: str
    until_mono_ns: int
    reason: str
    again_mono_ns: int | None
    to: tuple[Target, ...]


def read_leaves(raw: Any) -> tuple[Leave, ...]:
    """ValueError, KeyError or TypeError for what the run cannot have said."""
    found = []
    for row in raw:
        leave = Leave(
            **{**row, "to": tuple(Target(**target) for target in row["to"])},
        )
        for name in ("gateway", "customer_class", "reason"):
            if not isinstance(getattr(leave, name), str):
                raise ValueError(f"{name} is {getattr(leave, name)!r}")
        if leave.rule not in RULES:
            raise ValueError(f"rule {leave.rule!r} is none of {', '.join(RULES)}")
        for name, ns in (("until_mono_ns", leave.until_mono_ns), ("again_mono_ns", leave.again_mono_ns)):
            if not (isinstance(ns, int) or (ns is None and name == "again_mono_ns")):
                raise ValueError(f"{name} is {ns!r}")
        if any(not isinstance(t.rate_bps, int) or t.rate_bps < 0 for t in leave.to):
            raise ValueError("a rate is below 0")
        found.append(leave)
    return tuple(found)


@dataclass(frozen=True)
class UnderWay:
    """A request, as far as it is."""

    left_tokens: int
    cache_bytes: int


def expected_ns(left_tokens: int, step_ns: int, *, stands_still: bool) -> int:
    """Until its last token, at the pace of the last step."""
    return 2**62 if stands_still else left_tokens * step_ns


def who_leaves(
    under_way: Sequence[UnderWay], leave: Leave, now_ns: int, step_ns: int, *, stands_still: bool
) -> list[int]:
    """Rows of those that have to leave now; none while there is time."""
    left_ns = leave.until_mono_ns - now_ns
    rows = [
        row
        for row, each in enumerate(under_way)
        if expected_ns(each.left_tokens, step_ns, stands_still=stands_still) > left_ns
    ]
    rate = leave.to[0].rate_bps if leave.to else 0
    caches_ns = sum(under_way[row].cache_bytes for row in rows) * 8 * NS_PER_S // rate if rate else 0
    return rows if left_ns <= MARGIN_NS + round(_SAFE * caches_ns) else []


def retry_ns(leave: Leave, now_ns: int) -> int | None:
    """For who is refused: when another is there to ask, or when there is one again; None: nobody knows."""
    if leave.to:
        return max(0, leave.until_mono_ns - now_ns)
    return None if leave.again_mono_ns is None else max(0, leave.again_mono_ns - now_ns)
