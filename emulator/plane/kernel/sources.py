"""Whose address a packet bears: what a node itself sends is let out under its own alone.

For nodes whose links are interfaces.  A program on each of them looks at what
leaves there: what came in by another interface is in transit, and passes;
what the node made itself has the node's address as its source, or is dropped
and counted.  It sees raw packets too.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence

from ...errors import KernelError
from . import bpf
from .namespaces import on_own_thread, unshare_net
from .netlink import LOOPBACK_IFINDEX, MESSAGES_PER_SEND, RouteSocket

_PRIORITY = 2  # behind the stamps, which let everything pass
_DEVICES_PER_SEND = MESSAGES_PER_SEND // 2
_INGRESS_IFINDEX_AT = 36  # in struct __sk_buff
_FROM_NETWORK_HEADER = 1
_PASS, _SWALLOW = -1, 4  # TC_ACT_UNSPEC; TC_ACT_STOLEN: the sender hears of no error, as in the fabric


class Sources:
    """KernelError where the kernel takes no such program."""

    def __init__(self) -> None:
        self._count_fd = bpf.make_array(8, 1, 0, "count packets with another's source")
        try:
            os.close(self._load(0))
        except BaseException:
            os.close(self._count_fd)
            raise

    def guard(self, netlink: RouteSocket, ifindexes: Sequence[int], ipv4: int) -> None:
        """Of interfaces, in the namespace of the socket, of the node with that address."""
        program_fd = self._load(ipv4)  # looked through by the kernel each time: as long as one device takes
        try:
            for first in range(0, len(ifindexes), _DEVICES_PER_SEND):
                self._guard(netlink, ifindexes[first : first + _DEVICES_PER_SEND], program_fd)
        finally:
            os.close(program_fd)

    @staticmethod
    def _guard(netlink: RouteSocket, ifindexes: Sequence[int], program_fd: int) -> None:
        """Requests 2 i and 2 i + 1 are about interface i."""
        requests = b"".join(
            bpf.hook_request(ifindex, 2 * i)
            + bpf.program_request(ifindex, 2 * i + 1, program_fd, b"orbitmesh-sources", _PRIORITY)
            for i, ifindex in enumerate(ifindexes)
        )
        refused = netlink.send(requests, 2 * len(ifindexes) - 1)
        wrong = [r for r in refused if r.seq % 2 or r.errno != errno.EEXIST]
        if wrong:
            ifindex = ifindexes[wrong[0].seq // 2]
            raise KernelError(f"interface {ifindex}: its packets' sources cannot be looked at: {wrong[0]}")

    def spoofed(self) -> int:
        """Packets dropped so far."""
        return bpf.read_counter(self._count_fd)

    def close(self) -> None:
        os.close(self._count_fd)

    def _load(self, ipv4: int) -> int:
        return bpf.load(_program(self._count_fd, ipv4), "load a program that looks at sources")


def tried() -> Sources:
    """Once a device in a namespace of its own took the program; KernelError where this kernel lacks a part.

    A kernel may load programs, and have no place for them at devices (sch_ingress, cls_bpf).
    """
    sources = Sources()
    try:
        on_own_thread(lambda: _try(sources))
    except BaseException:
        sources.close()
        raise
    return sources


def _try(sources: Sources) -> None:
    netns_fd = unshare_net()
    try:
        netlink = RouteSocket()
        try:
            sources.guard(netlink, [LOOPBACK_IFINDEX], 0)
        finally:
            netlink.close()
    finally:
        os.close(netns_fd)


def _program(count_fd: int, ipv4: int) -> list[bpf.Instruction]:
    """Registers: r1 the packet.  The header's first 16 bytes go to r10 - 16."""
    as_loaded = int.from_bytes(ipv4.to_bytes(4, "big"), sys.byteorder)
    drop: list[bpf.Instruction] = [
        (0x62, 10, 0, -20, 0),  # the counter's number
        (0x18, 1, 1, 0, count_fd), (0x00, 0, 0, 0, 0),
        (0xBF, 2, 10, 0, 0), (0x07, 2, 0, 0, -20),
        (0x85, 0, 0, 0, bpf.MAP_LOOKUP_ELEM),
        (0x15, 0, 0, 2, 0),
        (0xB7, 1, 0, 0, 1), (0xDB, 0, 1, 0, 0),  # *r0 += 1, in one step
        (0xB7, 0, 0, 0, _SWALLOW), (0x95, 0, 0, 0, 0),
    ]  # fmt: skip
    look: list[bpf.Instruction] = [
        (0xB7, 2, 0, 0, 0), (0xBF, 3, 10, 0, 0), (0x07, 3, 0, 0, -16), (0xB7, 4, 0, 0, 16),
        (0xB7, 5, 0, 0, _FROM_NETWORK_HEADER),
        (0x85, 0, 0, 0, bpf.SKB_LOAD_BYTES_RELATIVE),
        (0x55, 0, 0, 5 + len(drop), 0),  # too short: no packet, and the link drops it
        (0x71, 1, 10, -16, 0), (0x77, 1, 0, 0, 4),
        (0x55, 1, 0, 2 + len(drop), 4),  # not IPv4
        (0x61, 1, 10, -4, 0),
        (0x16, 1, 0, len(drop), as_loaded),  # its own
    ]  # fmt: skip
    return [
        (0x61, 2, 1, _INGRESS_IFINDEX_AT, 0),
        (0x55, 2, 0, len(look) + len(drop), 0),  # it came in by another interface
        *look,
        *drop,
        (0xB7, 0, 0, 0, _PASS), (0x95, 0, 0, 0, 0),
    ]  # fmt: skip
