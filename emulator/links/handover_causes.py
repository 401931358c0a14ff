"""Why gateways left the satellites that they left, as far as geometry and failures tell.  Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from ..epoch import Bool, Float64, Int32
from .changes import Handover
from .visibility import Stations

FAILED, SET, CHOSEN = "failed", "set", "chosen"


class Breaks(Protocol):
    """The part of a Force that is asked: what has failed, as far as routes know."""

    @property
    def antennas_lost(self) -> Int32: ...

    def hits(self, a: Int32, b: Int32) -> Bool: ...


def with_causes(
    handovers: Sequence[Handover],
    stations: Stations,
    n_satellites: int,
    position_itrs_km: Float64,
    known: Breaks | None,
) -> tuple[Handover, ...]:
    """Each with the gravest cause of those satellites that were left, by (n_nodes, 3) positions since.

    ``failed``: the satellite, the gateway, their link or an antenna had; ``set``: it was in sight no more;
    ``chosen``: it was, and another was taken.  None: no satellite was left.
    """
    pairs = [(each.gateway, satellite) for each in handovers for satellite in each.left]
    if not pairs:
        return tuple(handovers)
    gateways, satellites = np.array(pairs, np.int32).T
    stations_at = (gateways - n_satellites).astype(np.int64)
    is_in_sight = stations.margin(stations_at, position_itrs_km[satellites]) >= 0
    has_failed = np.zeros(len(pairs), np.bool_)
    if known is not None:
        has_failed = known.hits(satellites, gateways) | (is_in_sight & (known.antennas_lost[stations_at] > 0))
    found, first = list[Handover](), 0
    for each in handovers:
        mine = slice(first, first + len(each.left))
        first += len(each.left)
        cause = None
        if each.left:
            cause = FAILED if has_failed[mine].any() else CHOSEN if is_in_sight[mine].all() else SET
        found.append(replace(each, cause=cause))
    return tuple(found)
