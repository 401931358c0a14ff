"""Tells satellites for whom their service ends soon, and where what is under way would go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..assignment import Leave
from ..course import if_it_comes
from ..epoch import Nodes
from .ticks import Tick

_SAME_NS = 100_000_000  # an end that moves by less is no news

Order = Callable[..., None]  # (name, **what it is told), as NodeProcesses.serve


class LeaveOrders:
    """``mono_ns``: the machine's instant of an emulated one; ``rate_scale``: of the links' rates.

    In the conductor's thread.
    """

    def __init__(
        self,
        nodes: Nodes,
        address: Callable[[int], str],
        rate_scale: float,
        mono_ns: Callable[[int], int],
        order: Order,
    ) -> None:
        self._nodes, self._address, self._rate_scale = nodes, address, rate_scale
        self._mono_ns, self._order = mono_ns, order
        self._told: dict[int, tuple[Leave, ...]] = {}

    def tick(self, tick: Tick) -> None:
        now = tick.assignment.leaves
        for satellite in sorted(now.keys() | self._told.keys()):
            leaves = now.get(satellite, ())
            if _same(leaves, self._told.get(satellite, ())):
                continue
            self._order(self._nodes.names[satellite], leaves=[self._row(each) for each in leaves])
            self._told[satellite] = leaves
            if not leaves:
                del self._told[satellite]

    def again(self) -> None:
        """Instants are others now: all that is still to come is told once more."""
        self._told = dict.fromkeys(self._told, ())

    def _row(self, leave: Leave) -> dict[str, Any]:
        names = self._nodes.names
        again = leave.again_sim_ns
        return {
            "gateway": names[leave.gateway],
            "customer_class": leave.customer_class,
            "rule": leave.rule,
            "until_mono_ns": self._mono_ns(leave.until_sim_ns),
            "reason": leave.reason,
            "again_mono_ns": None if again is None else if_it_comes(self._mono_ns(again)),
            "to": [
                {
                    "name": names[node],
                    "address": self._address(node),
                    "rate_bps": round(bps * self._rate_scale),
                }
                for node, bps in leave.to
            ],
        }


def _same(one: tuple[Leave, ...], other: tuple[Leave, ...]) -> bool:
    return len(one) == len(other) and all(
        (a.gateway, a.customer_class, a.rule, a.reason, a.again_sim_ns, [node for node, _ in a.to])
        == (b.gateway, b.customer_class, b.rule, b.reason, b.again_sim_ns, [node for node, _ in b.to])
        and abs(a.until_sim_ns - b.until_sim_ns) < _SAME_NS
        for a, b in zip(one, other, strict=True)
    )
