"""rtnetlink by hand: messages as arrays of bytes, and a socket that sends them.

Building is pure and vectorised (a route costs the kernel about 5 µs; packing
one in Python would cost as much again).  Layouts: linux/netlink.h,
linux/rtnetlink.h, linux/if_addr.h, linux/if_link.h, all in the machine's byte
order except addresses.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ...errors import KernelError

# rtm_protocol: marks a route as ours ("o"); values above 4 are free for daemons, nobody lists this one
RTPROT_ORBITMESH = 0x6F

LOOPBACK_IFINDEX = 1  # the kernel makes lo first in every namespace
MESSAGES_PER_SEND = 200  # their error replies, if all fail, still fit the default receive buffer

_RTM_NEWLINK, _RTM_NEWADDR, _RTM_NEWROUTE, _RTM_DELROUTE = 16, 20, 24, 25
_NLM_F_REQUEST, _NLM_F_ACK = 0x001, 0x004
_NLM_F_REPLACE, _NLM_F_EXCL, _NLM_F_CREATE = 0x100, 0x200, 0x400
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_RT_SCOPE_LINK, _RT_SCOPE_NOWHERE = 253, 255
_RT_TABLE_MAIN, _RTN_UNICAST = 254, 1
_RTA_DST, _RTA_OIF, _RTA_PREFSRC = 1, 4, 7
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_IFA_F_NODAD = 0x02
_IFF_UP = 1
_SOL_NETLINK, _NETLINK_CAP_ACK = 270, 10

#: one route request, 52 bytes: nlmsghdr, rtmsg, and three attributes of four bytes each
ROUTE = np.dtype(
    [
        ("nl_len", "=u4"), ("nl_type", "=u2"), ("nl_flags", "=u2"), ("nl_seq", "=u4"), ("nl_pid", "=u4"),
        ("family", "u1"), ("dst_len", "u1"), ("src_len", "u1"), ("tos", "u1"),
        ("table", "u1"), ("protocol", "u1"), ("scope", "u1"), ("type", "u1"), ("flags", "=u4"),
        ("dst_rta_len", "=u2"), ("dst_rta_type", "=u2"), ("dst", ">u4"),
        ("oif_rta_len", "=u2"), ("oif_rta_type", "=u2"), ("oif", "=u4"),
        ("src_rta_len", "=u2"), ("src_rta_type", "=u2"), ("prefsrc", ">u4"),
    ]
)  # fmt: skip

Messages = NDArray[np.void]


def route_messages(
    destination_ipv4: NDArray[np.uint32],
    ifindex: NDArray[np.int32],
    source_ipv4: NDArray[np.uint32],
) -> Messages:
    """(n,) requests of dtype ROUTE; row i has sequence number i.

    Where ``ifindex`` > 0: the /32 goes out of that interface with our own
    address as source; a route that is there is replaced in one step, so that
    there is no instant without one.  Where ``ifindex`` is 0: the route is
    deleted, whatever interface it uses.
    """
    message = np.zeros(len(destination_ipv4), ROUTE)
    add = ifindex > 0
    message["nl_len"] = ROUTE.itemsize
    message["nl_type"] = np.where(add, _RTM_NEWROUTE, _RTM_DELROUTE)
    message["nl_flags"] = np.where(add, _NLM_F_REQUEST | _NLM_F_CREATE | _NLM_F_REPLACE, _NLM_F_REQUEST)
    message["nl_seq"] = np.arange(len(message))
    message["family"] = socket.AF_INET
    message["dst_len"] = 32
    message["table"] = _RT_TABLE_MAIN
    message["protocol"] = RTPROT_ORBITMESH
    message["scope"] = np.where(add, _RT_SCOPE_LINK, _RT_SCOPE_NOWHERE)  # NOWHERE matches any
    message["type"] = _RTN_UNICAST
    message["dst_rta_len"] = message["oif_rta_len"] = message["src_rta_len"] = 8
    message["dst_rta_type"] = _RTA_DST
    message["oif_rta_type"] = _RTA_OIF  # 0 in a deletion matches any, and so does the source
    message["src_rta_type"] = _RTA_PREFSRC
    message["dst"] = destination_ipv4
    message["oif"] = ifindex
    message["prefsrc"] = np.where(add, source_ipv4, 0)
    return message


def ask_acknowledgement(messages: Messages, rows: NDArray[np.int64]) -> None:
    """Of the last message of each batch.  Errors come unasked, in order: this answer is the last."""
    messages["nl_flags"][rows] |= _NLM_F_ACK


def batch_starts(owner: NDArray[np.int32], most: int = MESSAGES_PER_SEND) -> NDArray[np.int64]:
    """Where batches begin in sorted (n,) owners: at each owner, and after ``most`` of it."""
    first = np.flatnonzero(np.append(True, owner[1:] != owner[:-1]))
    within = np.arange(len(owner)) - np.repeat(first, np.diff(np.append(first, len(owner))))
    return np.flatnonzero(within % most == 0)


def loopback_up(ipv4: int) -> bytes:
    """Two requests: lo up, and the node's /32 on it."""
    up = struct.pack("=BxHiII", socket.AF_UNSPEC, 0, LOOPBACK_IFINDEX, _IFF_UP, _IFF_UP)
    address = struct.pack(">I", ipv4)
    attributes = b"".join(struct.pack("=HH", 8, kind) + address for kind in (_IFA_LOCAL, _IFA_ADDRESS))
    new = struct.pack("=BBBBI", socket.AF_INET, 32, 0, 0, LOOPBACK_IFINDEX) + attributes
    return _request(_RTM_NEWLINK, _NLM_F_REQUEST, 0, up) + _request(
        _RTM_NEWADDR, _NLM_F_REQUEST | _NLM_F_CREATE | _NLM_F_EXCL | _NLM_F_ACK, 1, new
    )


def ipv6_on_loopback(address: bytes) -> bytes:
    """One request, number 1: a /128 on lo; nobody is asked whether it is taken."""
    new = struct.pack("=BBBBI", socket.AF_INET6, 128, _IFA_F_NODAD, 0, LOOPBACK_IFINDEX)
    new += struct.pack("=HH", 20, _IFA_ADDRESS) + address
    return _request(_RTM_NEWADDR, _NLM_F_REQUEST | _NLM_F_CREATE | _NLM_F_EXCL | _NLM_F_ACK, 1, new)


def default_route(ifindex: int, source: bytes) -> bytes:
    """One request, number 1: all of a family goes out of an interface.  ``source``: in network order."""
    family = socket.AF_INET if len(source) == 4 else socket.AF_INET6
    route = struct.pack(
        "=BBBBBBBBI", family, 0, 0, 0, _RT_TABLE_MAIN, RTPROT_ORBITMESH, _RT_SCOPE_LINK, _RTN_UNICAST, 0
    )
    route += struct.pack("=HHi", 8, _RTA_OIF, ifindex)
    route += struct.pack("=HH", 4 + len(source), _RTA_PREFSRC) + source
    return _request(_RTM_NEWROUTE, _NLM_F_REQUEST | _NLM_F_CREATE | _NLM_F_REPLACE | _NLM_F_ACK, 1, route)


def _request(kind: int, flags: int, seq: int, body: bytes) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, flags, seq, 0) + body


class Refused(KernelError):
    """The kernel's answer to one request: which (``seq``) and why (``errno``)."""

    def __init__(self, seq: int, number: int) -> None:
        self.seq, self.errno = seq, number
        super().__init__(f"{os.strerror(number)} ({errno.errorcode.get(number, number)})")


class RouteSocket:
    """A NETLINK_ROUTE socket of the namespace its maker's thread is in; usable from any other."""

    def __init__(self) -> None:
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE
        )
        # error replies without the request they answer: a batch of refusals stays small
        self._socket.setsockopt(_SOL_NETLINK, _NETLINK_CAP_ACK, 1)

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def send(self, batch: bytes | memoryview, last_seq: int) -> list[Refused]:
        """Send one batch whose last request asks for an acknowledgement; what was refused, in order.

        KernelError where the kernel did not answer each request.
        """
        try:
            self._socket.send(batch)
            refused: list[Refused] = []
            while True:
                if _read_answers(self._socket.recv(65536), last_seq, refused.append):
                    return refused
        except OSError as error:
            raise KernelError(f"netlink: {error.strerror}") from error

    def ask(self, batch: bytes | memoryview, last_seq: int) -> tuple[list[bytes], list[Refused]]:
        """Send one batch of questions (or one dump); the answers, whole messages, and what was refused.

        As ``send``.  The receive buffer has to hold all answers but a dump's.
        """
        answers: list[bytes] = []
        refused: list[Refused] = []
        try:
            self._socket.send(batch)
            while True:
                data = self._socket.recv(65536)
                answers += _messages(data)
                if _read_answers(data, last_seq, refused.append):
                    return answers, refused
        except OSError as error:
            raise KernelError(f"netlink: {error.strerror}") from error

    def ifindex(self, interface: str) -> int:
        """Index of an interface in this socket's namespace; KernelError where there is none."""
        try:
            return socket_ifindex(self._socket.fileno(), interface)
        except OSError as error:
            raise KernelError(f"interface {interface}: {error.strerror}") from error

    def has(self, interface: str) -> bool:
        try:
            socket_ifindex(self._socket.fileno(), interface)
        except OSError as error:
            if error.errno == errno.ENODEV:
                return False
            raise KernelError(f"interface {interface}: {error.strerror}") from error
        return True


def _read_answers(data: bytes, last_seq: int, on_refusal: Callable[[Refused], None]) -> bool:
    """Whether the last request of the batch was answered."""
    at, done = 0, False
    while at + 16 <= len(data):
        length, kind, _flags, seq, _pid = struct.unpack_from("=IHHII", data, at)
        if kind == _NLMSG_ERROR:
            (negative,) = struct.unpack_from("=i", data, at + 16)
            if negative:
                on_refusal(Refused(seq, -negative))
            done = done or seq == last_seq
        elif kind == _NLMSG_DONE:
            (negative,) = struct.unpack_from("=i", data, at + 16)
            if negative:
                on_refusal(Refused(seq, -negative))
            done = True
        at += max(16, (length + 3) & ~3)
    return done


def _messages(data: bytes) -> list[bytes]:
    """The messages that are neither an acknowledgement, an error, nor the end of a dump."""
    found, at = [], 0
    while at + 16 <= len(data):
        length, kind = struct.unpack_from("=IH", data, at)
        if kind not in (_NLMSG_ERROR, _NLMSG_DONE):
            found.append(data[at : at + length])
        at += max(16, (length + 3) & ~3)
    return found


def socket_ifindex(socket_fd: int, interface: str) -> int:
    """SIOCGIFINDEX asks in the socket's namespace, not in the caller's: no setns is needed."""
    answer = fcntl.ioctl(socket_fd, 0x8933, struct.pack("16sI20x", interface.encode(), 0))
    return int(struct.unpack_from("=I", answer, 16)[0])
