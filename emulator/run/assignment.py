"""Who measures whom, and who serves whom: the nearest by path delay.  Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..epoch import UNREACHABLE, Bool, Epoch, Float64, Int32


def path_delays_ns(epoch: Epoch, destinations: Int32) -> Float64:
    """One-way delay of the routed path from every node to each destination.

    Returns (n_destinations, n_nodes) float64, ns; inf where there is no way.
    The destinations must be routed ones.
    """
    next_node = epoch.routes.next_node[np.searchsorted(epoch.routes.destinations, destinations)]
    n_nodes = next_node.shape[1]
    here = np.broadcast_to(np.arange(n_nodes), next_node.shape)
    routed = next_node != UNREACHABLE
    low, high = np.minimum(here, next_node)[routed], np.maximum(here, next_node)[routed]
    row = np.searchsorted(epoch.links.key(), (low.astype(np.int64) << 32) | high)
    cost = np.full(next_node.shape, np.inf)
    cost[routed] = epoch.links.delay_ns[row]
    np.put_along_axis(cost, destinations[:, None].astype(np.int64), 0.0, axis=1)
    # each round doubles how far along its path a node has summed; the destination is its own next node
    step = np.where(routed, next_node, here)
    for _ in range(n_nodes.bit_length()):
        cost = cost + np.take_along_axis(cost, step, axis=1)
        following = np.take_along_axis(step, step, axis=1)
        if np.array_equal(following, step):
            break
        step = following
    return cost


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
    delay_ns = path_delays_ns(epoch, gateways)[:, satellites]
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
