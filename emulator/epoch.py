"""The snapshot that passes from geometry to the emulated network, and ``diff()``.

Node indices run over satellites first (by plane, then slot), then gateways in
the order of the scenario.  All arrays are read-only once they are in an Epoch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from .node_names import NodeIndex, NodeNames

Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]
Bool = NDArray[np.bool_]

UNREACHABLE = -1
NS_PER_S = 1_000_000_000


class LinkKind(IntEnum):
    LASER = 0
    GROUND = 1


@dataclass(frozen=True, eq=False)
class Nodes:
    """Who is in the mesh.

    ``shell``, ``plane`` and ``slot`` are (n_satellites,) int32; planes number on across shells.
    ``names`` may be a ``NodeNames``, which writes none of them down; ``index`` is its inverse.
    """

    names: Sequence[str]
    n_satellites: int
    shell: Int32
    plane: Int32
    slot: Int32
    index: Mapping[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        named = self.names
        index = (
            NodeIndex(named) if isinstance(named, NodeNames) else {name: i for i, name in enumerate(named)}
        )
        object.__setattr__(self, "index", index)

    def __len__(self) -> int:
        return len(self.names)

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
    the emulated network is made.
    """

    a: Int32
    b: Int32
    kind: NDArray[np.uint8]
    delay_ns: Float64
    delay_slope_ns_per_s: Float64
    rate_ab_bps: Int64
    rate_ba_bps: Int64

    def __len__(self) -> int:
        return len(self.a)

    def key(self) -> Int64:
        """(n,) int64, one number per pair of nodes, rising."""
        return (self.a.astype(np.int64) << 32) | self.b.astype(np.int64)

    def find(self, u: int, v: int) -> int:
        """Row of the link between two nodes, or -1."""
        return int(self._rows(np.array([u], np.int64), np.array([v], np.int64))[0])

    def along(self, path: Sequence[int]) -> Int64:
        """(hops,) int64: the rows of the links along a path; KeyError where one is missing."""
        nodes = np.array(path, np.int64)
        rows = self._rows(nodes[:-1], nodes[1:])
        for hop in np.flatnonzero(rows < 0).tolist():
            raise KeyError(f"no link between nodes {path[hop]} and {path[hop + 1]}")
        return rows

    def _rows(self, u: Int64, v: Int64) -> Int64:
        key = self.key()
        wanted = (np.minimum(u, v) << 32) | np.maximum(u, v)
        row = np.searchsorted(key, wanted)
        found = np.append(key, -1)[row] == wanted
        return np.where(found, row, -1)


@dataclass(frozen=True, eq=False)
class Routes:
    """``next_node[d, n]``: where node n sends packets for ``destinations[d]``.

    ``destinations`` is (n_dest,) int32 node indices, rising; ``next_node`` is
    (n_dest, n_nodes) int32, UNREACHABLE where there is no way and at the
    destination itself.
    """

    destinations: Int32
    next_node: Int32


@dataclass(frozen=True, eq=False)
class Epoch:
    """The mesh at one instant.

    ``positions_itrs_km`` is (n_nodes, 3) float64, Earth-fixed.
    """

    number: int
    sim_ns: int
    positions_itrs_km: Float64
    links: Links
    routes: Routes

    def path(self, source: int, destination: int) -> tuple[int, ...] | None:
        """Node indices from source to destination as routed now, both included; None: there is no way."""
        if source == destination:
            return (source,)
        row = int(np.searchsorted(self.routes.destinations, destination))
        if row >= len(self.routes.destinations) or self.routes.destinations[row] != destination:
            return None
        next_node = self.routes.next_node[row]
        path = [source]
        while path[-1] != destination:
            step = int(next_node[path[-1]])
            if step == UNREACHABLE or len(path) > len(next_node):
                return None
            path.append(step)
        return tuple(path)

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


@dataclass(frozen=True, eq=False)
class EpochDiff:
    """What turns one epoch's network into the next one's.

    ``removed`` holds rows of the old epoch's links; ``added`` and ``kept`` rows
    of the new one's.  A kept link is always given its new delay and slope (one
    vectorised write is cheaper than asking which changed).  The route arrays
    are (n,) int32: at ``route_node``, packets for ``route_destination`` now go
    to ``route_next`` (UNREACHABLE: the route is withdrawn).
    """

    removed: Int64
    added: Int64
    kept: Int64
    route_node: Int32
    route_destination: Int32
    route_next: Int32


def diff(old: Epoch | None, new: Epoch) -> EpochDiff:
    """What changed; against ``None`` (no network yet) everything is new.  Pure."""
    new_key = new.links.key()
    old_key = np.empty(0, np.int64) if old is None else old.links.key()
    is_kept = np.isin(new_key, old_key, assume_unique=True)
    node, destination, step = _route_changes(None if old is None else old.routes, new.routes)
    return EpochDiff(
        removed=np.flatnonzero(~np.isin(old_key, new_key, assume_unique=True)),
        added=np.flatnonzero(~is_kept),
        kept=np.flatnonzero(is_kept),
        route_node=node,
        route_destination=destination,
        route_next=step,
    )


def _route_changes(old: Routes | None, new: Routes) -> tuple[Int32, Int32, Int32]:
    n_nodes = new.next_node.shape[1]
    before = np.full(new.next_node.shape, UNREACHABLE, np.int32)
    withdrawn = np.empty((0, n_nodes), np.int32)
    withdrawn_destinations = np.empty(0, np.int32)
    if old is not None:
        _, in_new, in_old = np.intersect1d(new.destinations, old.destinations, return_indices=True)
        before[in_new] = old.next_node[in_old]
        gone = np.isin(old.destinations, new.destinations, invert=True)
        withdrawn, withdrawn_destinations = old.next_node[gone], old.destinations[gone]
    row, node = np.nonzero(before != new.next_node)
    gone_row, gone_node = np.nonzero(withdrawn != UNREACHABLE)
    return (
        np.concatenate([node, gone_node]).astype(np.int32),
        np.concatenate([new.destinations[row], withdrawn_destinations[gone_row]]).astype(np.int32),
        np.concatenate([new.next_node[row, node], np.full(len(gone_row), UNREACHABLE, np.int32)]),
    )
