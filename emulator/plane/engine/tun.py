"""TUN devices: made inside namespaces, handed over by descriptor, removed side by side."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import struct
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from ...errors import BackendError
from ..backend import LinkEnd
from ..kernel.namespaces import enter
from .stamps import Stamps

_DEVICE = "/dev/net/tun"
# linux/if_tun.h
_TUNSETIFF, _TUNSETPERSIST, _TUNSETOFFLOAD = 0x400454CA, 0x400454CB, 0x400454D0
_IFF_TUN, _IFF_NO_PI, _IFF_VNET_HDR = 0x0001, 0x1000, 0x4000
_CSUM, _TSO4, _TSO6, _TSO_ECN, _USO4, _USO6 = 0x01, 0x02, 0x04, 0x08, 0x20, 0x40
_OFFLOAD_TCP = _CSUM | _TSO4 | _TSO6 | _TSO_ECN
_OFFLOAD_ALL = _OFFLOAD_TCP | _USO4 | _USO6  # USO: Linux 6.2
# linux/sockios.h, linux/if.h
_SIOCSIFFLAGS, _SIOCGIFINDEX, _SIOCSIFTXQLEN, _SIOCSIFMTU = 0x8914, 0x8933, 0x8943, 0x8922
_IFF_UP, _IFF_POINTOPOINT, _IFF_NOARP, _IFF_MULTICAST = 0x1, 0x10, 0x80, 0x1000
_UP = _IFF_UP | _IFF_POINTOPOINT | _IFF_NOARP | _IFF_MULTICAST

TX_QUEUE_PACKETS = 2000  # the device's default of 500 drops bursts while the engine is woken
_MAX_NAME_BYTES = 15
_CLOSERS = 64


def make(ends: Sequence[LinkEnd], made: list[int], stamps: Stamps | None = None) -> bool:
    """A device for each end, up; appends to ``made`` a non-blocking descriptor each, in order of ``ends``.

    ``stamps`` go onto each.  The caller's thread is left in another namespace.  ``made`` holds what was
    made until then also where BackendError is raised.  True where the kernel
    segments UDP too.
    """
    all_segment_udp = True
    with contextlib.ExitStack() as opened:
        # by namespace: a socket configures the one it was made in
        configure: dict[int, socket.socket] = {}
        netlink: dict[int, socket.socket] = {}
        ifindexes: list[int] = []
        inside = None
        for end in ends:
            if inside != end.netns_fd:
                enter(end.netns_fd)
                inside = end.netns_fd
                if inside not in configure:
                    configure[inside] = opened.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                    if stamps is not None:
                        netlink[inside] = opened.enter_context(
                            socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
                        )
            all_segment_udp &= _make_one(end, configure[end.netns_fd], made)
            if stamps is not None:
                ifindexes.append(_ifindex(end.interface, configure[end.netns_fd]))
                stamps.hook(ifindexes[-1], netlink[end.netns_fd])
        # once all have their hooks, and are not up yet: see Stamps.hook
        for end, ifindex in zip(ends, ifindexes, strict=False):
            assert stamps is not None
            stamps.attach(ifindex, netlink[end.netns_fd])
        for end in ends:
            _bring_up(end.interface, configure[end.netns_fd])
    return all_segment_udp


def _ifindex(interface: str, configure: socket.socket) -> int:
    answer = fcntl.ioctl(configure, _SIOCGIFINDEX, struct.pack("16s24x", interface.encode()))
    return int(struct.unpack_from("=i", answer, 16)[0])


def _make_one(end: LinkEnd, configure: socket.socket, made: list[int]) -> bool:
    """A device, not up yet."""
    interface = end.interface
    name = interface.encode()
    if not 0 < len(name) <= _MAX_NAME_BYTES or b"%" in name:
        raise BackendError(f"{interface!r} is no interface name: at most {_MAX_NAME_BYTES} bytes, and no %")
    step = "open " + _DEVICE
    try:
        fd = os.open(_DEVICE, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        made.append(fd)
        step = "make it a TUN device"
        fcntl.ioctl(fd, _TUNSETIFF, struct.pack("16sH22x", name, _IFF_TUN | _IFF_NO_PI | _IFF_VNET_HDR))
        step = "turn on segmentation offload"
        try:
            fcntl.ioctl(fd, _TUNSETOFFLOAD, _OFFLOAD_ALL)
            segments_udp = True
        except OSError:
            fcntl.ioctl(fd, _TUNSETOFFLOAD, _OFFLOAD_TCP)
            segments_udp = False
        step = "lengthen its queue"
        fcntl.ioctl(configure, _SIOCSIFTXQLEN, struct.pack("16si20x", name, TX_QUEUE_PACKETS))
        step = f"give it an MTU of {end.mtu_bytes} bytes"
        fcntl.ioctl(configure, _SIOCSIFMTU, struct.pack("16si20x", name, end.mtu_bytes))
    except OSError as error:
        raise BackendError(f"interface {interface}: cannot {step}: {error.strerror}") from error
    return segments_udp


def _bring_up(interface: str, configure: socket.socket) -> None:
    try:
        fcntl.ioctl(configure, _SIOCSIFFLAGS, struct.pack("16sH22x", interface.encode(), _UP))
    except OSError as error:
        raise BackendError(f"interface {interface}: cannot bring it up: {error.strerror}") from error


def leave(fds: Iterable[int]) -> None:
    """Let devices outlive their descriptors, until their namespace ends."""
    for fd in fds:
        try:
            fcntl.ioctl(fd, _TUNSETPERSIST, 1)
        except OSError as error:
            if error.errno != errno.EBADFD:  # a program in the node has removed it
                raise


def remove(fds: Iterable[int]) -> None:
    """Close descriptors.  The last of a device removes it: 25 ms in the kernel, 1 ms each side by side."""
    fds = list(fds)
    if not fds:
        return
    with ThreadPoolExecutor(min(_CLOSERS, len(fds)), thread_name_prefix="orbitmesh-tun") as closers:
        list(closers.map(os.close, fds))
