"""Stamps of arrival by the kernel: a BPF program on each device, and a table that the engine maps.

The engine is woken some tens of microseconds after a packet was handed to its
device, and would count a packet's time from then.  This program runs where the
kernel hands it over, and notes the instant under a signature of the packet's
first bytes (src/stamps.c computes the same).  It lets every packet pass.

Formats: linux/bpf.h, linux/rtnetlink.h, linux/pkt_cls.h.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import socket
import struct

from ...errors import KernelError

_SLOTS, _SLOT_BYTES = 1 << 16, 16
_HEAD_BYTES, _SHORT_HEAD_BYTES = 64, 28  # the least: an IPv4 and a UDP header

_BPF_SYSCALL = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "ppc64le": 361, "s390x": 351}
_MAP_CREATE, _PROG_LOAD = 0, 5
_MAP_TYPE_ARRAY, _PROG_TYPE_SCHED_CLS = 2, 3
_F_MMAPABLE = 1 << 10
_MAP_LOOKUP_ELEM, _KTIME_GET_NS, _SKB_LOAD_BYTES = 1, 5, 26

_RTM_NEWQDISC, _RTM_NEWTFILTER = 36, 44
_REQUEST, _ACK, _EXCL, _CREATE = 0x001, 0x004, 0x200, 0x400
_CLSACT, _CLSACT_HANDLE, _EGRESS = 0xFFFFFFF1, 0xFFFF0000, 0xFFFFFFF3
_TCA_KIND, _TCA_OPTIONS = 1, 2
_TCA_BPF_FD, _TCA_BPF_NAME, _TCA_BPF_FLAGS, _ACT_DIRECT = 6, 7, 8, 1
_ETH_P_ALL, _FIRST = 3, 1 << 16
_NLMSG_ERROR = 2

_REFUSED = "the kernel takes no program that stamps packets"


class Stamps:
    """The program and its table, for all devices of an engine.

    KernelError where the kernel does not take them.
    """

    def __init__(self) -> None:
        attributes = struct.pack("=5I", _MAP_TYPE_ARRAY, 4, _SLOT_BYTES, _SLOTS, _F_MMAPABLE)
        self.map_fd = _bpf(_MAP_CREATE, attributes, "make its table")
        try:
            self._program_fd = _load(_program(self.map_fd))
        except BaseException:
            os.close(self.map_fd)
            raise

    def requests(self, ifindex: int) -> bytes:
        """Two netlink requests, numbered 1 and 2, both answered, that put the program onto a device."""
        name = b"orbitmesh-stamps\0"
        options = b"".join(
            (
                _attribute(_TCA_BPF_FD, struct.pack("=I", self._program_fd)),
                _attribute(_TCA_BPF_NAME, name),
                _attribute(_TCA_BPF_FLAGS, struct.pack("=I", _ACT_DIRECT)),
            )
        )
        head = struct.pack("=BxxxiIII", 0, ifindex, _CLSACT_HANDLE, _CLSACT, 0)
        qdisc = head + _attribute(_TCA_KIND, b"clsact\0")
        head = struct.pack("=BxxxiIII", 0, ifindex, 0, _EGRESS, _FIRST | socket.htons(_ETH_P_ALL))
        rule = head + _attribute(_TCA_KIND, b"bpf\0") + _attribute(_TCA_OPTIONS, options)
        return _request(_RTM_NEWQDISC, 1, qdisc) + _request(_RTM_NEWTFILTER, 2, rule)

    def attach(self, ifindex: int, netlink: socket.socket) -> None:
        """To a device in the namespace that a NETLINK_ROUTE socket was made in."""
        netlink.send(self.requests(ifindex))
        answered = 0
        while answered < 2:
            data = netlink.recv(1 << 16)
            at = 0
            while at < len(data):
                length, kind = struct.unpack_from("=IH", data, at)
                if kind == _NLMSG_ERROR:
                    answered += 1
                    status = -struct.unpack_from("=i", data, at + 16)[0]
                    if status:
                        raise KernelError(
                            f"the kernel takes no program that stamps packets: {os.strerror(status)}"
                        )
                at += (length + 3) & ~3

    def close(self) -> None:
        """Devices keep the program for as long as they are there."""
        os.close(self.map_fd)
        os.close(self._program_fd)


def _program(map_fd: int) -> bytes:
    """See the module.  Registers: r6 the packet, r7 the signature, r8 the multiplier, r9 the instant."""
    load = [
        (0x07, 3, 0, 0, -_HEAD_BYTES),  # r3 = r10 - 64
        (0x85, 0, 0, 0, _SKB_LOAD_BYTES),
    ]
    code: list[tuple[int, int, int, int, int]] = [
        (0xBF, 6, 1, 0, 0),  # r6 = r1
        (0xB7, 2, 0, 0, 0), (0xBF, 3, 10, 0, 0), (0xB7, 4, 0, 0, _HEAD_BYTES),
        *load,
        (0x15, 0, 0, 7, 0),  # there are 64 bytes: go and sign them
        (0xBF, 1, 6, 0, 0),  # else the first 28; the refusal has cleared the rest
        (0xB7, 2, 0, 0, 0), (0xBF, 3, 10, 0, 0), (0xB7, 4, 0, 0, _SHORT_HEAD_BYTES),
        *load,
    ]  # fmt: skip
    sign: list[tuple[int, int, int, int, int]] = [
        (0xB7, 7, 0, 0, 0),
        (0x18, 8, 0, 0, 0x7F4A7C15), (0x00, 0, 0, 0, 0x9E3779B9),  # r8 = 0x9e3779b97f4a7c15
    ]  # fmt: skip
    for at in range(-_HEAD_BYTES, 0, 8):
        sign += [
            (0x79, 1, 10, at, 0),  # r1 = the next eight bytes
            (0xAF, 7, 1, 0, 0), (0x2F, 7, 8, 0, 0),  # r7 = (r7 ^ r1) * r8
            (0xBF, 1, 7, 0, 0), (0x77, 1, 0, 0, 32), (0xAF, 7, 1, 0, 0),  # r7 ^= r7 >> 32
        ]  # fmt: skip
    sign += [
        (0x47, 7, 0, 0, 1),
        (0xBF, 1, 7, 0, 0), (0x77, 1, 0, 0, 48), (0x63, 10, 1, -_HEAD_BYTES - 8, 0),  # the slot's number
        (0x85, 0, 0, 0, _KTIME_GET_NS), (0xBF, 9, 0, 0, 0),
        (0x18, 1, 1, 0, map_fd), (0x00, 0, 0, 0, 0),
        (0xBF, 2, 10, 0, 0), (0x07, 2, 0, 0, -_HEAD_BYTES - 8),
        (0x85, 0, 0, 0, _MAP_LOOKUP_ELEM),
        (0x15, 0, 0, 3, 0),
        (0x7A, 0, 0, 0, 0),  # no signature while the instant is being written
        (0x7B, 0, 9, 8, 0),
        (0x7B, 0, 7, 0, 0),
    ]  # fmt: skip
    code += [(0x55, 0, 0, len(sign), 0), *sign]  # shorter than 28: nothing to note
    code += [(0xB7, 0, 0, 0, -1), (0x95, 0, 0, 0, 0)]  # TC_ACT_UNSPEC: go on as if nothing had been here
    return b"".join(
        struct.pack(
            "=BBhi", op, destination | source << 4, offset, imm - (1 << 32) if imm >= 1 << 31 else imm
        )
        for op, destination, source, offset, imm in code
    )


def _load(program: bytes) -> int:
    code = ctypes.create_string_buffer(program, len(program))
    licence = ctypes.create_string_buffer(b"Dual MIT/GPL")
    pointers = ctypes.addressof(code), ctypes.addressof(licence)
    return _bpf(
        _PROG_LOAD, struct.pack("=IIQQ", _PROG_TYPE_SCHED_CLS, len(program) // 8, *pointers), "load it"
    )


def _bpf(command: int, attributes: bytes, what: str) -> int:
    number = _BPF_SYSCALL.get(platform.machine())
    if number is None:
        raise KernelError(f"no program that stamps packets: unknown processor {platform.machine()}")
    buffer = ctypes.create_string_buffer(attributes, 128)
    libc = ctypes.CDLL(None, use_errno=True)
    fd = int(libc.syscall(ctypes.c_long(number), command, buffer, len(buffer)))
    if fd < 0:
        reason = ctypes.get_errno()
        why = "it has no BPF" if reason == errno.ENOSYS else os.strerror(reason)
        raise KernelError(f"{_REFUSED}: cannot {what}: {why}")
    os.set_inheritable(fd, False)
    return fd


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def _request(kind: int, sequence: int, body: bytes) -> bytes:
    flags = _REQUEST | _ACK | _CREATE | _EXCL
    return struct.pack("=IHHII", 16 + len(body), kind, flags, sequence, 0) + body
