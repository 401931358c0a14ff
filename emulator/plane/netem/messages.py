"""rtnetlink requests for veth pairs and their netem qdiscs: bytes out, nothing done.

Layouts: linux/rtnetlink.h, linux/pkt_sched.h, linux/if_link.h, linux/veth.h,
all in the machine's byte order.
"""

from __future__ import annotations

import socket
import struct

import numpy as np
from numpy.typing import NDArray

from ..kernel.netlink import Messages

RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK = 16, 17, 18
RTM_NEWQDISC, RTM_GETQDISC = 36, 38

_NLM_F_REQUEST, _NLM_F_ACK, _NLM_F_ECHO = 0x001, 0x004, 0x008
_NLM_F_REPLACE, _NLM_F_EXCL, _NLM_F_CREATE = 0x100, 0x200, 0x400
_NLM_F_DUMP = 0x300
_TC_H_ROOT = 0xFFFF_FFFF
_TCA_KIND, _TCA_OPTIONS = 1, 2
_TCA_NETEM_RATE, _TCA_NETEM_RATE64, _TCA_NETEM_LATENCY64, _TCA_NETEM_JITTER64 = 6, 8, 10, 11
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_TXQLEN, _IFLA_LINKINFO, _IFLA_NET_NS_FD = 1, 3, 4, 13, 18, 28
_IFLA_GSO_MAX_SEGS = 40
_IFLA_INFO_KIND, _IFLA_INFO_DATA, _VETH_INFO_PEER = 1, 2, 1
_IFF_UP, _IFF_NOARP = 0x01, 0x80

HANDLE = 0x0001_0000
#: a device's own queue: of no effect while netem is there, but a change of it empties what the qdisc holds
TX_QUEUE_PACKETS = (1_000, 1_001)

#: netem counts a frame with its Ethernet header, an emulated link has none
ETHERNET_HEADER_BYTES = 14
#: 12,000 Gbit/s.  Without a rate netem lets a packet overtake when the delay falls; this one takes no time.
UNLIMITED_BYTES_PER_S = 1_500_000_000_000
#: of 2^32 - 1: the kernel loses a packet where its draw is not above this
LOSE_ALL = 0xFFFF_FFFF
MOST_PACKETS = 0x7FFF_FFFF
#: tc_netem_qopt has its latency in ticks of 64 ns; kernels with LATENCY64 (4.16) do not look at it
_TICK_NS = 64

#: one request that sets all parameters of a netem qdisc, 132 bytes
NETEM = np.dtype(
    [
        ("nl_len", "=u4"), ("nl_type", "=u2"), ("nl_flags", "=u2"), ("nl_seq", "=u4"), ("nl_pid", "=u4"),
        ("family", "u1"), ("pad", "u1", 3), ("ifindex", "=i4"), ("handle", "=u4"), ("parent", "=u4"),
        ("info", "=u4"),
        ("kind_len", "=u2"), ("kind_type", "=u2"), ("kind", "S8"),
        ("options_len", "=u2"), ("options_type", "=u2"),
        ("latency_ticks", "=u4"), ("limit_packets", "=u4"), ("loss", "=u4"), ("gap", "=u4"),
        ("duplicate", "=u4"), ("jitter_ticks", "=u4"),
        ("latency_len", "=u2"), ("latency_type", "=u2"), ("latency_ns", "=i8"),
        ("jitter_len", "=u2"), ("jitter_type", "=u2"), ("jitter_ns", "=i8"),
        ("rate32_len", "=u2"), ("rate32_type", "=u2"), ("rate32_bytes_per_s", "=u4"),
        ("packet_overhead", "=i4"), ("cell_size", "=u4"), ("cell_overhead", "=i4"),
        ("rate_len", "=u2"), ("rate_type", "=u2"), ("rate_bytes_per_s", "=u8"),
    ]
)  # fmt: skip
_OPTIONS_BYTES = NETEM.itemsize - NETEM.fields["options_len"][1]  # type: ignore[index]

#: one request about a device or its root qdisc: nlmsghdr, then ifinfomsg or tcmsg
LINK = np.dtype(
    [
        ("nl_len", "=u4"), ("nl_type", "=u2"), ("nl_flags", "=u2"), ("nl_seq", "=u4"), ("nl_pid", "=u4"),
        ("family", "u1"), ("pad", "u1"), ("device_type", "=u2"), ("ifindex", "=i4"), ("flags", "=u4"),
        ("change", "=u4"),
    ]
)  # fmt: skip
#: a LINK and the length of its own queue
QUEUE = np.dtype([*LINK.descr, ("length_len", "=u2"), ("length_type", "=u2"), ("length_packets", "=u4")])
QDISC = np.dtype(
    [
        ("nl_len", "=u4"), ("nl_type", "=u2"), ("nl_flags", "=u2"), ("nl_seq", "=u4"), ("nl_pid", "=u4"),
        ("family", "u1"), ("pad", "u1", 3), ("ifindex", "=i4"), ("handle", "=u4"), ("parent", "=u4"),
        ("info", "=u4"),
    ]
)  # fmt: skip


def netem_messages(
    ifindex: NDArray[np.int32],
    latency_ns: NDArray[np.int64],
    rate_bytes_per_s: NDArray[np.uint64],
    limit_packets: NDArray[np.uint32],
    loss: NDArray[np.uint32],
    *,
    new: bool = False,
) -> Messages:
    """(n,) requests of dtype NETEM; row i has sequence number i.

    The netem at the root of each device that has our HANDLE gets all its
    parameters anew, in place: what it holds stays, in order.  ``new``: of a
    device that has none yet.  ``loss`` is of LOSE_ALL.
    """
    message = np.zeros(len(ifindex), NETEM)
    message["nl_len"] = NETEM.itemsize
    message["nl_type"] = RTM_NEWQDISC
    message["nl_flags"] = _NLM_F_REQUEST | _NLM_F_REPLACE | (_NLM_F_CREATE if new else 0)
    message["nl_seq"] = np.arange(len(message))
    message["ifindex"] = ifindex
    message["handle"] = HANDLE
    message["parent"] = _TC_H_ROOT
    message["kind_len"], message["kind_type"], message["kind"] = 10, _TCA_KIND, b"netem"
    message["options_len"], message["options_type"] = _OPTIONS_BYTES, _TCA_OPTIONS
    message["latency_ticks"] = np.minimum(latency_ns // _TICK_NS, 0xFFFF_FFFF)
    message["limit_packets"] = limit_packets
    message["loss"] = loss
    message["latency_len"], message["latency_type"] = 12, _TCA_NETEM_LATENCY64
    message["latency_ns"] = latency_ns
    message["jitter_len"], message["jitter_type"] = 12, _TCA_NETEM_JITTER64
    # the kernel takes the larger of the two rates, and keeps its old one where the short form is missing
    message["rate32_len"], message["rate32_type"] = 20, _TCA_NETEM_RATE
    message["rate32_bytes_per_s"] = np.minimum(rate_bytes_per_s, 0xFFFF_FFFF)
    message["packet_overhead"] = -ETHERNET_HEADER_BYTES
    message["rate_len"], message["rate_type"] = 12, _TCA_NETEM_RATE64
    message["rate_bytes_per_s"] = rate_bytes_per_s
    return message


def qdisc_questions(ifindex: NDArray[np.int32]) -> Messages:
    """(n,) requests of dtype QDISC: what the root qdisc of each device is set to, and what it has counted."""
    message = np.zeros(len(ifindex), QDISC)
    message["nl_len"], message["nl_type"] = QDISC.itemsize, RTM_GETQDISC
    message["nl_flags"] = _NLM_F_REQUEST | _NLM_F_ECHO  # without it only listeners would be told
    message["nl_seq"] = np.arange(len(message))
    message["ifindex"] = ifindex
    message["parent"] = _TC_H_ROOT
    return message


def up_messages(ifindex: NDArray[np.int32]) -> Messages:
    """(n,) requests of dtype LINK: each device is brought up."""
    message = np.zeros(len(ifindex), LINK)
    message["nl_len"], message["nl_type"], message["nl_flags"] = LINK.itemsize, RTM_NEWLINK, _NLM_F_REQUEST
    message["nl_seq"] = np.arange(len(message))
    message["ifindex"] = ifindex
    message["flags"] = message["change"] = _IFF_UP
    return message


def device_questions(ifindex: NDArray[np.int32]) -> Messages:
    """(n,) requests of dtype LINK: what each device is, and what it has counted."""
    message = np.zeros(len(ifindex), LINK)
    message["nl_len"], message["nl_type"], message["nl_flags"] = LINK.itemsize, RTM_GETLINK, _NLM_F_REQUEST
    message["nl_seq"] = np.arange(len(message))
    message["ifindex"] = ifindex
    return message


def removal_messages(ifindex: NDArray[np.int32]) -> Messages:
    """(n,) requests of dtype LINK: each device goes, and its peer with it."""
    message = np.zeros(len(ifindex), LINK)
    message["nl_len"], message["nl_type"], message["nl_flags"] = LINK.itemsize, RTM_DELLINK, _NLM_F_REQUEST
    message["nl_seq"] = np.arange(len(message))
    message["ifindex"] = ifindex
    return message


def queue_messages(ifindex: NDArray[np.int32], length_packets: NDArray[np.uint32]) -> Messages:
    """(n,) requests of dtype QUEUE: each device's own queue gets another length.

    The kernel stops the device for it, which resets its qdisc: what that holds is
    lost, and its parameters and counts stay.  The interface stays up, and so do
    routes.  Nothing happens where the device has that length already.
    """
    message = np.zeros(len(ifindex), QUEUE)
    message["nl_len"], message["nl_type"], message["nl_flags"] = QUEUE.itemsize, RTM_NEWLINK, _NLM_F_REQUEST
    message["nl_seq"] = np.arange(len(message))
    message["ifindex"] = ifindex
    message["length_len"], message["length_type"] = 8, _IFLA_TXQLEN
    message["length_packets"] = length_packets
    return message


def qdisc_dump() -> bytes:
    """All qdiscs of a namespace."""
    return _request(RTM_GETQDISC, _NLM_F_DUMP, 0, bytes(20))


def mac_address(number: int) -> bytes:
    """Six bytes, locally administered, for the link of that number: the same at both its ends."""
    return struct.pack(">BBI", 0x02, 0x6F, number)


def veth_pair(
    seq: int,
    interface: str,
    peer_netns_fd: int,
    peer_interface: str,
    address: bytes,
    queue_packets: int,
    *,
    mtu_bytes: int = 1500,
    acknowledge: bool,
) -> bytes:
    """A veth pair: one end here, the other in another namespace, both down.

    They resolve no addresses (NOARP): the kernel then sends every frame to the
    device's own address, and as both ends have the same one, the other accepts it.
    TCP is told to send packets of one segment: netem counts a larger one as one.
    """
    here = b"".join(
        [
            _attribute(_IFLA_ADDRESS, address),
            _attribute(_IFLA_MTU, struct.pack("=I", mtu_bytes)),
            _attribute(_IFLA_TXQLEN, struct.pack("=I", queue_packets)),
            _attribute(_IFLA_GSO_MAX_SEGS, struct.pack("=I", 1)),
        ]
    )
    there = (
        _device()
        + _attribute(_IFLA_IFNAME, peer_interface.encode() + b"\0")
        + here
        + _attribute(_IFLA_NET_NS_FD, struct.pack("=I", peer_netns_fd))
    )
    info = _attribute(_IFLA_INFO_KIND, b"veth\0") + _attribute(
        _IFLA_INFO_DATA, _attribute(_VETH_INFO_PEER, there)
    )
    body = (
        _device()
        + _attribute(_IFLA_IFNAME, interface.encode() + b"\0")
        + here
        + _attribute(_IFLA_LINKINFO, info)
    )
    flags = _NLM_F_CREATE | _NLM_F_EXCL | (_NLM_F_ACK if acknowledge else 0)
    return _request(RTM_NEWLINK, flags, seq, body)


def _device() -> bytes:
    return struct.pack("=BxHiII", socket.AF_UNSPEC, 0, 0, _IFF_NOARP, _IFF_NOARP)


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def _request(kind: int, flags: int, seq: int, body: bytes) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, _NLM_F_REQUEST | flags, seq, 0) + body
