"""What two epochs differ by: for a plane that is changed link by link.  Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import Int32, Int64
from .epoch import Epoch
from .routes import UNREACHABLE, Routes


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
    removed, added, kept = link_changes(old, new)
    node, destination, step = route_changes(None if old is None else old.routes, new.routes)
    return EpochDiff(
        removed=removed,
        added=added,
        kept=kept,
        route_node=node,
        route_destination=destination,
        route_next=step,
    )


def link_changes(old: Epoch | None, new: Epoch) -> tuple[Int64, Int64, Int64]:
    """``removed``, ``added`` and ``kept`` alone."""
    new_key = new.links.key()
    old_key = np.empty(0, np.int64) if old is None else old.links.key()
    is_kept = np.isin(new_key, old_key, assume_unique=True)
    is_removed = ~np.isin(old_key, new_key, assume_unique=True)
    return np.flatnonzero(is_removed), np.flatnonzero(~is_kept), np.flatnonzero(is_kept)


def route_changes(old: Routes | None, new: Routes) -> tuple[Int32, Int32, Int32]:
    """``route_node``, ``route_destination`` and ``route_next`` alone."""
    n_nodes = new.ports.n_nodes
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
