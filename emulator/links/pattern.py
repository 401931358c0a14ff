"""Which satellites point a laser at which: +Grid by plane and slot, or nearest neighbours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ..epoch import Bool, Float64, Int32
from ..orbit import ShellLayout


def plus_grid(shells: Sequence[ShellLayout]) -> tuple[Int32, Bool]:
    """Neighbours in the plane and in the planes beside, shell by shell; no laser joins two shells.

    Returns (m, 2) int32 pairs a < b, sorted, each once; and (m,) bool, whether
    the pair is of two planes.  Two planes that are each other's neighbours on
    both sides, and two satellites in a plane, are joined once.
    """
    within, across = [], []
    for shell in shells:
        first = shell.first
        for size in shell.slots:
            here = first + np.arange(size)
            following = first + (np.arange(size) + 1) % size
            within.append(np.column_stack([here, following])[here != following])
            first += size
        across.append(shell.cross_plane_pairs())
    in_plane = np.unique(np.sort(np.concatenate(within), axis=1), axis=0)
    between = np.concatenate(across)
    pairs = np.concatenate([in_plane, between]).astype(np.int32)
    is_between = np.repeat([False, True], [len(in_plane), len(between)])
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    return pairs[order], is_between[order]


def candidates(position_km: Float64, terminals: int, max_range_km: float) -> NDArray[np.int64]:
    """(m, 2) int64 pairs a < b among which ``nearest`` chooses, nearest first (ties by index).

    Each satellite offers its nearest few: four times its terminals, since
    those may be taken, or hidden by the Earth.
    """
    n = len(position_km)
    if n < 2:
        return np.empty((0, 2), np.int64)
    k = min(n, 4 * terminals + 1)
    range_km, other = cKDTree(position_km).query(position_km, k=k, distance_upper_bound=max_range_km)
    here = np.repeat(np.arange(n), k)
    there, range_km = other.ravel(), range_km.ravel()
    real = (there < n) & (there != here)
    pairs = np.sort(np.column_stack([here[real], there[real]]), axis=1)
    pairs, first = np.unique(pairs, axis=0, return_index=True)
    order = np.lexsort((pairs[:, 1], pairs[:, 0], np.round(range_km[real][first], 6)))
    return pairs[order]


def match_nearest(pairs: NDArray[np.int64], n: int, terminals: int) -> Int32:
    """Take pairs in order while both have a terminal free; (m, 2) int32, sorted.  Mutual by construction."""
    free = [terminals] * n
    taken = []
    for a, b in pairs.tolist():
        if free[a] and free[b]:
            free[a] -= 1
            free[b] -= 1
            taken.append((a, b))
    return np.array(sorted(taken), np.int32).reshape(-1, 2)
