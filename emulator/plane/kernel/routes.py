"""The routes of the nodes, as their kernels have them: set in batches, and what was refused."""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ...epoch import Int32
from ...errors import KernelError
from ..addressing import Addresses
from . import netlink

_BY_HAND = (errno.ENETDOWN, errno.ENODEV)  # the mesh itself sets none by an interface that it has taken


class Routes:
    """Set by ``sockets``, a node's into its namespace: those that are there when routes are set."""

    def __init__(
        self, names: Sequence[str], addresses: Addresses, sockets: Mapping[int, netlink.RouteSocket]
    ) -> None:
        self._names, self._addresses, self._sockets = names, addresses, sockets
        self._disturbed: set[int] = set()  # nodes that refused routes by an interface that is down, or gone
        self._n_set_down = 0
        self._first_set_down = ""

    def set(self, node: Int32, destination: Int32, next_node: Int32, ifindex: Int32) -> None:
        """Set or (where ``ifindex`` is 0) withdraw (n,) routes, one batch per node.

        KernelError with the first that was refused, once all have been sent.  Not so where a program in the
        node set the interface down, or removed it: that is counted, and the node is ``disturbed`` until it
        takes all.
        """
        if len(node) == 0:
            return
        order = np.argsort(node, kind="stable")
        node, destination, next_node, ifindex = (
            node[order],
            destination[order],
            next_node[order],
            ifindex[order],
        )
        ipv4 = self._addresses.ipv4
        messages = netlink.route_messages(ipv4[destination], ifindex, ipv4[node])
        starts = netlink.batch_starts(node)
        lasts = np.append(starts[1:], len(node)) - 1
        netlink.ask_acknowledgement(messages, lasts)
        data, size = memoryview(messages.tobytes()), netlink.ROUTE.itemsize
        refused: list[netlink.Refused] = []
        for owner, start, last in zip(node[starts].tolist(), starts.tolist(), lasts.tolist(), strict=True):
            refused += self._sockets[owner].send(data[start * size : (last + 1) * size], last)
        # a route that is to go and is not there went with its interface
        wrong = [r for r in refused if not (r.errno == errno.ESRCH and ifindex[r.seq] == 0)]
        self._disturbed.difference_update(node.tolist())
        if down := [r for r in wrong if r.errno in _BY_HAND]:
            self._disturbed.update(int(node[r.seq]) for r in down)
            self._n_set_down += len(down)
            self._first_set_down = self._first_set_down or self._names[node[down[0].seq]]
            wrong = [r for r in wrong if r.errno not in _BY_HAND]
        if wrong:
            row, known_as = wrong[0].seq, self._names
            way = "withdrawn" if next_node[row] < 0 else f"by {known_as[next_node[row]]}"
            more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
            raise KernelError(
                f"{known_as[node[row]]}: route to {known_as[destination[row]]} {way} "
                f"was refused: {wrong[0]}{more}"
            )

    def disturbed(self) -> list[int]:
        """Nodes whose routes are to be set anew, all of them: an interface there was set down by hand."""
        return sorted(self._disturbed)

    def cautions(self) -> list[str]:
        if not self._n_set_down:
            return []
        return [
            f"an intervention from outside: interfaces were set down or removed by hand (first in "
            f"{self._first_set_down}), and {self._n_set_down} settings of routes were refused for it; "
            "what was measured meanwhile is of the mesh so changed"
        ]


def as_listed() -> dict[str, str]:
    """Destination address to interface, in the calling thread's namespace.

    From the kernel's text table, which is not how they are set.
    """
    found = {}
    for line in Path("/proc/thread-self/net/route").read_text().splitlines()[1:]:
        interface, address = line.split()[:2]
        found[".".join(str(byte) for byte in bytes.fromhex(address)[::-1])] = interface
    return found
