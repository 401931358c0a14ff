"""Who measures whom, and who serves whom: the nearest by path delay.  Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..epoch import Bool, Epoch


@dataclass(frozen=True)
class Assignment:
    """``probe_gateways[satellite]``: whom it measures, nearest first; ``nearest[gateway]``: who serves it."""

    probe_gateways: dict[int, tuple[int, ...]]
    nearest: dict[int, int | None]


def assign(epoch: Epoch, n_satellites: int, hosting: Bool, gateways_each: int | Literal["all"]) -> Assignment:
    """The assignment at an epoch, over the satellites that host a node; nodes with no way are left out."""
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
    return Assignment(probe, nearest)
