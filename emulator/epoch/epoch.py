"""The snapshot of a mesh at one instant, and what is asked of the ways through it.  Pure."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, fields

import numpy as np

from ..arrays import Float64, Int32, UInt64
from ..compiled import f64, function, i32, i64, size, u8
from ..constants import NS_PER_S
from .links import Links
from .platforms import Platforms
from .ports import Ports
from .routes import Routes

_PORTS = (size, size, i32, i32, i32, i32, i32)
_walk = function("walk", *_PORTS, u8, size, size, size, i32, i32, result=size)
_way_costs = function(
    "way_costs", *_PORTS, u8, size, size, i32, i64, f64, size, i32, f64, f64, i32,
    ctypes.c_void_p, ctypes.c_void_p,
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Way:
    """``nodes`` from source to destination, both included, and the (hops,) rows of the links between them."""

    nodes: tuple[int, ...]
    rows: Int32


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
        routes, n_nodes = self.routes, self.routes.ports.n_nodes
        sources, destinations = (np.ascontiguousarray(each, np.int32) for each in (sources, destinations))
        delay_ns = np.empty((len(destinations), len(sources)))
        known, trail = np.full(n_nodes, np.nan), np.empty(n_nodes, np.int32)
        known_marks = np.empty(0 if marks is None else n_nodes, np.uint64)
        told = (None, None) if marks is None else (marks.ctypes.data, known_marks.ctypes.data)
        _way_costs(
            *self._ports(), routes.code, n_nodes, len(destinations), destinations, routes.rows(destinations),
            self.links.delay_ns, len(sources), sources, delay_ns, known, trail, *told,
        )  # fmt: skip
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
