"""Routes by shortest path: least delay, or fewest hops with delay deciding between equals."""

from __future__ import annotations

import ctypes
import os
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from functools import cache, cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..compiled import f64, function, i32, i64, real, size, u8, u32
from ..epoch import Float64, Int32, Links, Ports, Routes, UInt8

# Two ways whose delays differ by less (30 cm of light) are equally good, and the neighbour of the lower index
# is taken: else the rounding of each tick would move packets between the two sides of a symmetric grid.
TIE_NS = 1.0
_LEAST_NS = 1e-3  # of a hop, so that the remaining distance falls with each

# Distances are whole numbers of these.  Each hop is rounded to one, so a tie is one less than TIE_NS.
_UNITS_PER_NS = 8
_TIE = int(TIE_NS * _UNITS_PER_NS) - 1

_PLAIN = False  # as on processors without AVX2
_LANES = 16  # destinations at a time
_WORTH_A_THREAD = 2_000  # nodes
_CACHE_LINE_BYTES = 64

_join_blocks = function(
    "join_blocks", size, size, i32, i32, size, i32, i32, i32, i32, u8, i32, i32, i32, i32, i32, i32, i32, i64,
    i32, result=size,
)  # fmt: skip
_weights = {
    np.uint32: function("narrow_weights", size, i32, f64, real, u32, result=size),
    np.int64: function("wide_weights", size, i32, f64, real, i64, result=size),
}
_anything = ctypes.c_void_p
_trees = function(
    "trees", size, size, size, size, size, i32, i32, i32, u8, i32, i32, i32, i32, i64, i32, i32, size,
    *[_anything] * 5, size, i32, size, size, size, _anything, u8, u8, u8, result=size,
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
        self._ports, self._weight, self._relay = ports, weight, relay
        begins = np.flatnonzero(np.diff(plane, prepend=-1)) if plane is not None else np.arange(min(n, 1))
        first = np.append(begins, n).astype(np.int32)
        sizes, blocks = np.diff(first), len(begins)
        block_of = np.repeat(np.arange(blocks, dtype=np.int32), sizes)
        shape = (n, slots)
        neighbour, slot = np.empty(shape, np.int32), np.empty(shape, np.uint8)
        near, adjacent, lone = (np.empty(n * slots, kind) for kind in (np.int32, np.int32, np.int64))
        adjacent_first, lone_first = np.empty(blocks + 1, np.int32), np.empty(blocks + 1, np.int32)
        row, near_row = np.empty(shape, np.int32), np.empty(n * slots, np.int32)
        ahead_row, closing_row = np.empty(n, np.int32), np.empty(blocks, np.int32)
        width = _join_blocks(
            n, slots, ports.laser_neighbour, ports.laser_row, blocks, first, block_of,
            neighbour, row, slot, ahead_row, closing_row, near, near_row, adjacent_first, adjacent,
            lone_first, lone, np.empty(blocks, np.int32),
        )  # fmt: skip
        self._rows = (row, near_row[: n * width], ahead_row, closing_row, ports.ground_row)
        self._mesh = (
            n, ports.n_nodes, slots, width, blocks, first, block_of, neighbour, slot, near,
            adjacent_first, adjacent, lone_first, lone, ports.ground_first, ports.ground_neighbour,
        )  # fmt: skip
        self._n_blocks, self._largest_block = blocks, int(sizes.max(initial=0))
        self._narrow = self._weights(np.uint32)
        self._lock, self._rooms = threading.Lock(), deque[_Room]()

    def grow(self, destinations: Int32, code: UInt8) -> None:
        """Fill (d, n_nodes) codes towards at most _LANES destinations."""
        if self._narrow is None or not self._grow(np.uint32, self._narrow, destinations, code):
            with self._lock:
                wide = self._wide
            self._grow(np.int64, wide, destinations, code)

    @cached_property
    def _wide(self) -> list[NDArray[Any]]:
        found = self._weights(np.int64)
        assert found is not None
        return found

    def _weights(self, kind: type[np.uint32 | np.int64]) -> list[NDArray[Any]] | None:
        """Those of each of the rows; None where one is beyond the kind."""
        made: list[NDArray[Any]] = []
        for row in self._rows:
            made.append(np.empty(row.size, kind))
            if _weights[kind](row.size, row, self._weight, _UNITS_PER_NS, made[-1]):
                return None
        return made

    def _grow(
        self, kind: type[np.uint32 | np.int64], weight: list[NDArray[Any]], destinations: Int32, code: UInt8
    ) -> bool:
        try:
            room = self._rooms.pop()
        except IndexError:
            room = _Room(self._ports.n_nodes, self._n_blocks, self._largest_block)
        is_told = _trees(
            *self._mesh, kind is np.int64, *(each.ctypes.data for each in weight),
            len(destinations), destinations, self._relay, _TIE, _PLAIN,
            room.distance(kind).ctypes.data, room.states, room.codes, code,
        )  # fmt: skip
        self._rooms.append(room)
        return bool(is_told)


class _Room:
    """To work in."""

    def __init__(self, n_nodes: int, n_blocks: int, largest_block: int) -> None:
        self._n_nodes = n_nodes
        self._distance: dict[type, NDArray[Any]] = {}
        self.states = np.empty(4 * n_blocks, np.uint8)
        self.codes = np.empty(_LANES * largest_block, np.uint8)

    def distance(self, kind: type[np.uint32 | np.int64]) -> NDArray[Any]:
        if kind not in self._distance:
            self._distance[kind] = _aligned(self._n_nodes * _LANES, kind)
        return self._distance[kind]


def _aligned(n: int, kind: type[np.uint32 | np.int64]) -> NDArray[Any]:
    """(n,) that begin with a cache line."""
    room = np.empty(n * np.dtype(kind).itemsize + _CACHE_LINE_BYTES, np.uint8)
    skip = -room.ctypes.data % _CACHE_LINE_BYTES
    return room[skip : skip + n * np.dtype(kind).itemsize].view(kind)


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(len(os.sched_getaffinity(0)), "routes")
