"""Which port of a node leads where: the slots of lasers, and the places of ground links.  Pure.

A port code says where a node sends: below ``laser_slots`` it is a slot, from
there on a place among the node's ground links, in order of their far ends.  A
laser keeps its slots at both ends for as long as it is there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...epoch import UNREACHABLE, Int32, LinkKind, Links
from ...errors import RunError
from .banks import NO_WAY, UInt8

UNUSED = -1


@dataclass(frozen=True, eq=False)
class Ports:
    """Of one epoch.

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


class Slots:
    """Follows the lasers from epoch to epoch."""

    def __init__(self, n_satellites: int, n_nodes: int, laser_slots: int) -> None:
        self._n_nodes = n_nodes
        self._neighbour = np.full((n_satellites, laser_slots), UNUSED, np.int32)

    def follow(self, links: Links) -> Ports:
        """RunError where a satellite has more lasers than slots."""
        rows = np.flatnonzero(links.kind == LinkKind.LASER).astype(np.int32)
        here = np.concatenate([links.a[rows], links.b[rows]])
        there = np.concatenate([links.b[rows], links.a[rows]])
        row = np.concatenate([rows, rows])
        self._let_go(here, there)
        slot = self._slots_of(here, there)
        new = np.flatnonzero(slot < 0)
        if len(new):
            slot[new] = self._free_slots(here[new])
        neighbour = np.full_like(self._neighbour, UNUSED)
        neighbour[here, slot] = there
        self._neighbour = neighbour
        laser_row = np.full_like(neighbour, UNUSED)
        laser_row[here, slot] = row
        return Ports(neighbour.copy(), laser_row, *self._ground(links))

    def _let_go(self, here: Int32, there: Int32) -> None:
        kept = np.zeros(self._neighbour.shape, np.bool_)
        slot = self._slots_of(here, there)
        had = slot >= 0
        kept[here[had], slot[had]] = True
        self._neighbour[~kept] = UNUSED

    def _slots_of(self, here: Int32, there: Int32) -> NDArray[np.int64]:
        """Where each laser is at its end ``here``; -1 where it has no slot yet."""
        at = self._neighbour[here] == there[:, None]
        return np.where(at.any(axis=1), at.argmax(axis=1), -1)

    def _free_slots(self, here: Int32) -> NDArray[np.int64]:
        """A free slot for each end, the lowest first; ends of one node each get their own."""
        order = np.argsort(here, kind="stable")
        ordered = here[order]
        rank = np.arange(len(ordered)) - np.searchsorted(ordered, ordered)
        free_first = np.argsort(self._neighbour[ordered] != UNUSED, axis=1, kind="stable")
        n_free = (self._neighbour[ordered] == UNUSED).sum(axis=1)
        over = np.flatnonzero(rank >= n_free)
        if len(over):
            raise RunError(
                f"satellite {ordered[over[0]]} has more lasers than the {self._neighbour.shape[1]} slots "
                "of lasers.terminals: give it more terminals"
            )
        slot = np.empty(len(ordered), np.int64)
        slot[order] = free_first[np.arange(len(ordered)), rank]
        return slot

    def _ground(self, links: Links) -> tuple[Int32, Int32, Int32]:
        rows = np.flatnonzero(links.kind == LinkKind.GROUND).astype(np.int32)
        here = np.concatenate([links.a[rows], links.b[rows]])
        there = np.concatenate([links.b[rows], links.a[rows]])
        order = np.lexsort((there, here))
        first = np.searchsorted(here[order], np.arange(self._n_nodes + 1)).astype(np.int32)
        return first, there[order].astype(np.int32), np.concatenate([rows, rows])[order]


def port_codes(ports: Ports, next_node: Int32) -> UInt8:
    """(d, n_nodes) uint8: for each next node the port that leads there; NO_WAY where there is none.

    RunError where a next node is no neighbour.
    """
    n_satellites, slots = ports.laser_neighbour.shape
    code = np.full(next_node.shape, NO_WAY, np.uint8)
    for slot in range(slots):
        leads = (next_node[:, :n_satellites] == ports.laser_neighbour[:, slot]) & (
            next_node[:, :n_satellites] != UNREACHABLE
        )
        np.copyto(code[:, :n_satellites], np.uint8(slot), where=leads)
    nodes = np.repeat(np.arange(len(ports.ground_first) - 1), np.diff(ports.ground_first))
    place = np.arange(len(nodes)) - ports.ground_first[nodes]
    if len(place) and slots + int(place.max()) >= NO_WAY:
        raise RunError(f"a node has more than {NO_WAY - slots} ground links: give its station fewer antennas")
    for at, node in enumerate(nodes.tolist()):
        leads = next_node[:, node] == ports.ground_neighbour[at]
        code[leads, node] = slots + place[at]
    lost = np.argwhere((code == NO_WAY) & (next_node != UNREACHABLE))
    if len(lost):
        row, node = lost[0]
        raise RunError(f"node {node} is to send to {next_node[row, node]}, which no link joins it to")
    return code
