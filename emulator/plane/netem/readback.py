"""What the kernel says a qdisc or a device is, decoded.

Written from the kernel's headers again: it shares nothing with ``messages``,
so that a mistake there does not agree with itself here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_NEW_QDISC, _NEW_LINK = 36, 16
_ROOT = 0xFFFFFFFF
_OPERATES = 6  # IF_OPER_UP of linux/if.h


@dataclass(frozen=True)
class Qdisc:
    """A root qdisc.  ``loss`` is of 2^32 - 1; the counts run since it was made.

    ``packets`` and ``frame_bytes`` (with Ethernet headers) have left it, a large
    packet counted as its segments; ``drops`` and ``held_packets`` count it as one.
    All parameters are 0 where its kind is not netem.
    """

    ifindex: int
    handle: int
    kind: str
    latency_ns: int
    jitter_ns: int
    limit_packets: int
    loss: int
    rate_bytes_per_s: int
    packets: int
    frame_bytes: int
    drops: int
    held_packets: int
    held_frame_bytes: int


@dataclass(frozen=True)
class Device:
    """``tx_dropped``: packets that a veth's other end had no room for.

    ``is_up``: it was told to be; ``carries``: the kernel has brought it into operation since, with its
    qdisc.  In between it takes what is sent, and loses it without a count.  (Who came up with a carrier is
    in operation before the kernel says so.)
    """

    ifindex: int
    name: str
    is_up: bool
    carries: bool
    tx_dropped: int


def qdiscs(answers: list[bytes]) -> Iterator[Qdisc]:
    """The root qdiscs among netlink messages."""
    for message in answers:
        kind = struct.unpack_from("=H", message, 4)[0]
        if kind != _NEW_QDISC:
            continue
        ifindex, handle, parent = struct.unpack_from("=iII", message, 20)
        if parent == _ROOT:
            yield _qdisc(message, ifindex, handle)


def devices(answers: list[bytes]) -> Iterator[Device]:
    for message in answers:
        if struct.unpack_from("=H", message, 4)[0] != _NEW_LINK:
            continue
        ifindex, flags = struct.unpack_from("=iI", message, 20)
        found = dict(_walk(message, 32, len(message)))
        dropped = 0
        if 23 in found:  # IFLA_STATS64, its eighth number
            dropped = struct.unpack_from("=8Q", message, found[23][0])[7]
        operation = message[found[16][0]] if 16 in found else 0  # IFLA_OPERSTATE
        name = bytes(message[found[3][0] : found[3][1]]).rstrip(b"\0").decode()
        yield Device(ifindex, name, bool(flags & 1), operation == _OPERATES, dropped)


def _qdisc(message: bytes, ifindex: int, handle: int) -> Qdisc:
    found = dict(_walk(message, 36, len(message)))
    start, end = found[1]
    kind = bytes(message[start:end]).rstrip(b"\0").decode()
    latency_ns = jitter_ns = limit = loss = rate = 0
    if kind == "netem":
        start, end = found[2]
        ticks, limit, loss, _gap, _duplicate, jitter_ticks = struct.unpack_from("=6I", message, start)
        latency_ns, jitter_ns = ticks * 64, jitter_ticks * 64
        for attribute, (at, _) in _walk(message, start + 24, end):
            if attribute == 10:
                latency_ns = struct.unpack_from("=q", message, at)[0]
            elif attribute == 11:
                jitter_ns = struct.unpack_from("=q", message, at)[0]
            elif attribute == 6:
                rate = max(rate, struct.unpack_from("=I", message, at)[0])
            elif attribute == 8:
                rate = max(rate, struct.unpack_from("=Q", message, at)[0])
    packets = frame_bytes = drops = held = held_bytes = 0
    if 7 in found:  # TCA_STATS2
        for attribute, (at, end) in _walk(message, *found[7]):
            if attribute == 1:
                frame_bytes, packets_32 = struct.unpack_from("=QI", message, at)
                packets = max(packets, packets_32)
            elif attribute == 8 and end - at >= 8:  # there once the short count has run over
                packets = struct.unpack_from("=Q", message, at)[0]
            elif attribute == 3:
                held, held_bytes, drops = struct.unpack_from("=3I", message, at)
    return Qdisc(
        ifindex, handle, kind, latency_ns, jitter_ns, limit, loss, rate,
        packets, frame_bytes, drops, held, held_bytes,
    )  # fmt: skip


def _walk(message: bytes, at: int, end: int) -> Iterator[tuple[int, tuple[int, int]]]:
    """Attributes: (type, (start, end) of the value)."""
    while at + 4 <= end:
        length, kind = struct.unpack_from("=HH", message, at)
        if length < 4:
            return
        yield kind & 0x3FFF, (at + 4, min(at + length, end))
        at += (length + 3) & ~3
