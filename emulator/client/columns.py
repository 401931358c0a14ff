"""Epochs of a mesh elsewhere, from the columns that its API tells: the same arrays as there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from ..arrays import Bool, Float64, Int32, Int64, pair_keys
from ..epoch import UNREACHABLE, Epoch, Links, Platforms, Routes

_LINK_KINDS = {
    "a_node": np.int32, "b_node": np.int32, "kind": np.uint8, "delay_ns": np.float64,
    "delay_slope_ns_per_s": np.float64, "rate_ab_bps": np.int64, "rate_ba_bps": np.int64, "is_up": np.bool_,
}  # fmt: skip
_MOVED = ("delay_ns", "delay_slope_ns_per_s")


class Columns:
    """``take`` each update in turn; an Epoch once all its parts have come."""

    def __init__(self, n_satellites: int) -> None:
        self._n_satellites = n_satellites
        self._parts: list[Any] = []
        self._links: dict[str, np.ndarray] = {}
        self._key: Int64 = np.empty(0, np.int64)  # of the links, rising
        self._next_node: dict[int, Int32] = {}  # by destination
        self._position_km: Float64 = np.empty((0, 3))
        self._platforms: dict[str, np.ndarray] = {}

    def take(self, update: Any) -> Epoch | None:
        is_state = update.HasField("state")
        if update.part == 0:
            self._parts.clear()
        self._parts.append(update.state if is_state else update.diff)
        if update.part + 1 < update.parts:
            return None
        if is_state:
            self._begin(sum(len(part.node_names) for part in self._parts))
        else:
            self._remove()
        self._lay([part.links for part in self._parts])
        for part in self._parts:
            if not is_state:
                self._move(part.moved)
            self._route(part.routes)
            self._place(part)
        self._parts.clear()
        return self._epoch(update.epoch_number, update.sim_ns)

    def _begin(self, n_nodes: int) -> None:
        self._links = {name: np.empty(0, kind) for name, kind in _LINK_KINDS.items()}
        self._key = np.empty(0, np.int64)
        self._next_node.clear()
        self._position_km = np.full((n_nodes, 3), np.nan)
        self._platforms = {}

    def _remove(self) -> None:
        gone = [_keys(part.removed_a_node, part.removed_b_node) for part in self._parts]
        self._keep(~np.isin(self._key, np.concatenate(gone)))

    def _keep(self, which: Bool) -> None:
        self._key = self._key[which]
        self._links = {name: column[which] for name, column in self._links.items()}

    def _lay(self, told: Sequence[Any]) -> None:
        """Rows that are new, or stand in place of those that are there."""
        more = {
            name: np.concatenate([np.array(getattr(each, name), kind) for each in told])
            for name, kind in _LINK_KINDS.items()
        }
        more["kind"] -= 1  # there LASER is 1
        key = pair_keys(more["a_node"], more["b_node"])
        self._keep(~np.isin(self._key, key))
        joined = np.concatenate([self._key, key])
        order = np.argsort(joined)
        self._key = joined[order]
        for name, column in more.items():
            self._links[name] = np.concatenate([self._links[name], column])[order]

    def _move(self, told: Any) -> None:
        row = np.searchsorted(self._key, _keys(told.a_node, told.b_node))
        for name in _MOVED:
            column = self._links[name].copy()  # one that was given away stays as it was
            column[row] = getattr(told, name)
            self._links[name] = column

    def _route(self, told: Any) -> None:
        at, destination, to = (
            np.array(column, np.int32) for column in (told.at_node, told.destination_node, told.next_node)
        )
        for node in np.unique(destination).tolist():
            mine = destination == node
            row = self._next_node.get(node)
            row = np.full(len(self._position_km), UNREACHABLE, np.int32) if row is None else row.copy()
            row[at[mine]] = to[mine]
            self._next_node[node] = row

    def _place(self, part: Any) -> None:
        if n := len(part.positions.x_itrs_km):
            first, where = part.positions.first_node, self._position_km.copy()
            for axis, name in enumerate(("x_itrs_km", "y_itrs_km", "z_itrs_km")):
                where[first : first + n, axis] = getattr(part.positions, name)
            self._position_km = where
        if n := len(part.platforms.sunlit_ratio):
            first = part.platforms.first_node
            for each in fields(Platforms):
                kind = np.uint8 if each.name in ("cause", "measured") else np.float32
                whole = self._platforms.get(each.name)
                whole = np.zeros(self._n_satellites, kind) if whole is None else whole.copy()
                whole[first : first + n] = getattr(part.platforms, each.name)
                self._platforms[each.name] = whole

    def _epoch(self, number: int, sim_ns: int) -> Epoch:
        of = self._links
        up = of["is_up"]
        links = Links(
            of["a_node"], of["b_node"], of["kind"], of["delay_ns"], of["delay_slope_ns_per_s"],
            of["rate_ab_bps"], of["rate_ba_bps"], None if up.all() else up,
        )  # fmt: skip
        destinations = np.array(sorted(self._next_node), np.int32)
        rows = [self._next_node[node] for node in destinations.tolist()]
        next_node = np.array(rows, np.int32).reshape(len(rows), len(self._position_km))
        routes = Routes.from_next_nodes(destinations, next_node, links, self._n_satellites)
        platforms = Platforms(**self._platforms) if self._platforms else None
        return Epoch(number, sim_ns, self._position_km, links, routes, platforms)


def _keys(a: Any, b: Any) -> Int64:
    return pair_keys(np.array(a, np.int32), np.array(b, np.int32))
