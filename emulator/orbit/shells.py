"""How the satellites of a shell are arranged, and which slots of neighbouring planes belong together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ..epoch import Float64, Int32

_TIE_SLOTS = 1e-3  # two neighbours whose phases differ by less than this are equally near


@dataclass(frozen=True, eq=False)
class ShellLayout:
    """Satellites ``first`` to ``first + len - 1`` of the fleet, by plane and slot.

    ``slots`` holds the satellites of each plane.  ``slot_shift``, (n_planes,)
    int32: the satellite in slot k of plane p neighbours slot
    ``(k + slot_shift[p]) % n_slots`` of the next plane, of the first plane
    after the last.  In a Walker shell that is 0 between planes, and at the
    wrap the phasing factor F: plane P would be plane 0 with its satellites F
    slots further on.  In other shells it is the slot nearest in argument of
    latitude at the start of the run (of two equally near, the one of the
    smaller shift).  Planes of unequal sizes have no shift (0): use
    ``cross_plane_pairs``, which serves every shell.
    """

    first: int
    first_plane: int
    slots: tuple[int, ...]
    star: bool
    slot_shift: Int32
    name: str
    argument_of_latitude_rad: Float64 = field(repr=False)  # (len,), mean, at the start of the run

    def __len__(self) -> int:
        return sum(self.slots)

    @property
    def n_planes(self) -> int:
        return len(self.slots)

    @property
    def n_slots(self) -> int:
        """Satellites of a plane; of the largest where they differ."""
        return max(self.slots)

    @property
    def even(self) -> bool:
        """Whether all planes are of one size."""
        return len(set(self.slots)) == 1

    @property
    def wrap_slot_shift(self) -> int:
        return int(self.slot_shift[-1])

    def cross_plane_pairs(self) -> Int32:
        """(m, 2) int32, satellite indices a < b of all neighbours in adjacent planes, each pair once, sorted.

        The last plane neighbours the first, except in a star.  Of planes of
        unequal sizes each satellite of the smaller one has one neighbour, the
        nearest in argument of latitude that is still free.
        """
        pairs = []
        start = self.first + np.concatenate([[0], np.cumsum(self.slots)])
        last = self.n_planes - 1 if self.star or self.n_planes == 1 else self.n_planes
        for p in range(last):
            q = (p + 1) % self.n_planes
            here, there = self._neighbours(p, q)
            pairs.append(np.column_stack([start[p] + here, start[q] + there]))
        if not pairs:
            return np.empty((0, 2), np.int32)
        both = np.sort(np.concatenate(pairs), axis=1)
        return np.unique(both, axis=0).astype(np.int32)

    def _neighbours(self, p: int, q: int) -> tuple[Int32, Int32]:
        """Slots of plane p and their neighbours' slots in plane q."""
        here = np.arange(self.slots[p], dtype=np.int32)
        if self.slots[p] == self.slots[q]:
            return here, ((here + self.slot_shift[p]) % self.slots[q]).astype(np.int32)
        if self.slots[p] > self.slots[q]:
            fewer, more = self._neighbours(q, p)
            return more, fewer
        offset = np.concatenate([[0], np.cumsum(self.slots)])
        ours = self.argument_of_latitude_rad[offset[p] : offset[p + 1]]
        theirs = self.argument_of_latitude_rad[offset[q] : offset[q + 1]]
        distance = np.abs(np.angle(np.exp(1j * (theirs[None, :] - ours[:, None]))))
        there = np.empty_like(here)
        for slot in np.argsort(distance.min(axis=1), kind="stable"):
            there[slot] = np.argmin(distance[slot])
            distance[:, there[slot]] = np.inf
        return here, there


def slot_shifts(argument_of_latitude_rad: Float64, slots: Sequence[int]) -> Int32:
    """(n_planes,) int32, as in ``ShellLayout.slot_shift``, from (n,) float64 phases by plane and slot.

    The shift s of the least mean distance, that is, of the largest
    Σ_k cos(u_next[k + s] - u_this[k]): a circular correlation, by FFT.
    """
    n_planes = len(slots)
    shifts = np.zeros(n_planes, np.int32)
    start = np.concatenate([[0], np.cumsum(slots)])
    transforms = [
        np.fft.fft(np.exp(1j * argument_of_latitude_rad[start[p] : start[p + 1]])) for p in range(n_planes)
    ]
    for p in range(n_planes):
        ours, theirs = transforms[p], transforms[(p + 1) % n_planes]
        n_slots = slots[p]
        if n_planes == 1 or len(ours) != len(theirs):
            continue
        likeness = np.fft.ifft(np.conj(ours) * theirs)
        best = int(np.argmax(likeness.real))
        best -= n_slots if best > n_slots // 2 else 0
        # where the next plane lies half a slot off, two shifts are equally near
        off_slots = float(np.angle(likeness[best])) * n_slots / (2 * np.pi)
        other = best - (1 if off_slots > 0 else -1)
        if abs(abs(off_slots) - 0.5) < _TIE_SLOTS and (abs(other), -other) < (abs(best), -best):
            best = other
        shifts[p] = best % n_slots
    return shifts
