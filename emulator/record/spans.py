"""An epoch in force: how each pair is routed in it, and the least time its links allow.  Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ..course import Course
from ..epoch import NS_PER_S, Epoch, Float64, Int64
from ..errors import RunError


@dataclass(frozen=True, eq=False)
class Way:
    """A routed path in one epoch: its nodes, and per hop delay, slope and physical rate, each (hops,)."""

    nodes: tuple[int, ...]
    delay_ns: Float64
    slope_ns_per_s: Float64
    rate_bps: Int64
    text: str  # node names joined by ">"

    @property
    def hops(self) -> int:
        return len(self.nodes) - 1

    def propagation_ns(self, ahead_s: float) -> float:
        """One way, that long after the epoch's instant."""
        return float(self.delay_ns.sum() + self.slope_ns_per_s.sum() * ahead_s)

    def least_ns(self, from_s: float, to_s: float) -> float:
        """The least that a packet can take which crosses each hop at some instant of the interval."""
        at = np.minimum(
            self.delay_ns + self.slope_ns_per_s * from_s, self.delay_ns + self.slope_ns_per_s * to_s
        )
        return float(np.maximum(at, 0.0).sum())


@dataclass(eq=False)
class Span:
    """An epoch, how emulated time went from it on, and when it came into force; looks paths up once."""

    epoch: Epoch
    course: Course
    began_mono_ns: int
    in_force_mono_ns: int
    names: Sequence[str]
    _ways: dict[tuple[int, int], Way | None] = field(default_factory=dict, repr=False)

    def ahead_s(self, mono_ns: int) -> float:
        """Of emulated time, since the epoch's instant."""
        return (self.course.sim_at(mono_ns) - self.epoch.sim_ns) / NS_PER_S

    def turned(self, course: Course, began_mono_ns: int, in_force_mono_ns: int) -> Span:
        """The same epoch, and time on another course."""
        return Span(self.epoch, course, began_mono_ns, in_force_mono_ns, self.names, self._ways)

    def way(self, source: int, destination: int) -> Way | None:
        """As routed in this epoch; None where there is no way."""
        pair = (source, destination)
        if pair not in self._ways:
            self._ways[pair] = self._look_up(source, destination)
        return self._ways[pair]

    def _look_up(self, source: int, destination: int) -> Way | None:
        way = self.epoch.way(source, destination)
        if way is None:
            return None
        links, nodes = self.epoch.links, way.nodes
        here, there, row = np.array(nodes[:-1]), np.array(nodes[1:]), way.rows
        link = np.minimum(row, len(links) - 1)
        joins = (links.a[link] == np.minimum(here, there)) & (links.b[link] == np.maximum(here, there))
        joins &= link == row
        if not joins.all():
            hop = int(np.argmin(joins))
            raise RunError(
                f"epoch {self.epoch.number} routes {self.names[source]} to {self.names[destination]} over "
                f"{self.names[nodes[hop]]} and {self.names[nodes[hop + 1]]}, which no link joins"
            )
        rate = np.where(here < there, links.rate_ab_bps[row], links.rate_ba_bps[row])
        return Way(
            nodes,
            links.delay_ns[row],
            links.delay_slope_ns_per_s[row],
            rate,
            ">".join(self.names[n] for n in nodes),
        )

    def least_link_delays_ns(self, sent_mono_ns: int, done_mono_ns: int) -> Float64:
        links = self.epoch.links
        sent, done = (
            links.delay_ns + links.delay_slope_ns_per_s * self.ahead_s(t)
            for t in (sent_mono_ns, done_mono_ns)
        )
        return np.maximum(np.minimum(sent, done), 0.0)


def least_routed_ns(
    spans: Sequence[Span], source: int, destination: int, interval: tuple[int, int]
) -> float | None:
    ways = [(span, span.way(source, destination)) for span in spans]
    return min(
        (
            way.least_ns(span.ahead_s(interval[0]), span.ahead_s(interval[1]))
            for span, way in ways
            if way is not None
        ),
        default=None,
    )


def shortest_ns(
    spans: Sequence[Span], source: int, destination: int, interval: tuple[int, int]
) -> float | None:
    """One way over all links of all these epochs, each at its least; None where nothing joins the two."""
    from scipy.sparse import csr_array  # on demand: rarely needed, and slow to import
    from scipy.sparse.csgraph import dijkstra

    keys = np.concatenate([span.epoch.links.key() for span in spans])
    delays_ns = np.concatenate([span.least_link_delays_ns(*interval) for span in spans])
    order = np.lexsort((delays_ns, keys))
    key, first = np.unique(keys[order], return_index=True)
    # a stored 0 would read as "no link" once the matrix is converted
    weight = np.maximum(delays_ns[order][first], 1e-6)
    n = len(spans[0].names)
    graph = csr_array((weight, (key >> 32, key & 0xFFFFFFFF)), shape=(n, n))
    least_ns = float(dijkstra(graph, directed=False, indices=source)[destination])
    return least_ns if np.isfinite(least_ns) else None
