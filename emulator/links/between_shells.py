"""Lasers between shells: from junctions of one to junctions of the next.  Pure.

Every so many satellites of a shell one is a junction: it has one terminal more,
which it points at a junction of the next shell, or of the one before; in a
shell that has both, junctions take turns.  Shells drift past each other, so a
junction holds on to the one it has for as long as the laser closes, and then
takes the nearest that is free.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..epoch import UNUSED, Float64, Int32, Int64
from ..orbit import ShellLayout
from .pattern import Joinable

_LOOKS_AT = 8  # the nearest free junctions of the other shell
_TIE_KM = 1e-6

Partners = tuple[Int64, ...]  # for each pair of shells: of each junction below, the one above that it has


@dataclass(frozen=True, eq=False)
class _Border:
    """Junctions of a shell that point at the next one, and of that one that point back; satellite indices."""

    below: Int64
    above: Int64


class Junctions:
    """Of shells in the order of the scenario; every ``every``-th satellite."""

    def __init__(self, shells: Sequence[ShellLayout], every: int) -> None:
        last = len(shells) - 1
        of_shell = [shell.first + np.arange(0, len(shell), every, dtype=np.int64) for shell in shells]
        self._borders = tuple(
            _Border(
                below=of_shell[s] if s == 0 else of_shell[s][::2],
                above=of_shell[s + 1] if s + 1 == last else of_shell[s + 1][1::2],
            )
            for s in range(last)
        )

    def nothing_held(self) -> Partners:
        return tuple(np.full(len(border.below), UNUSED, np.int64) for border in self._borders)

    def at(
        self, position_itrs_km: Float64, max_range_km: float, held: Partners, joinable: Joinable
    ) -> tuple[Int32, Partners]:
        """(m, 2) int32 pairs a < b, sorted; and the partners, which the next instant's follow from."""
        after = tuple(
            _join(border, position_itrs_km, max_range_km, partner, joinable)
            for border, partner in zip(self._borders, held, strict=True)
        )
        parts = [
            np.column_stack([border.below[partner >= 0], border.above[partner[partner >= 0]]])
            for border, partner in zip(self._borders, after, strict=True)
        ]
        pairs = np.concatenate(parts) if parts else np.empty((0, 2), np.int64)
        pairs = np.sort(pairs, axis=1)
        return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))].astype(np.int32), after


def _join(
    border: _Border, position_itrs_km: Float64, max_range_km: float, partner: Int64, joinable: Joinable
) -> Int64:
    """For each junction below its partner's row above, or UNUSED: those that still close, then new ones."""
    partner = partner.copy()
    held = np.flatnonzero(partner >= 0)
    pairs = np.column_stack([border.below[held], border.above[partner[held]]])
    partner[held[~joinable(pairs, _ranges_km(position_itrs_km, pairs))]] = UNUSED
    is_free = np.ones(len(border.above), np.bool_)
    is_free[partner[partner >= 0]] = False
    below, above = np.flatnonzero(partner < 0), np.flatnonzero(is_free)
    if len(below) == 0 or len(above) == 0:
        return partner
    count = min(_LOOKS_AT, len(above))
    from scipy.spatial import cKDTree  # on demand: slow to import, and most constellations have one shell

    range_km, found = cKDTree(position_itrs_km[border.above[above]]).query(
        position_itrs_km[border.below[below]], k=count, distance_upper_bound=max_range_km
    )
    range_km, found = range_km.reshape(-1, count), found.reshape(-1, count)
    here, place = np.nonzero(np.isfinite(range_km))
    one, other = below[here], above[found[here, place]]
    pairs = np.column_stack([border.below[one], border.above[other]])
    good = joinable(pairs, _ranges_km(position_itrs_km, pairs))
    order = np.lexsort((other, one, np.round(range_km[here, place] / _TIE_KM)))
    for row in order[good[order]].tolist():
        if partner[one[row]] < 0 and is_free[other[row]]:
            partner[one[row]] = other[row]
            is_free[other[row]] = False
    return partner


def _ranges_km(position_itrs_km: Float64, pairs: Int64) -> Float64:
    along = position_itrs_km[pairs[:, 1]] - position_itrs_km[pairs[:, 0]]
    return np.asarray(np.sqrt(np.einsum("ij,ij->i", along, along)))
