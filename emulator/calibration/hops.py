"""The way of a packet, hop by hop: echo requests that live for one hop, two, three, …"""

from __future__ import annotations

import itertools
import select
import socket
import struct
import time

from ..errors import RunError
from ..plane.kernel.namespaces import enter, on_own_thread

_ECHO_REPLY, _ECHO_REQUEST, _TIME_EXCEEDED = 0, 8, 11
_ROUNDS = 5  # a kernel answers only so many expired packets a second, of all its namespaces together
_PATIENCE_S = 1.0
_HEADER = struct.Struct("!BBHHH")  # of an echo: kind, code, checksum, whose it is, its number

_asked = itertools.count(1)


def hops_to(netns_fd: int, address: str, most: int) -> tuple[str, ...]:
    """Addresses of whoever answered from hop 1 on; the last one is the destination's.

    ``most``: so many hops are tried.  RunError where one of them does not answer, or the destination is not
    reached.
    """

    def ask() -> tuple[str, ...]:
        enter(netns_fd)
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as sock:
            return _ask(sock, address, most)

    return on_own_thread(ask)


def _ask(sock: socket.socket, address: str, most: int) -> tuple[str, ...]:
    answered: dict[int, str] = {}
    whose = next(_asked) & 0xFFFF  # late answers to the question before come to this socket as well
    end = most + 1  # the hop of the destination, once it has answered
    for _ in range(_ROUNDS):
        for hops in range(1, min(end, most) + 1):
            if hops not in answered:
                sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, hops)
                sock.sendto(_request(whose, hops), (address, 0))
        deadline_s = time.monotonic() + _PATIENCE_S
        while (left_s := deadline_s - time.monotonic()) > 0 and not set(range(1, end + 1)) <= answered.keys():
            if not select.select([sock], [], [], left_s)[0]:
                break
            packet, (source, _) = sock.recvfrom(1 << 16)
            kind, asker, hops = _answer(packet[(packet[0] & 15) * 4 :])
            if kind is None or asker != whose:
                continue
            answered[hops] = source
            if kind == _ECHO_REPLY:
                end = min(end, hops)
        if set(range(1, end + 1)) <= answered.keys():
            return tuple(answered[hops] for hops in range(1, end + 1))
    silent = [hops for hops in range(1, min(end, most) + 1) if hops not in answered]
    raise RunError(
        f"{address} was not reached in {most} hops"
        if end > most
        else f"to {address}, hops {silent} are silent"
    )


def _request(whose: int, hops: int) -> bytes:
    """An echo request whose number is its hop limit, without data."""
    total = (_ECHO_REQUEST << 8) + whose + hops
    return _HEADER.pack(_ECHO_REQUEST, 0, 0xFFFF - (total & 0xFFFF) - (total >> 16), whose, hops)


def _answer(icmp: bytes) -> tuple[int | None, int, int]:
    """Kind, whose, and number of what answers an echo request; None for anything else."""
    kind = icmp[0]
    if kind == _ECHO_REPLY:
        _, _, _, whose, hops = _HEADER.unpack_from(icmp)
        return kind, whose, hops
    if kind == _TIME_EXCEEDED and len(icmp) >= 8 + 20 + 8:
        inside_kind, _, _, whose, hops = _HEADER.unpack_from(icmp, 8 + (icmp[8] & 15) * 4)
        if inside_kind == _ECHO_REQUEST:
            return kind, whose, hops
    return None, 0, 0
