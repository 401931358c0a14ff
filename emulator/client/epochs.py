"""Epochs put together from updates: the whole state first, then what changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .results import Link, Missed, kind_of


@dataclass(frozen=True)
class Epoch:
    """The mesh at an instant.

    ``number`` to resume by.  ``links`` by pair of names, as ``Link`` sorts them; ``routes``: at a node, for a
    destination, the next node; ``positions_itrs_km`` by name: the last two where they were asked for.
    ``missed``: what came since the epoch before and was not told.
    """

    number: int
    epoch_number: int
    sim_ns: int
    links: Mapping[tuple[str, str], Link] = field(repr=False)
    routes: Mapping[tuple[str, str], str] = field(repr=False)
    positions_itrs_km: Mapping[str, tuple[float, float, float]] = field(repr=False)
    names: tuple[str, ...] = field(repr=False)  # by index
    missed: Missed | None = None
    #: pairs of nodes whose link is new, or gone, since the epoch before that was told
    added: tuple[tuple[str, str], ...] = ()
    removed: tuple[tuple[str, str], ...] = ()

    def link(self, a: str, b: str) -> Link | None:
        return self.links.get((a, b)) or self.links.get((b, a))


class Picture:
    """``take`` each update in turn; an Epoch once all its parts have come.  ``after``: where they go on."""

    def __init__(self, after: Epoch | None = None) -> None:
        self._names = [] if after is None else list(after.names)
        self._links = {} if after is None else dict(after.links)
        self._routes = {} if after is None else dict(after.routes)
        self._positions = {} if after is None else dict(after.positions_itrs_km)
        self._before = self._links
        self._missed: Missed | None = None

    def take(self, update: Any) -> Epoch | None:
        is_state = update.HasField("state")
        if update.part == 0:
            # an epoch that was given away stays as it was
            self._before = self._links
            self._links = {} if is_state else dict(self._links)
            self._routes = {} if is_state else dict(self._routes)
            self._positions = {} if is_state else dict(self._positions)
            self._names = [] if is_state else self._names
            self._missed = None
            if update.HasField("missed"):
                self._missed = Missed.of(update.missed)
        change = update.state if is_state else update.diff
        if is_state:
            self._names += change.node_names
        else:
            for pair in zip(change.removed_a_node, change.removed_b_node, strict=True):
                del self._links[self._pair(pair)]
            self._move(change.moved)
        self._lay_links(change.links)
        self._lay_routes(change.routes)
        self._place(change.positions)
        if update.part + 1 < update.parts:
            return None
        added = tuple(sorted(self._links.keys() - self._before.keys())) if self._before else ()
        removed = tuple(sorted(self._before.keys() - self._links.keys()))
        return Epoch(
            update.number, update.epoch_number, update.sim_ns, self._links, self._routes, self._positions,
            tuple(self._names), self._missed, added, removed,
        )  # fmt: skip

    def _pair(self, pair: tuple[int, int]) -> tuple[str, str]:
        return self._names[pair[0]], self._names[pair[1]]

    def _move(self, rows: Any) -> None:
        pairs = map(self._pair, zip(rows.a_node, rows.b_node, strict=True))
        for pair, delay_ns, slope in zip(pairs, rows.delay_ns, rows.delay_slope_ns_per_s, strict=True):
            old = self._links[pair]
            self._links[pair] = Link(
                *pair, old.kind, delay_ns, slope, old.rate_ab_bps, old.rate_ba_bps, old.is_up
            )

    def _lay_links(self, rows: Any) -> None:
        pairs = map(self._pair, zip(rows.a_node, rows.b_node, strict=True))
        columns = (
            map(kind_of, rows.kind), rows.delay_ns, rows.delay_slope_ns_per_s, rows.rate_ab_bps,
            rows.rate_ba_bps, rows.is_up,
        )  # fmt: skip
        for pair, *values in zip(pairs, *columns, strict=True):
            self._links[pair] = Link(*pair, *values)

    def _lay_routes(self, rows: Any) -> None:
        for at, destination, to in zip(rows.at_node, rows.destination_node, rows.next_node, strict=True):
            key = self._pair((at, destination))
            if to < 0:
                self._routes.pop(key, None)
            else:
                self._routes[key] = self._names[to]

    def _place(self, rows: Any) -> None:
        count = range(rows.first_node, rows.first_node + len(rows.x_itrs_km))
        where = zip(rows.x_itrs_km, rows.y_itrs_km, rows.z_itrs_km, strict=True)
        self._positions.update(zip(map(self._names.__getitem__, count), where, strict=True))
