"""Toy epochs as a fabric takes them: with the slots of lasers, ground ports, and port codes for next hops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plane_toys as toys

from orbitmesh.emulator.epoch import UNREACHABLE, Epoch, LinkKind, Links, Nodes, Ports, Routes

SLOTS = 4
NO_WAY = 255


class Slots:
    """Gives each laser a slot at both ends, which it keeps for as long as it is there."""

    def __init__(self, mesh: Nodes) -> None:
        self.neighbour = np.full((mesh.n_satellites, SLOTS), -1, np.int32)

    def follow(self, links: Links) -> tuple[Any, Any]:
        lasers = {
            (int(links.a[row]), int(links.b[row])): row
            for row in np.flatnonzero(links.kind == LinkKind.LASER).tolist()
        }
        row = np.full(self.neighbour.shape, -1, np.int32)
        for at, slot in np.argwhere(self.neighbour >= 0).tolist():
            other = int(self.neighbour[at, slot])
            if (min(at, other), max(at, other)) not in lasers:
                self.neighbour[at, slot] = -1
        for (a, b), link in lasers.items():
            for one, other in ((a, b), (b, a)):
                if other not in self.neighbour[one]:
                    self.neighbour[one, np.flatnonzero(self.neighbour[one] < 0)[0]] = other
                row[one, np.flatnonzero(self.neighbour[one] == other)[0]] = link
        return self.neighbour.copy(), row


def ports(mesh: Nodes, links: Links, slots: Slots) -> Ports:
    neighbour, row = slots.follow(links)
    ends = [
        (at, other, link)
        for link in np.flatnonzero(links.kind == LinkKind.GROUND).tolist()
        for at, other in ((links.a[link], links.b[link]), (links.b[link], links.a[link]))
    ]
    ends.sort()
    at, other, link = (np.array([end[i] for end in ends], np.int32) for i in range(3))
    first = np.searchsorted(at, np.arange(len(mesh) + 1)).astype(np.int32)
    return Ports(neighbour, row, first, other, link)


def port_codes(mesh: Nodes, found: Ports, routes: Routes) -> Any:
    """(d, n_nodes) uint8, as a packet at a node would choose."""
    codes = np.full(routes.next_node.shape, NO_WAY, np.uint8)
    for row, at in np.argwhere(routes.next_node != UNREACHABLE).tolist():
        step = int(routes.next_node[row, at])
        if at < mesh.n_satellites and step < mesh.n_satellites:
            codes[row, at] = np.flatnonzero(found.laser_neighbour[at] == step)[0]
        else:
            first, last = found.ground_first[at : at + 2]
            codes[row, at] = SLOTS + np.flatnonzero(found.ground_neighbour[first:last] == step)[0]
    return codes


def epoch(
    mesh: Nodes,
    slots: Slots,
    pairs: Sequence[tuple[int, int]],
    number: int = 0,
    *,
    step_ns: int = 10**9,
    destinations: Sequence[int] | None = None,
    delays_ns: dict[tuple[int, int], float] | None = None,
    slope_ns_per_s: float = 0.0,
) -> Any:
    plain = toys.epoch(mesh, pairs, number, destinations, delays_ns)
    links = plain.links
    slope = np.full(len(links), slope_ns_per_s)
    links = Links(links.a, links.b, links.kind, links.delay_ns, slope, links.rate_ab_bps, links.rate_ba_bps)
    found = ports(mesh, links, slots)
    routes = Routes(plain.routes.destinations, port_codes(mesh, found, plain.routes), found)
    return Epoch(number, number * step_ns, plain.positions_itrs_km, links, routes)
