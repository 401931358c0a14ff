"""Epochs as messages: the whole state, or what turns the one before into it. ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from orbitmesh.control.v1 import control_pb2 as pb

from ...epoch import Epoch, Int64, Links, Nodes
from ...epoch.diff import link_changes, route_changes
from ...errors import InputError

#: of a part: 3 MB of links, and gRPC clients take 4 MB unless they are told otherwise
ROWS_PER_PART = 60_000
MOST_ROUTED_NODES = 20_000


@dataclass(frozen=True)
class Wanted:
    """What of an epoch a watcher is told beside its links."""

    positions: bool = False
    routes: bool = False
    platforms: bool = False

    def check(self, nodes: Nodes) -> None:
        if self.routes and len(nodes) > MOST_ROUTED_NODES:
            raise InputError(
                f"routes of {len(nodes):,} nodes are too many to watch (at most {MOST_ROUTED_NODES:,}): "
                "leave out include_routes, and ask for paths"
            )


def state_messages(number: int, epoch: Epoch, nodes: Nodes, wanted: Wanted) -> list[bytes]:
    every = np.arange(len(epoch.links))
    parts = _parts(
        names=[{"node_names": [nodes.names[i] for i in range(*chunk)]} for chunk in _chunks(len(nodes))],
        links=[{"links": _columns(epoch.links, rows)} for rows in _split(every)],
        routes=_routes(None, epoch) if wanted.routes else [],
        positions=_positions(epoch) if wanted.positions else [],
        platforms=_platforms(epoch) if wanted.platforms else [],
    )
    return _messages(number, epoch, "state", pb.EpochState, parts)


def diff_messages(number: int, old: Epoch, new: Epoch, wanted: Wanted) -> list[bytes]:
    removed, added, kept = link_changes(old, new)
    # both sorted by key: the same rows of each, in the same order
    before = np.searchsorted(old.links.key(), new.links.key()[kept])
    is_changed = _differ(old.links, before, new.links, kept)
    told = np.sort(np.concatenate([added, kept[is_changed]]))
    gone = [{"removed_a_node": old.links.a[rows].tolist(), "removed_b_node": old.links.b[rows].tolist()}
            for rows in _split(removed)]  # fmt: skip
    parts = _parts(
        gone=gone,
        links=[{"links": _columns(new.links, rows)} for rows in _split(told)],
        moved=[{"moved": _moved(new.links, rows)} for rows in _split(kept[~is_changed])],
        routes=_routes(old, new) if wanted.routes else [],
        positions=_positions(new) if wanted.positions else [],
        platforms=_platforms(new) if wanted.platforms else [],
    )
    return _messages(number, new, "diff", pb.EpochDiff, parts)


def _messages(
    number: int, epoch: Epoch, which: str, kind: Any, parts: Sequence[dict[str, Any]]
) -> list[bytes]:
    parts = parts or [{}]
    return [
        pb.WatchEpochsResponse(
            number=number, part=i, parts=len(parts), epoch_number=epoch.number, sim_ns=epoch.sim_ns,
            **{which: kind(**part)},
        ).SerializeToString()
        for i, part in enumerate(parts)
    ]  # fmt: skip


def _parts(**groups: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first of each group together where all are small, or else each on its own."""
    found = [group for group in groups.values() if group]
    if all(len(group) == 1 for group in found) and sum(_rows(group[0]) for group in found) <= ROWS_PER_PART:
        return [{key: value for group in found for key, value in group[0].items()}] if found else []
    return [part for group in found for part in group]


def _rows(part: dict[str, Any]) -> int:
    value = next(iter(part.values()))
    return len(value) if isinstance(value, list) else len(getattr(value, value.DESCRIPTOR.fields[1].name))


def _chunks(n: int) -> Iterator[tuple[int, int]]:
    for first in range(0, n, ROWS_PER_PART):
        yield first, min(first + ROWS_PER_PART, n)


def _split(rows: Int64) -> list[Int64]:
    return [rows[first:last] for first, last in _chunks(len(rows))]


def _differ(old: Links, before: Int64, new: Links, now: Int64) -> Any:
    return (
        (old.rate_ab_bps[before] != new.rate_ab_bps[now])
        | (old.rate_ba_bps[before] != new.rate_ba_bps[now])
        | (old.kind[before] != new.kind[now])
        | (_up(old, before) != _up(new, now))
    )


def _up(links: Links, rows: Int64) -> Any:
    return np.ones(len(rows), bool) if links.up is None else links.up[rows]


def _moved(links: Links, rows: Int64) -> Any:
    return pb.LinkColumns(
        a_node=links.a[rows].tolist(),
        b_node=links.b[rows].tolist(),
        delay_ns=links.delay_ns[rows].tolist(),
        delay_slope_ns_per_s=links.delay_slope_ns_per_s[rows].tolist(),
    )


def _columns(links: Links, rows: Int64) -> Any:
    columns = _moved(links, rows)
    columns.kind.extend((links.kind[rows] + 1).tolist())  # LinkKind there begins with LASER = 1
    columns.rate_ab_bps.extend(links.rate_ab_bps[rows].tolist())
    columns.rate_ba_bps.extend(links.rate_ba_bps[rows].tolist())
    columns.is_up.extend(_up(links, rows).tolist())
    return columns


def _routes(old: Epoch | None, new: Epoch) -> list[dict[str, Any]]:
    at, destination, step = route_changes(None if old is None else old.routes, new.routes)
    return [
        {
            "routes": pb.RouteColumns(
                at_node=at[rows].tolist(),
                destination_node=destination[rows].tolist(),
                next_node=step[rows].tolist(),
            )
        }
        for rows in _split(np.arange(len(at)))
    ]


def _positions(epoch: Epoch) -> list[dict[str, Any]]:
    where = epoch.positions_itrs_km
    found = []
    for first, last in _chunks(len(where)):
        x, y, z = (where[first:last, axis].tolist() for axis in range(3))
        found.append(
            {"positions": pb.PositionColumns(first_node=first, x_itrs_km=x, y_itrs_km=y, z_itrs_km=z)}
        )
    return found


def _platforms(epoch: Epoch) -> list[dict[str, Any]]:
    p = epoch.platforms
    if p is None:
        return []
    return [
        {
            "platforms": pb.PlatformColumns(
                first_node=first,
                **{each.name: getattr(p, each.name)[first:last].tolist() for each in fields(p)},
            )
        }
        for first, last in _chunks(len(p.sunlit_ratio))
    ]
