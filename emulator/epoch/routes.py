"""Which way packets go from every node: a port for each destination that somebody has asked for.  Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np

from ..arrays import Int32, Int64, UInt8
from .links import Links
from .ports import Ports

UNREACHABLE = -1
NO_WAY = 255


@dataclass(frozen=True, eq=False)
class RouteRows:
    """``code[d, n]``: the port by which node n sends towards ``destinations[d]``.

    ``destinations`` is (n_dest,) int32 node indices, rising; ``code`` is
    (n_dest, n_nodes) uint8, NO_WAY where there is none and at the destination
    itself.
    """

    destinations: Int32
    code: UInt8

    def joined(self, more: RouteRows) -> Self:
        """These and those to other destinations."""
        destinations = np.concatenate([self.destinations, more.destinations])
        order = np.argsort(destinations)
        destinations, code = destinations[order], np.concatenate([self.code, more.code])[order]
        destinations.flags.writeable = code.flags.writeable = False
        return replace(self, destinations=destinations, code=code)


@dataclass(frozen=True, eq=False)
class Routes(RouteRows):
    """Those of an epoch, with the ports that the codes are of."""

    ports: Ports

    @classmethod
    def from_next_nodes(
        cls, destinations: Int32, next_node: Int32, links: Links, n_satellites: int
    ) -> Routes:
        """Routes of one's own making: ``next_node`` as below.  ValueError where that is no neighbour."""
        ports = Ports.of(links, n_satellites, next_node.shape[1])
        leads_to = ports.neighbours()
        code = np.full(next_node.shape, NO_WAY, np.uint8)
        for port in reversed(range(leads_to.shape[1])):
            there = (next_node == leads_to[:, port]) & (next_node != UNREACHABLE)
            np.copyto(code, np.uint8(port), where=there)
        lost = np.argwhere((code == NO_WAY) & (next_node != UNREACHABLE))
        if len(lost):
            row, node = lost[0].tolist()
            raise ValueError(f"node {node} is to send to {next_node[row, node]}, which no link joins it to")
        return cls(destinations, code, ports)

    @cached_property
    def next_node(self) -> Int32:
        """(n_dest, n_nodes) int32: to whom each node sends, UNREACHABLE where there is no way.

        Four times as large as the codes: for meshes of some thousand nodes.
        """
        leads_to = self.ports.neighbours()
        leads_to = np.column_stack([leads_to, np.full(len(leads_to), UNREACHABLE, np.int32)])
        port = np.minimum(self.code, leads_to.shape[1] - 1)
        found: Int32 = leads_to[np.arange(len(leads_to)), port]
        found.flags.writeable = False
        return found

    def row(self, destination: int) -> int | None:
        """The row of a destination; None: nobody has asked for routes there."""
        row = int(np.searchsorted(self.destinations, destination))
        there = row < len(self.destinations) and self.destinations[row] == destination
        return row if there else None

    def rows(self, destinations: Int32) -> Int64:
        """(n,) the rows of destinations; KeyError for one that nobody has asked routes for."""
        if not len(self.destinations):
            row, is_there = np.zeros(len(destinations), np.int64), np.zeros(len(destinations), np.bool_)
        else:
            row = np.searchsorted(self.destinations, destinations)
            row = np.minimum(row, len(self.destinations) - 1).astype(np.int64)
            is_there = self.destinations[row] == destinations
        if not is_there.all():
            raise KeyError(f"there are no routes to node {destinations[~is_there][0]}")
        return row
