"""Routes by shortest path: least delay, or fewest hops with delay deciding between equals."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..compiled import f64, function, i32, i64, real, size, u8
from ..epoch import Float64, Int32, Links, Ports, Routes, UInt8

# Two ways whose delays differ by less (30 cm of light) are equally good, and the neighbour of the lower index
# is taken: else the rounding of each tick would move packets between the two sides of a symmetric grid.
TIE_NS = 1.0
_LEAST_NS = 1e-3  # of a hop, so that the remaining distance falls with each

_LANES = 8  # destinations at a time
_WORTH_A_THREAD = 2_000  # nodes
_CACHE_LINE_BYTES = 64

_grid = function("grid_of_ports", size, size, i32, i32, f64, i32, f64, u8)
_join_blocks = function("join_blocks", size, i32, size, i32, i32, i32, i32, i32, i64, i32)
_trees = function(
    "trees", size, size, size, i32, f64, u8, size, i32, i32, i32, i32, i64, i32, i32, i32, f64, size, i32,
    size, real,
    f64, u8, u8,
)  # fmt: skip


def shortest_routes(
    n_satellites: int,
    n_nodes: int,
    links: Links,
    destinations: Int32,
    metric: Literal["delay", "hops"] = "delay",
    relay: bool = False,
    *,
    ports: Ports | None = None,
    plane: Int32 | None = None,
) -> Routes:
    """From every node to each of ``destinations``, (d,) int32 rising.

    Pure, and a matter of the instant alone: no way is kept because it was
    there before.  It changes when another way has become shorter, and not for
    less than ``TIE_NS``; a path is therefore longer than the shortest by at
    most that per hop.

    The remaining distance falls with each hop, so packets cannot go in
    circles.  Unless they relay, gateways are where ways begin and end, and on
    none in between.  A link has one delay both ways.

    ``ports`` are the codes' (by default made for this one epoch); ``plane``,
    (n_satellites,) int32 rising, is an order that makes it fast and changes
    nothing else.
    """
    if ports is None:
        ports = Ports.of(links, n_satellites, n_nodes)
    code = np.empty((len(destinations), n_nodes), np.uint8)
    trees = _Trees(ports, weights(links, metric, n_nodes), plane, relay)
    batches = [slice(at, at + _LANES) for at in range(0, len(destinations), _LANES)]
    if len(batches) > 1 and n_nodes >= _WORTH_A_THREAD:
        for _ in _threads().map(lambda some: trees.grow(destinations[some], code[some]), batches):
            pass
    else:
        for some in batches:
            trees.grow(destinations[some], code[some])
    code.flags.writeable = False
    return Routes(destinations, code, ports)


def weights(links: Links, metric: Literal["delay", "hops"], n_nodes: int) -> Float64:
    """(n_links,) float64: the delay in ns; for hops, each one more that outweighs all the delay of a path.

    float64 then still tells ways apart by well below a ns up to 10,000 nodes.
    """
    delay_ns = np.maximum(links.delay_ns, _LEAST_NS)
    if metric == "delay":
        return delay_ns
    return np.asarray(delay_ns + n_nodes * max(delay_ns.max(initial=0.0), 2 * TIE_NS))


class _Trees:
    """The mesh as src/trees.c takes it."""

    def __init__(self, ports: Ports, weight: Float64, plane: Int32 | None, relay: bool) -> None:
        n, slots = ports.n_satellites, ports.laser_slots
        self._n_nodes, self._relay = ports.n_nodes, relay
        neighbour, slot = np.empty((n, slots), np.int32), np.empty((n, slots), np.uint8)
        cost = np.empty((n, slots))
        _grid(n, slots, ports.laser_neighbour, ports.laser_row, weight, neighbour, cost, slot)
        begins = np.flatnonzero(np.diff(plane, prepend=-1)) if plane is not None else np.arange(min(n, 1))
        first = np.append(begins, n).astype(np.int32)
        block_of = np.repeat(np.arange(len(begins), dtype=np.int32), np.diff(first))
        adjacent_first, adjacent = np.empty(len(first), np.int32), np.empty(n * slots, np.int32)
        lone_first, lone = np.empty(len(first), np.int32), np.empty(n * slots, np.int64)
        work = np.empty(len(begins), np.int32)
        _join_blocks(
            slots, neighbour, len(begins), first, block_of, adjacent_first, adjacent, lone_first, lone, work
        )
        self._n_blocks = len(begins)
        self._grid = (n, ports.n_nodes, slots, neighbour, cost, slot)
        self._blocks = (len(begins), first, adjacent_first, adjacent, lone_first, lone, block_of)
        self._ground = (ports.ground_first, ports.ground_neighbour, weight[ports.ground_row])

    def grow(self, destinations: Int32, code: UInt8) -> None:
        """Fill (d, n_nodes) codes towards at most _LANES destinations."""
        distance, due = _aligned(self._n_nodes * _LANES), np.empty(self._n_blocks, np.uint8)
        _trees(
            *self._grid, *self._blocks, *self._ground,
            len(destinations), destinations, self._relay, TIE_NS, distance, due, code,
        )  # fmt: skip


def _aligned(n: int) -> NDArray[np.float64]:
    """(n,) float64 that begin with a cache line."""
    room = np.empty(n + _CACHE_LINE_BYTES // 8)
    skip = -room.ctypes.data % _CACHE_LINE_BYTES // 8
    return room[skip : skip + n]


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(len(os.sched_getaffinity(0)), "routes")
