"""Into the feed: which gateways' classes are refused by the policy, why, and when to try again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..assignment import Assignment
from ..feed.feed import Feed
from .ticks import Tick


class PlacementNews:
    """``tick`` after each tick, in the conductor's thread."""

    def __init__(self, feed: Feed, names: Sequence[str]) -> None:
        self._feed, self._names = feed, names
        self._before = Assignment({}, {})

    def tick(self, tick: Tick) -> None:
        before, self._before = self._before, tick.assignment
        when = {"number": tick.epoch.number, "sim_ns": tick.epoch.sim_ns}
        for event in placement_events(before, tick.assignment, self._names):
            self._feed.put("event", event | when)


def placement_events(before: Assignment, now: Assignment, names: Sequence[str]) -> list[dict[str, Any]]:
    """Who is refused now and was not, or was for another reason; who is served again."""
    reasons = _reasons(before)
    refused = [
        {
            "gateway": names[gateway],
            "customer_class": customer_class,
            "reason": why.reason,
            "retry_sim_ns": why.retry_sim_ns,
        }
        for gateway, classes in now.refused.items()
        for customer_class, why in classes.items()
        if reasons.get((gateway, customer_class)) != why.reason
    ]
    again = [
        {"gateway": names[gateway], "customer_class": customer_class}
        for gateway, customer_class in reasons.keys() - _reasons(now).keys()
    ]
    again.sort(key=lambda each: (each["gateway"], each["customer_class"]))
    found = (("refused", refused), ("served again", again))
    return [{"event": event, "n": len(of), "of": of} for event, of in found if of]


def _reasons(assignment: Assignment) -> dict[tuple[int, str], str]:
    return {
        (gateway, customer_class): why.reason
        for gateway, classes in assignment.refused.items()
        for customer_class, why in classes.items()
    }
