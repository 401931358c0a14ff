"""Which satellites a ground station is linked to.

``nearest`` depends on the instant alone.  ``longest-visibility`` holds a
satellite until it has set, and then takes the one that stays longest: what it
chooses depends on what it held before, which is passed in and handed back.

A selection is what is linked *now*, and only that is in an Epoch.
Make-before-break and break-before-make have the same epochs; they are how the
emulated network gets from one to the next.  With make-before-break it brings
the new link up, moves the routes, and keeps the link that is given up for
``ground.overlap``.  A satellite is given up at the first epoch at which it is
not visible, so its link lives up to one step and the overlap below the mask:
at 550 km and a mask of 25° it sinks by 0.2° a second.

Stations choose each for itself: one satellite may serve several of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..epoch import Float64, Int32, Int64
from .visibility import Sight

# (stations (p,) int64, satellites (p,) int64) -> for how long each pair stays visible, (p,) float64 ns
Remaining = Callable[[Int64, Int64], Float64]


@dataclass(frozen=True)
class Selection:
    """Per station, the satellites it is linked to, rising."""

    satellites: tuple[tuple[int, ...], ...]

    @classmethod
    def nothing(cls, n_stations: int) -> Selection:
        return cls(((),) * n_stations)

    def pairs(self) -> Int32:
        """(l, 2) int32: satellite, station."""
        found = [(satellite, row) for row, held in enumerate(self.satellites) for satellite in held]
        return np.array(found, np.int32).reshape(-1, 2)


def select(
    previous: Selection,
    policy: Literal["nearest", "longest-visibility"],
    antennas: tuple[int, ...],
    sight: Sight,
    remaining: Remaining,
) -> Selection:
    """The selection that follows ``previous`` when stations see what is in ``sight``.  Pure.

    ``nearest``: the nearest visible satellites, as many as there are antennas,
    ties by index.  ``longest-visibility``: those held that are still visible,
    and on free antennas those that stay longest from now, ties by range, then
    index; ``remaining`` is asked only about stations with a choice to make.
    """
    if policy == "nearest":
        chosen = []
        for row, free in enumerate(antennas):
            seen, range_km = sight.of(row)
            chosen.append(_least(seen, free, range_km))
        return Selection(tuple(chosen))
    kept = [
        tuple(satellite for satellite in held if _is_in(satellite, sight.of(row)[0]))
        for row, held in enumerate(previous.satellites)
    ]
    offered: list[tuple[int, Int32, Float64]] = []
    for row, (held, free) in enumerate(zip(kept, antennas, strict=True)):
        if len(held) == free:
            continue
        seen, range_km = sight.of(row)
        is_other = np.isin(seen, held, invert=True)
        others = seen[is_other]
        if len(held) + len(others) <= free:  # room for all
            kept[row] = tuple(sorted((*held, *others.tolist())))
        else:
            offered.append((row, others, range_km[is_other]))
    if offered:
        rows = np.concatenate([np.full(len(others), row) for row, others, _ in offered])
        stays_ns = remaining(rows, np.concatenate([others for _, others, _ in offered]).astype(np.int64))
        for row, others, range_km in offered:
            free = antennas[row] - len(kept[row])
            longest = _least(others, free, -stays_ns[rows == row], range_km)
            kept[row] = tuple(sorted((*kept[row], *longest)))
    return Selection(tuple(kept))


def _is_in(satellite: int, seen: Int32) -> bool:
    at = int(np.searchsorted(seen, satellite))
    return at < len(seen) and int(seen[at]) == satellite


def _least(satellites: Int32, count: int, *keys: Float64) -> tuple[int, ...]:
    """The ``count`` satellites of the least first key, then second key, then index; rising."""
    columns: list[Int32 | Float64] = [satellites, *reversed(keys)]
    order = np.lexsort(columns)[:count]
    return tuple(sorted(satellites[order].tolist()))
