"""By how many slots the satellites differ that +grid joins across two planes.  Pure.

Two satellites on circular orbits of one height, the second ahead by Δ in
argument of latitude, are on average over a turn at

    cos(angle between them) = A cos Δ - B sin Δ
    A = (cos ΔΩ (1 + cos i1 cos i2) + sin i1 sin i2) / 2
    B = sin ΔΩ (cos i1 + cos i2) / 2

(the scalar product of their places, of which the terms that turn twice an
orbit average out).  Their laser is shortest, in the mean of its square, where
Δ = -atan2(B, A): behind by the node's advance, as seen along the orbit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ..epoch import NS_PER_S, Float64, Int32
from ..orbit import Fleet, ShellLayout
from ..orbit.shells import slot_shifts

Offset = int | Literal["nearest", "phase"]


@dataclass(frozen=True, eq=False)
class Grid:
    """Shells whose ``slot_shift`` is what was chosen, and a sentence on each that has neighbours across."""

    shells: tuple[ShellLayout, ...]
    chosen: tuple[str, ...]


def offset_grid(fleet: Fleet, asked: Offset | None) -> Grid:
    """None: "nearest" for a constellation code, "phase" for planes and files, whose phases are their own."""
    shells, chosen = [], []
    for shell in fleet.shells:
        offset = asked if asked is not None else "nearest" if shell.walker else "phase"
        if shell.n_planes > 1:
            shell = replace(shell, slot_shift=_shifts(shell, offset, fleet))
            chosen.append(f"{shell.name} {_words(shell, offset)}")
        shells.append(shell)
    return Grid(tuple(shells), tuple(chosen))


def best_ahead_rad(inclination_rad: Float64, raan_rad: Float64) -> Float64:
    """(n_planes,) float64: by how much a satellite of the next plane (of the first, after the last) is to be
    ahead in argument of latitude, so that the two are as near as can be over a turn."""
    node_rad = np.roll(raan_rad, -1) - raan_rad
    one, other = inclination_rad, np.roll(inclination_rad, -1)
    a = np.cos(node_rad) * (1 + np.cos(one) * np.cos(other)) + np.sin(one) * np.sin(other)
    b = np.sin(node_rad) * (np.cos(one) + np.cos(other))
    return np.asarray(-np.arctan2(b, a))


def _shifts(shell: ShellLayout, offset: Offset, fleet: Fleet) -> Int32:
    """As ``ShellLayout.slot_shift``; planes of unequal sizes keep 0."""
    slots = np.array(shell.slots, np.int64)
    same = slots == np.roll(slots, -1)
    if offset == "nearest":
        wanted = slot_shifts(
            shell.argument_of_latitude_rad, shell.slots, best_ahead_rad(*_planes(shell, fleet))
        )
        if not shell.walker:
            return wanted
        # all pairs of planes are alike, and a tie must not be settled otherwise at the wrap
        offset = int(wanted[0])
    if offset == "phase":
        return slot_shifts(shell.argument_of_latitude_rad, shell.slots)
    shifts = np.full(shell.n_planes, offset, np.int64)
    if shell.walker:
        shifts += shell.slot_shift
    else:  # the wrap is to the others as it is in phase
        in_phase = slot_shifts(shell.argument_of_latitude_rad, shell.slots).astype(np.int64)
        usual = np.bincount(in_phase[:-1]).argmax()
        shifts[-1] += in_phase[-1] - usual
    return np.where(same, shifts % slots, 0).astype(np.int32)


def _planes(shell: ShellLayout, fleet: Fleet) -> tuple[Float64, Float64]:
    """(n_planes,) each: inclination and node of a plane's first satellite, at the start of the run."""
    first = shell.first + np.cumsum(shell.slots) - np.array(shell.slots)
    start_days = fleet.start_unix_ns / (86_400 * NS_PER_S) + 2_440_587.5  # to the ms
    rows = []
    for row in first.tolist():
        s = fleet.elements[row].satrec
        minutes = (start_days - s.jdsatepoch - s.jdsatepochF) * 1440.0
        rows.append((s.inclo, s.nodeo + s.nodedot * minutes))
    inclination_rad, raan_rad = np.array(rows).T
    return inclination_rad, raan_rad


def _words(shell: ShellLayout, offset: Offset) -> str:
    """``nearest: -1 slots from plane to plane, 16 at the wrap``"""
    slots = np.array(shell.slots, np.int64)
    signed = (shell.slot_shift + (slots - 1) // 2) % slots - (slots - 1) // 2
    between = sorted(set(signed[:-1].tolist()))
    text = " and ".join(map(str, between)) if len(between) <= 2 else f"{between[0]} to {between[-1]}"
    wrap = "" if shell.star else f", {signed[-1]} at the wrap"
    how = {"nearest": "nearest: ", "phase": "nearest in phase: "}.get(str(offset), "")
    return f"{how}{text} slots from plane to plane{wrap}"
