"""By which of its ports a node sends to which neighbour: what routes are written in.  Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import Int32
from .links import Links

UNUSED = -1
LEAST_LASER_SLOTS = 4


@dataclass(frozen=True, eq=False)
class Ports:
    """By which port a node sends to which neighbour.

    A port code below ``laser_slots`` is the slot of a laser, that is, which of
    the satellite's terminals points there; from there on it is a place among
    the node's ground links, in order of their far ends.  A laser keeps its
    slots at both ends for as long as it is there.

    ``laser_neighbour`` and ``laser_row``, (n_satellites, laser_slots) int32:
    who is at the far end, and the row in the epoch's links; UNUSED where the
    slot has no link.  ``ground_first`` (n_nodes + 1,): node n's ground links
    are ``ground_neighbour`` and ``ground_row`` (m,) from ground_first[n] up to
    ground_first[n + 1].
    """

    laser_neighbour: Int32
    laser_row: Int32
    ground_first: Int32
    ground_neighbour: Int32
    ground_row: Int32

    @property
    def n_satellites(self) -> int:
        return len(self.laser_neighbour)

    @property
    def n_nodes(self) -> int:
        return len(self.ground_first) - 1

    @property
    def laser_slots(self) -> int:
        return int(self.laser_neighbour.shape[1])

    @classmethod
    def of(cls, links: Links, n_satellites: int, n_nodes: int) -> Ports:
        """Slots given out by the index of the neighbour: for one epoch, with no thought of the next."""
        rows = np.flatnonzero(links.b < n_satellites)
        here = np.concatenate([links.a[rows], links.b[rows]])
        there = np.concatenate([links.b[rows], links.a[rows]])
        order = np.lexsort((there, here))
        slot = np.arange(len(order)) - np.searchsorted(here[order], here[order])
        shape = (n_satellites, max(LEAST_LASER_SLOTS, int(slot.max(initial=-1)) + 1))
        neighbour, row = np.full(shape, UNUSED, np.int32), np.full(shape, UNUSED, np.int32)
        neighbour[here[order], slot] = there[order]
        row[here[order], slot] = np.concatenate([rows, rows])[order]
        return cls(neighbour, row, *ground_ports(links, n_satellites, n_nodes))

    def neighbours(self) -> Int32:
        """(n_nodes, n_ports) int32: to whom each port of each node leads, UNUSED where there is none."""
        degree = np.diff(self.ground_first)
        shape = (self.n_nodes, self.laser_slots + int(degree.max(initial=0)))
        leads_to = np.full(shape, UNUSED, np.int32)
        leads_to[: self.n_satellites, : self.laser_slots] = self.laser_neighbour
        node = np.repeat(np.arange(self.n_nodes), degree)
        place = np.arange(len(node)) - self.ground_first[node]
        leads_to[node, self.laser_slots + place] = self.ground_neighbour
        return leads_to


def ground_ports(links: Links, n_satellites: int, n_nodes: int) -> tuple[Int32, Int32, Int32]:
    """``ground_first``, ``ground_neighbour`` and ``ground_row`` of Ports."""
    rows = np.flatnonzero(links.b >= n_satellites).astype(np.int32)
    here = np.concatenate([links.a[rows], links.b[rows]])
    there = np.concatenate([links.b[rows], links.a[rows]])
    order = np.lexsort((there, here))
    first = np.zeros(n_nodes + 1, np.int32)
    np.cumsum(np.bincount(here, minlength=n_nodes), out=first[1:])
    return first, there[order], np.concatenate([rows, rows])[order]
