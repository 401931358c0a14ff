"""Who measures whom, and who serves whom: the nearest by path delay, or by a policy.  Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from .epoch import Bool, Epoch

if TYPE_CHECKING:
    from .placement.placer import Placer
    from .placement.view import Refusal


@dataclass(frozen=True)
class Leave:
    """What a satellite has begun for a class at a gateway, and cannot do from ``until_sim_ns`` on.

    ``rule``: "move" or "refuse".  ``reason``: what it will be; ``again_sim_ns``: when somebody serves again,
    if that is known.  ``to``: who would go on, and the bit/s of the narrowest link to there (0: no way).
    """

    gateway: int
    customer_class: str
    rule: str
    until_sim_ns: int
    reason: str
    again_sim_ns: int | None
    to: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Assignment:
    """``probe_gateways[satellite]``: whom it measures, nearest first; ``nearest[gateway]``: who serves it.

    ``placed[gateway][class]`` and ``refused``: where a policy of its own says who serves a class's requests.
    ``power_again``: of satellites that serve and have no power, the emulated instant from which on they will.
    ``leaves[satellite]``: for whom it ends soon.
    """

    probe_gateways: dict[int, tuple[int, ...]]
    nearest: dict[int, int | None]
    placed: Mapping[int, Mapping[str, int | None]] = field(default_factory=dict)
    refused: Mapping[int, Mapping[str, Refusal]] = field(default_factory=dict)
    power_again: Mapping[int, int | None] = field(default_factory=dict)
    leaves: Mapping[int, tuple[Leave, ...]] = field(default_factory=dict)

    def serves(self, gateway: int, customer_class: str) -> int | None:
        """Who serves a class's requests; None: nobody."""
        return self.placed.get(gateway, {}).get(customer_class, self.nearest.get(gateway))


def assign(
    epoch: Epoch,
    n_satellites: int,
    hosting: Bool,
    gateways_each: int | Literal["all"],
    placer: Placer | None = None,
) -> Assignment:
    """The assignment at an epoch, over the satellites that host a node; nodes with no way are left out.

    ``placer``: of these satellites and all gateways.
    """
    n_nodes = len(hosting)
    gateways = np.arange(n_satellites, n_nodes, dtype=np.int32)
    satellites = np.flatnonzero(hosting[:n_satellites])
    if len(gateways) == 0 or len(satellites) == 0:
        return Assignment({int(s): () for s in satellites}, {int(g): None for g in gateways})
    delay_ns = epoch.way_delays_ns(satellites.astype(np.int32), gateways)
    count = len(gateways) if gateways_each == "all" else min(gateways_each, len(gateways))
    order = np.argsort(delay_ns, axis=0, kind="stable")[:count]
    probe = {
        int(satellite): tuple(int(gateways[g]) for g in order[:, column] if np.isfinite(delay_ns[g, column]))
        for column, satellite in enumerate(satellites)
    }
    best = np.argmin(delay_ns, axis=1)
    nearest = {
        int(gateway): int(satellites[best[row]]) if np.isfinite(delay_ns[row, best[row]]) else None
        for row, gateway in enumerate(gateways)
    }
    if placer is None:
        return Assignment(probe, nearest)
    placed = placer.place(epoch, delay_ns)
    return Assignment(probe, nearest, placed.satellites, placed.refusals)
