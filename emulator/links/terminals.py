"""Which terminal of a satellite each laser is at.  Pure.

In a +grid terminals have their places: ahead, behind, right, left.  Where
neighbours are whoever is nearest, a laser takes the lowest terminals that are
free at its ends, and keeps them for as long as it is there.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..epoch import LEAST_LASER_SLOTS, UNUSED, Int32, Int64, UInt8
from ..scenario.model import Lasers

AHEAD, BEHIND, RIGHT, LEFT = range(4)
DIAGONALS = (4, 5, 6, 7)  # of a formation


def laser_slots(lasers: Lasers) -> int:
    """How many terminals a satellite may have: the pattern's, and that of a junction behind them."""
    return junction_terminal(lasers) + (lasers.junction_every is not None)


def junction_terminal(lasers: Lasers) -> int:
    """The terminal by which a junction is joined to another shell."""
    return max(LEAST_LASER_SLOTS, lasers.terminals)


def follow(pairs: Int32, before: Int32) -> tuple[UInt8, Int32]:
    """Terminals of lasers between (m, 2) pairs, (m, 2) uint8; and the next ``before``.

    ``before`` (n_satellites, terminals) int32 says whom each terminal was
    pointed at, UNUSED: nobody.  IndexError where a satellite has more lasers
    than terminals.
    """
    here, there = pairs.T.ravel(), pairs[:, ::-1].T.ravel()  # each laser from both of its ends
    kept = np.full_like(before, UNUSED)
    at = before[here] == there[:, None]
    had = at.any(axis=1)
    terminal = np.where(had, at.argmax(axis=1), -1)
    kept[here[had], terminal[had]] = there[had]
    new = np.flatnonzero(~had)
    if len(new):
        terminal[new] = _free(kept, here[new])
        kept[here[new], terminal[new]] = there[new]
    return np.ascontiguousarray(terminal.reshape(2, -1).T, np.uint8), kept


def _free(held: Int32, here: Int32) -> NDArray[np.int64]:
    """A free terminal for each end, the lowest first; ends at one satellite each get their own."""
    order = np.argsort(here, kind="stable")
    ordered = here[order]
    rank: Int64 = np.arange(len(ordered)) - np.searchsorted(ordered, ordered)
    is_free = held[ordered] == UNUSED
    over = np.flatnonzero(rank >= is_free.sum(axis=1))
    if len(over):
        raise IndexError(f"satellite {ordered[over[0]]} has more lasers than its {held.shape[1]} terminals")
    free_first = np.argsort(~is_free, axis=1, kind="stable")
    terminal = np.empty(len(ordered), np.int64)
    terminal[order] = free_first[np.arange(len(ordered)), rank]
    return terminal
