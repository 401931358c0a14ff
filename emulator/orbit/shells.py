"""How the satellites of a shell are arranged, and which slots of neighbouring planes belong together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ..epoch import Float64, Int32, Int64

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
    walker: bool = False  # from a constellation code: all pairs of neighbouring planes are alike
    lattice: Int32 | None = None  # (len, 2), of a formation: steps of each satellite from its middle

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
        if self.n_planes == 1:
            return np.empty((0, 2), np.int32)
        slots = np.array(self.slots, np.int64)
        start = self.first + np.cumsum(slots) - slots
        planes = np.arange(self.n_planes - self.star)
        even = slots[planes] == np.roll(slots, -1)[planes]
        # a row for each satellite of the planes that are as large as the next one
        p = np.repeat(planes[even], slots[planes[even]])
        q = (p + 1) % self.n_planes
        here = np.concatenate([np.arange(0), *map(np.arange, slots[planes[even]])])
        ends = [(start[p] + here, start[q] + (here + self.slot_shift[p]) % slots[q])]
        for one in planes[~even].tolist():
            other = (one + 1) % self.n_planes
            of_one, of_other = self._nearest(one, other)
            ends.append((start[one] + of_one, start[other] + of_other))
        a, b = np.sort(np.concatenate(ends, axis=1), axis=0)
        low, high = np.divmod(np.unique(a << 32 | b), 1 << 32)
        return np.column_stack([low, high]).astype(np.int32)

    def _nearest(self, p: int, q: int) -> tuple[Int64, Int64]:
        """Slots of plane p and their neighbours' slots in plane q, which is of another size."""
        if self.slots[p] > self.slots[q]:
            fewer, more = self._nearest(q, p)
            return more, fewer
        here = np.arange(self.slots[p])
        offset = np.concatenate([[0], np.cumsum(self.slots)])
        ours = self.argument_of_latitude_rad[offset[p] : offset[p + 1]]
        theirs = self.argument_of_latitude_rad[offset[q] : offset[q + 1]]
        distance = np.abs(np.angle(np.exp(1j * (theirs[None, :] - ours[:, None]))))
        there = np.empty_like(here)
        for slot in np.argsort(distance.min(axis=1), kind="stable"):
            there[slot] = np.argmin(distance[slot])
            distance[:, there[slot]] = np.inf
        return here, there


def slot_shifts(
    argument_of_latitude_rad: Float64, slots: Sequence[int], ahead_rad: Float64 | None = None
) -> Int32:
    """(n_planes,) int32, as in ``ShellLayout.slot_shift``, from (n,) float64 phases by plane and slot.

    The shift s of the least mean distance, that is, of the largest
    Σ_k cos(u_next[k + s] - u_this[k]): a circular correlation, by FFT.
    ``ahead_rad``, (n_planes,): by how much the next plane's is to be ahead (0).
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
        if ahead_rad is not None:
            likeness = likeness * np.exp(-1j * ahead_rad[p])
        best = int(np.argmax(likeness.real))
        best -= n_slots if best > n_slots // 2 else 0
        # where the next plane lies half a slot off, two shifts are equally near
        off_slots = float(np.angle(likeness[best])) * n_slots / (2 * np.pi)
        other = best - (1 if off_slots > 0 else -1)
        # of evenly spaced slots, that is; of others the likeness decides alone
        alike = (2 * np.pi) ** 2 * _TIE_SLOTS / n_slots
        is_tie = likeness.real[other % n_slots] > likeness.real[best] - alike
        if is_tie and abs(abs(off_slots) - 0.5) < _TIE_SLOTS and (abs(other), -other) < (abs(best), -best):
            best = other
        shifts[p] = best % n_slots
    return shifts
