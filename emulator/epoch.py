"""The snapshot that passes from geometry to the emulated network.

Node indices run over satellites first (by plane, then slot), then gateways in
the order of the scenario.  All arrays are read-only once they are in an Epoch.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import IntEnum
from functools import cached_property
from itertools import pairwise
from typing import Self

import numpy as np
from numpy.typing import NDArray

from .arrays import pair_keys
from .compiled import f64, function, i32, size, u8
from .known_names import KnownAs
from .node_names import NodeIndex, NodeNames

UInt8 = NDArray[np.uint8]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
Float32 = NDArray[np.float32]
UInt64 = NDArray[np.uint64]
Float64 = NDArray[np.float64]
Bool = NDArray[np.bool_]

UNREACHABLE = -1
UNUSED = -1
NO_WAY = 255
LEAST_LASER_SLOTS = 4
NS_PER_S = 1_000_000_000


class LinkKind(IntEnum):
    LASER = 0
    GROUND = 1


@dataclass(frozen=True, eq=False)
class Nodes:
    """Who is in the mesh.

    ``shell``, ``plane`` and ``slot`` are (n_satellites,) int32; planes number on across shells.
    ``names`` may be a ``NodeNames``, which writes none of them down; ``index`` is its inverse.
    ``known_as`` are names that satellites have from a file beside their own.
    """

    names: Sequence[str]
    n_satellites: int
    shell: Int32
    plane: Int32
    slot: Int32
    known_as: KnownAs = field(default_factory=KnownAs, repr=False)
    index: Mapping[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        named = self.names
        index = (
            NodeIndex(named) if isinstance(named, NodeNames) else {name: i for i, name in enumerate(named)}
        )
        object.__setattr__(self, "index", index)

    def __len__(self) -> int:
        return len(self.names)

    def named(self, name: str) -> int:
        """Index of the node that is meant by a name, its own or a file's, or -1; InputError: by many."""
        own = self.index.get(name, -1)
        return own if own >= 0 else self.known_as.one(name)

    def own_name(self, name: str) -> str:
        """A node's own name by any of its names; what is no node's is given back."""
        found = self.named(name)
        return self.names[found] if found >= 0 else name

    @property
    def n_gateways(self) -> int:
        return len(self.names) - self.n_satellites

    def is_gateway(self, node: int) -> bool:
        return node >= self.n_satellites


@dataclass(frozen=True, eq=False)
class Links:
    """Every link that exists at an instant; a struct of (n,) arrays sorted by ``(a, b)``, a < b.

    ``delay_ns`` is one way (range / c) at the epoch's instant, and
    ``delay_slope_ns_per_s`` how it changes (range rate / c).  Rates are
    physical, one per direction; the scenario's ``rate_scale`` is applied where
    the emulated network is made.  ``up``: False where a link has failed and the
    routes do not know yet (None: all are up).  ``broken``: keys, rising, of
    those that failed and are in the epoch no more: nothing lingers on them.
    ``loss_ratio``: of those that lose otherwise than the scenario's links do,
    NaN for the others (None: for all).
    """

    a: Int32
    b: Int32
    kind: NDArray[np.uint8]
    delay_ns: Float64
    delay_slope_ns_per_s: Float64
    rate_ab_bps: Int64
    rate_ba_bps: Int64
    up: Bool | None = None
    broken: Int64 | None = None
    loss_ratio: Float64 | None = None

    def __len__(self) -> int:
        return len(self.a)

    def key(self) -> Int64:
        """(n,) int64, one number per pair of nodes, rising."""
        return pair_keys(self.a, self.b)

    def find(self, u: int, v: int) -> int:
        """Row of the link between two nodes, or -1."""
        low, high = min(u, v), max(u, v)
        first, last = np.searchsorted(self.a, np.array([low, low + 1], self.a.dtype)).tolist()
        row = first + int(np.searchsorted(self.b[first:last], np.array(high, self.b.dtype)))
        return row if row < last and self.b[row] == high else -1

    def along(self, path: Sequence[int]) -> Int64:
        """(hops,) int64: the rows of the links along a path; KeyError where one is missing."""
        rows = [self.find(u, v) for u, v in pairwise(path)]
        for hop, row in enumerate(rows):
            if row < 0:
                raise KeyError(f"no link between nodes {path[hop]} and {path[hop + 1]}")
        return np.array(rows, np.int64)


@dataclass(frozen=True, eq=False)
class Ports:
    """By which port a node sends to which neighbour.

    A port code below ``laser_slots`` is the slot of a laser, that is, which of
    the satellite's terminals points there; from there on it is a place among
    the node's ground links, in order of their far ends.  A laser keeps its
    slots at both ends for as long as it is there.

    ``laser_neighbour`` and ``laser_row``, (n_satellites, laser_slots) int32:
    who is at the far end, and the row in the epoch's links; UNUSED where the
    slot has no link.  ``ground_first`` (n_nodes + 1,): node n's ground links
    are ``ground_neighbour`` and ``ground_row`` (m,) from ground_first[n] up to
    ground_first[n + 1].
    """

    laser_neighbour: Int32
    laser_row: Int32
    ground_first: Int32
    ground_neighbour: Int32
    ground_row: Int32

    @property
    def n_satellites(self) -> int:
        return len(self.laser_neighbour)

    @property
    def n_nodes(self) -> int:
        return len(self.ground_first) - 1

    @property
    def laser_slots(self) -> int:
        return int(self.laser_neighbour.shape[1])

    @classmethod
    def of(cls, links: Links, n_satellites: int, n_nodes: int) -> Ports:
        """Slots given out by the index of the neighbour: for one epoch, with no thought of the next."""
        rows = np.flatnonzero(links.b < n_satellites)
        here = np.concatenate([links.a[rows], links.b[rows]])
        there = np.concatenate([links.b[rows], links.a[rows]])
        order = np.lexsort((there, here))
        slot = np.arange(len(order)) - np.searchsorted(here[order], here[order])
        shape = (n_satellites, max(LEAST_LASER_SLOTS, int(slot.max(initial=-1)) + 1))
        neighbour, row = np.full(shape, UNUSED, np.int32), np.full(shape, UNUSED, np.int32)
        neighbour[here[order], slot] = there[order]
        row[here[order], slot] = np.concatenate([rows, rows])[order]
        return cls(neighbour, row, *ground_ports(links, n_satellites, n_nodes))


def ground_ports(links: Links, n_satellites: int, n_nodes: int) -> tuple[Int32, Int32, Int32]:
    """``ground_first``, ``ground_neighbour`` and ``ground_row`` of Ports."""
    rows = np.flatnonzero(links.b >= n_satellites).astype(np.int32)
    here = np.concatenate([links.a[rows], links.b[rows]])
    there = np.concatenate([links.b[rows], links.a[rows]])
    order = np.lexsort((there, here))
    first = np.zeros(n_nodes + 1, np.int32)
    np.cumsum(np.bincount(here, minlength=n_nodes), out=first[1:])
    return first, there[order], np.concatenate([rows, rows])[order]


@dataclass(frozen=True, eq=False)
class RouteRows:
    """``code[d, n]``: the port by which node n sends towards ``destinations[d]``.

    ``destinations`` is (n_dest,) int32 node indices, rising; ``code`` is
    (n_dest, n_nodes) uint8, NO_WAY where there is none and at the destination
    itself.
    """

    destinations: Int32
    code: UInt8

    def joined(self, more: RouteRows) -> Self:
        """These and those to other destinations."""
        destinations = np.concatenate([self.destinations, more.destinations])
        order = np.argsort(destinations)
        destinations, code = destinations[order], np.concatenate([self.code, more.code])[order]
        destinations.flags.writeable = code.flags.writeable = False
        return replace(self, destinations=destinations, code=code)


@dataclass(frozen=True, eq=False)
class Routes(RouteRows):
    """Those of an epoch, with the ports that the codes are of."""

    ports: Ports

    @classmethod
    def from_next_nodes(
        cls, destinations: Int32, next_node: Int32, links: Links, n_satellites: int
    ) -> Routes:
        """Routes of one's own making: ``next_node`` as below.  ValueError where that is no neighbour."""
        ports = Ports.of(links, n_satellites, next_node.shape[1])
        leads_to = _neighbours(ports)
        code = np.full(next_node.shape, NO_WAY, np.uint8)
        for port in reversed(range(leads_to.shape[1])):
            there = (next_node == leads_to[:, port]) & (next_node != UNREACHABLE)
            np.copyto(code, np.uint8(port), where=there)
        lost = np.argwhere((code == NO_WAY) & (next_node != UNREACHABLE))
        if len(lost):
            row, node = lost[0].tolist()
            raise ValueError(f"node {node} is to send to {next_node[row, node]}, which no link joins it to")
        return cls(destinations, code, ports)

    @cached_property
    def next_node(self) -> Int32:
        """(n_dest, n_nodes) int32: to whom each node sends, UNREACHABLE where there is no way.

        Four times as large as the codes: for meshes of some thousand nodes.
        """
        leads_to = _neighbours(self.ports)
        leads_to = np.column_stack([leads_to, np.full(len(leads_to), UNREACHABLE, np.int32)])
        port = np.minimum(self.code, leads_to.shape[1] - 1)
        found: Int32 = leads_to[np.arange(len(leads_to)), port]
        found.flags.writeable = False
        return found

    def row(self, destination: int) -> int | None:
        """The row of a destination; None: nobody has asked for routes there."""
        row = int(np.searchsorted(self.destinations, destination))
        there = row < len(self.destinations) and self.destinations[row] == destination
        return row if there else None


def _neighbours(ports: Ports) -> Int32:
    """(n_nodes, n_ports) int32: to whom each port of each node leads, UNUSED where there is none."""
    degree = np.diff(ports.ground_first)
    shape = (ports.n_nodes, ports.laser_slots + int(degree.max(initial=0)))
    leads_to = np.full(shape, UNUSED, np.int32)
    leads_to[: ports.n_satellites, : ports.laser_slots] = ports.laser_neighbour
    node = np.repeat(np.arange(ports.n_nodes), degree)
    place = np.arange(len(node)) - ports.ground_first[node]
    leads_to[node, ports.laser_slots + place] = ports.ground_neighbour
    return leads_to


_PORTS = (size, size, i32, i32, i32, i32, i32)
_walk = function("walk", *_PORTS, u8, size, size, size, i32, i32, result=size)
_way_costs = function(
    "way_costs", *_PORTS, u8, size, f64, size, i32, f64, f64, i32, ctypes.c_void_p, ctypes.c_void_p
)


@dataclass(frozen=True, eq=False)
class Way:
    """``nodes`` from source to destination, both included, and the (hops,) rows of the links between them."""

    nodes: tuple[int, ...]
    rows: Int32


@dataclass(frozen=True, eq=False)
class Platforms:
    """Power and heat of all satellites, (n_satellites,) each: states at the epoch's instant, powers as means
    of the step that ends there.

    ``capacity_ratio``: the rate of computing that is possible, over that at peak power; ``cause``: what holds
    it below what was asked for, a number of ``platform.CAUSES``; ``measured``: 1 where what accelerators
    reported is in it, which depends on the host, 0 where it follows from scenario and seed alone.
    """

    sunlit_ratio: Float32
    battery_j: Float32
    temperature_k: Float32
    demand_w: Float32  # of the computers
    compute_w: Float32
    power_w: Float32  # of computers and bus
    capacity_ratio: Float32
    cause: UInt8
    measured: UInt8


@dataclass(frozen=True, eq=False)
class Epoch:
    """The mesh at one instant.

    ``positions_itrs_km`` is (n_nodes, 3) float64, Earth-fixed.  ``platforms``: where the scenario has them.
    """

    number: int
    sim_ns: int
    positions_itrs_km: Float64
    links: Links
    routes: Routes
    platforms: Platforms | None = None

    @property
    def n_bytes(self) -> int:
        """Of all its arrays."""
        parts: tuple[Links | Ports | Platforms, ...] = (self.links, self.routes.ports)
        if self.platforms is not None:
            parts += (self.platforms,)
        arrays = (getattr(part, each.name) for part in parts for each in fields(part))
        n_bytes = sum(int(array.nbytes) for array in arrays if array is not None)
        return n_bytes + self.positions_itrs_km.nbytes + self.routes.code.nbytes

    def way(self, source: int, destination: int) -> Way | None:
        """As routed now; None: there is no way, or nobody has asked for routes there."""
        if source == destination:
            return Way((source,), np.empty(0, np.int32))
        row = self.routes.row(destination)
        if row is None:
            return None
        most = 1024
        while True:
            nodes, rows = np.empty(most + 1, np.int32), np.empty(most, np.int32)
            code = self.routes.code[row]
            hops = _walk(*self._ports(), code, source, destination, most, nodes, rows)
            if hops >= 0:
                return Way(tuple(nodes[: hops + 1].tolist()), rows[:hops])
            if most >= self.routes.ports.n_nodes:
                return None
            most = min(16 * most, self.routes.ports.n_nodes)

    def path(self, source: int, destination: int) -> tuple[int, ...] | None:
        """Node indices from source to destination as routed now, both included; None: there is no way."""
        way = self.way(source, destination)
        return None if way is None else way.nodes

    def way_delays_ns(self, sources: Int32, destinations: Int32, marks: UInt64 | None = None) -> Float64:
        """(n_destinations, n_sources) float64: one way, as routed; inf where there is no way.

        ``marks``, of the same shape, is filled with a number for each way that goes by its nodes alone, 0 for
        none.  KeyError for a destination that nobody has asked routes for.
        """
        n_nodes = self.routes.ports.n_nodes
        delay_ns = np.empty((len(destinations), len(sources)))
        known, trail = np.full(n_nodes, np.nan), np.empty(n_nodes, np.int32)
        known_marks = np.empty(0 if marks is None else n_nodes, np.uint64)
        sources = np.ascontiguousarray(sources, np.int32)
        for at, destination in enumerate(destinations.tolist()):
            row = self.routes.row(destination)
            if row is None:
                raise KeyError(f"there are no routes to node {destination}")
            code, cost = self.routes.code[row], self.links.delay_ns
            told = (None, None) if marks is None else (marks[at].ctypes.data, known_marks.ctypes.data)
            _way_costs(
                *self._ports(),
                code,
                destination,
                cost,
                len(sources),
                sources,
                delay_ns[at],
                known,
                trail,
                *told,
            )
        return delay_ns

    def _ports(self) -> tuple[int, int, Int32, Int32, Int32, Int32, Int32]:
        p = self.routes.ports
        return (
            p.n_satellites, p.laser_slots,
            p.laser_neighbour, p.laser_row, p.ground_first, p.ground_neighbour, p.ground_row,
        )  # fmt: skip

    def path_delay_ns(self, path: tuple[int, ...], at_sim_ns: int | None = None) -> float:
        """One-way propagation delay along a path; at another instant by the links' slopes."""
        ahead_s = 0.0 if at_sim_ns is None else (at_sim_ns - self.sim_ns) / NS_PER_S
        rows = self.links.along(path)
        return float((self.links.delay_ns[rows] + self.links.delay_slope_ns_per_s[rows] * ahead_s).sum())

    def narrowest_rate_bps(self, path: tuple[int, ...]) -> int:
        """Physical rate of the narrowest link along a path, in its direction; 0 for a path of one node."""
        rows = self.links.along(path)
        forwards = self.links.a[rows] == np.array(path[:-1], np.int64)
        rates = np.where(forwards, self.links.rate_ab_bps[rows], self.links.rate_ba_bps[rows])
        return int(min(rates, default=0))
