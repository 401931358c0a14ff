"""Local repair: who is next to a broken link sends another way by itself, before routes follow.  Pure.

Each node knows of its own links alone, and the routes that all go by.  For a destination behind a broken
link it takes a loop-free alternate (RFC 5286, A. Atlas and A. Zinin, 2008): a neighbour whose own way leads
neither back nor through the node behind the broken link, the one with the shortest way; where there is none,
a neighbour that is nearer to the destination than itself.  Where that is none either, packets are lost until
routes follow.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..compiled import f64, function, i32, size, u8
from ..epoch import Bool, Float64, Int32, Ports, Routes, UInt8

_repair = function(
    "repair", size, size, i32, i32, i32, i32, i32, size, size, i32, u8, u8, u8, f64, size, i32, u8, size,
    result=size,
)  # fmt: skip


def repaired(routes: Routes, cost: Float64, down: Bool, *, relay: bool) -> Routes:
    """With detours around links that are ``down``, (n_links,), as their ends know; ``cost``: of each link."""
    ports = routes.ports
    node, port = _ends(ports, down)
    if not len(node) or not len(routes.destinations):
        return routes
    code = routes.code.copy()
    changed = _repair(
        ports.n_satellites, ports.laser_slots,
        ports.laser_neighbour, ports.laser_row, ports.ground_first, ports.ground_neighbour, ports.ground_row,
        ports.n_nodes, len(routes.destinations), routes.destinations, routes.code, code,
        down.astype(np.uint8), cost, len(node), node, port, int(relay),
    )  # fmt: skip
    if not changed:
        return routes
    code.flags.writeable = False
    return replace(routes, code=code)


def _ends(ports: Ports, down: Bool) -> tuple[Int32, UInt8]:
    """The nodes next to these links, (m,), and by which port each sends into its own."""
    row = ports.laser_row
    satellite, slot = np.nonzero((row >= 0) & down[np.maximum(row, 0)])
    at = np.flatnonzero(down[ports.ground_row])
    owner = np.searchsorted(ports.ground_first, at, "right") - 1
    place = ports.laser_slots + at - ports.ground_first[owner]
    node = np.concatenate([satellite, owner]).astype(np.int32)
    return node, np.concatenate([slot, place]).astype(np.uint8)
