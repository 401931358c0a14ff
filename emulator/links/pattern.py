"""Which satellites point a laser at which: +Grid by plane and slot, or nearest neighbours."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ..epoch import Bool, Float64, Int32, Int64, UInt8
from ..orbit import ShellLayout
from .terminals import AHEAD, BEHIND, DIAGONALS, LEFT, RIGHT

# two neighbours whose ranges differ by less are equally near, and the index decides: else those ahead and
# behind in a plane would change places with the rounding of each tick
_TIE_KM = 1e-6

# (pairs (m, 2) int64, ranges (m,) km) -> (m,) bool: whether a laser can join them
Joinable = Callable[[Int64, Float64], Bool]


def plus_grid(shells: Sequence[ShellLayout], *, diagonals: bool = False) -> tuple[Int32, UInt8]:
    """Neighbours in the plane and in the planes beside it, shell by shell; no laser joins two shells.

    Returns (m, 2) int32 pairs a < b, sorted, each once; and (m, 2) uint8, the
    terminals at both ends: of two planes they are RIGHT and LEFT.  A plane of
    two satellites has one link, one of a single satellite none; of two planes
    each satellite has up to two neighbours in the other one (wrapped both ways, unless that is the same
    one).  What neighbours across planes is ``ShellLayout.cross_plane_pairs``:
    the slot shift at the wrap, no pairs across a star's seam, and planes of
    unequal sizes.  In a formation neighbours are those of its lattice: four, and with ``diagonals`` eight.
    """
    pairs: list[Int64 | Int32] = [np.empty((0, 2), np.int64)]
    terminals: list[UInt8] = [np.empty((0, 2), np.uint8)]
    for shell in shells:
        if shell.lattice is not None:
            for steps, ends_at in _of_lattice(shell.first, shell.lattice, diagonals):
                pairs.append(steps)
                terminals.append(ends_at)
            continue
        size = np.repeat(shell.slots, shell.slots)
        first = shell.first + np.repeat(np.cumsum((0, *shell.slots[:-1])), shell.slots)
        here = shell.first + np.arange(len(shell))
        there = first + (here - first + 1) % size
        is_ring = (size > 2) | (here < there)  # a plane of two satellites has one link, of one none
        ring = np.column_stack([here, there])[is_ring]
        across = shell.cross_plane_pairs()
        for found, ends, is_turned in (
            (ring, (AHEAD, BEHIND), ring[:, 0] > ring[:, 1]),
            (across, (RIGHT, LEFT), _leads_left(shell, across)),
        ):
            at = np.tile(np.array(ends, np.uint8), (len(found), 1))
            at[is_turned] = at[is_turned, ::-1]
            pairs.append(np.sort(found, axis=1))
            terminals.append(at)
    joined, at = np.concatenate(pairs).astype(np.int32), np.concatenate(terminals)
    order = np.lexsort((joined[:, 1], joined[:, 0]))
    return joined[order], at[order]


def _of_lattice(first: int, lattice: Int32, diagonals: bool) -> Iterator[tuple[Int64, UInt8]]:
    """Pairs a step apart, direction by direction, and the terminals at their ends."""
    place = {(p, q): first + row for row, (p, q) in enumerate(lattice.tolist())}
    ways = [((1, 0), (AHEAD, BEHIND)), ((0, 1), (RIGHT, LEFT))]
    if diagonals:
        ways += [((1, 1), DIAGONALS[:2]), ((-1, 1), DIAGONALS[2:])]
    for (dp, dq), ends in ways:
        found = [(a, place[p + dp, q + dq]) for (p, q), a in place.items() if (p + dp, q + dq) in place]
        # rows are in order, so a < b
        yield np.array(found, np.int64).reshape(-1, 2), np.tile(np.array(ends, np.uint8), (len(found), 1))


def _leads_left(shell: ShellLayout, across: Int32) -> Bool:
    """(m,) bool: whether the first of each pair is in the plane after the second's, not before it."""
    plane = np.repeat(np.arange(shell.n_planes), shell.slots)
    a, b = plane[across.T - shell.first]
    if shell.n_planes > 2 or shell.star or not shell.even:
        return np.asarray(b - a > 1)  # at the wrap
    slot = across - shell.first - np.array([0, shell.slots[0]])
    return np.asarray((slot[:, 0] + shell.slot_shift[0]) % shell.slots[0] != slot[:, 1])


def nearest_neighbours(
    position_itrs_km: Float64, terminals: int, max_range_km: float, joinable: Joinable
) -> Int32:
    """Pairs by range: the shortest first, as long as both have a terminal free; (m, 2) int32 a < b, sorted.

    So a laser is mutual, no satellite has more than ``terminals``, and the
    result depends on the positions (n, 3) alone; ties (within 1 mm) by index.
    It is the result over all pairs within ``max_range_km``, though only as many
    neighbours of each satellite are looked at as can matter.  Nothing of it is
    held from one instant to the next: where satellites of different planes
    pass each other, lasers change as soon as another one is nearer.
    """
    n = len(position_itrs_km)
    if n < 2:
        return np.empty((0, 2), np.int32)
    from scipy.spatial import cKDTree  # on demand: slow to import, and most constellations need none

    tree = cKDTree(position_itrs_km)
    looked_at = np.full(n, min(n, 3 * terminals + 1))  # of each, its nearest: itself is one of them
    horizon_km = np.zeros(n)  # any neighbour not looked at is at least as far
    keys = np.empty(0, np.int64)
    again = np.arange(n)
    while True:
        for k in np.unique(looked_at[again]):
            rows = again[looked_at[again] == k]
            range_km, other = tree.query(
                position_itrs_km[rows], k=int(k), distance_upper_bound=np.nextafter(max_range_km, np.inf)
            )
            here, there = np.repeat(rows, k), other.ravel()
            real = (there < n) & (there != here)
            low, high = np.minimum(here, there)[real], np.maximum(here, there)[real]
            keys = np.union1d(keys, low.astype(np.int64) * n + high)
            horizon_km[rows] = np.inf if k == n else range_km[:, -1]
        pairs = np.column_stack(np.divmod(keys, n))
        along = position_itrs_km[pairs[:, 1]] - position_itrs_km[pairs[:, 0]]
        range_km = np.sqrt(np.einsum("ij,ij->i", along, along))
        good = joinable(pairs, range_km)
        pairs, range_km = pairs[good], range_km[good]
        order = np.lexsort((pairs[:, 1], pairs[:, 0], np.round(range_km / _TIE_KM)))
        taken, full_km = _match(pairs[order], range_km[order], n, terminals)
        # a neighbour not looked at could have come in before the last terminal was taken
        again = np.flatnonzero(horizon_km <= full_km + _TIE_KM)
        again = again[np.isfinite(horizon_km[again])]
        if len(again) == 0:
            return taken
        looked_at[again] = np.minimum(2 * looked_at[again], n)


def _match(pairs: Int64, range_km: Float64, n: int, terminals: int) -> tuple[Int32, Float64]:
    """Pairs taken in order, sorted; and (n,) the range at which a satellite's last terminal went, or inf."""
    free = [terminals] * n
    full_km = np.full(n, np.inf)
    taken = []
    for (a, b), distance_km in zip(pairs.tolist(), range_km.tolist(), strict=True):
        if free[a] and free[b]:
            taken.append((a, b))
            for end in (a, b):
                free[end] -= 1
                if not free[end]:
                    full_km[end] = distance_km
    return np.array(sorted(taken), np.int32).reshape(-1, 2), full_km
