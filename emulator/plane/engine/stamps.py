"""Stamps of arrival by the kernel: a BPF program on each device, and a table that the engine maps.

The engine is woken some tens of microseconds after a packet was handed to its
device, and would count a packet's time from then.  This program runs where the
kernel hands it over, and notes the instant under a signature of the packet's
first bytes (src/stamps.c computes the same).  It lets every packet pass.
"""

from __future__ import annotations

import os
import socket
import struct

from ...errors import KernelError
from ..kernel import bpf

_SLOTS, _SLOT_BYTES = 1 << 16, 16
_HEAD_BYTES, _SHORT_HEAD_BYTES = 64, 28  # the least: an IPv4 and a UDP header

_NLMSG_ERROR = 2


class Stamps:
    """The program and its table, for all devices of an engine.

    KernelError where the kernel does not take them.
    """

    def __init__(self) -> None:
        self.map_fd = bpf.make_array(_SLOT_BYTES, _SLOTS, bpf.F_MMAPABLE, "make a table of stamps")
        try:
            self._program_fd = bpf.load(_program(self.map_fd), "load a program that stamps packets")
        except BaseException:
            os.close(self.map_fd)
            raise

    def requests(self, ifindex: int) -> bytes:
        """Two netlink requests, numbered 1 and 2, both answered, that put the program onto a device."""
        return bpf.hook_request(ifindex, 1) + self._program_request(ifindex, 2)

    def hook(self, ifindex: int, netlink: socket.socket) -> None:
        """Make room for the program on a device in the namespace that a NETLINK_ROUTE socket was made in.

        Best before the device is up, and for many devices before the first is attached to: else the
        kernel waits for all its processors each time (0.1 ms on two).
        """
        self._ask(netlink, bpf.hook_request(ifindex, 1))

    def attach(self, ifindex: int, netlink: socket.socket) -> None:
        """To a device with a hook."""
        self._ask(netlink, self._program_request(ifindex, 1))

    def _program_request(self, ifindex: int, seq: int) -> bytes:
        return bpf.program_request(ifindex, seq, self._program_fd, b"orbitmesh-stamps", 1)

    @staticmethod
    def _ask(netlink: socket.socket, request: bytes) -> None:
        netlink.send(request)
        answered = 0
        while answered < 1:
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


def _program(map_fd: int) -> list[bpf.Instruction]:
    """See the module.  Registers: r6 the packet, r7 the signature, r8 the multiplier, r9 the instant."""
    load = [
        (0x07, 3, 0, 0, -_HEAD_BYTES),  # r3 = r10 - 64
        (0x85, 0, 0, 0, bpf.SKB_LOAD_BYTES),
    ]
    code: list[bpf.Instruction] = [
        (0xBF, 6, 1, 0, 0),  # r6 = r1
        (0xB7, 2, 0, 0, 0), (0xBF, 3, 10, 0, 0), (0xB7, 4, 0, 0, _HEAD_BYTES),
        *load,
        (0x15, 0, 0, 7, 0),  # there are 64 bytes: go and sign them
        (0xBF, 1, 6, 0, 0),  # else the first 28; the refusal has cleared the rest
        (0xB7, 2, 0, 0, 0), (0xBF, 3, 10, 0, 0), (0xB7, 4, 0, 0, _SHORT_HEAD_BYTES),
        *load,
    ]  # fmt: skip
    sign: list[bpf.Instruction] = [
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
        (0x85, 0, 0, 0, bpf.KTIME_GET_NS), (0xBF, 9, 0, 0, 0),
        (0x18, 1, 1, 0, map_fd), (0x00, 0, 0, 0, 0),
        (0xBF, 2, 10, 0, 0), (0x07, 2, 0, 0, -_HEAD_BYTES - 8),
        (0x85, 0, 0, 0, bpf.MAP_LOOKUP_ELEM),
        (0x15, 0, 0, 3, 0),
        (0x7A, 0, 0, 0, 0),  # no signature while the instant is being written
        (0x7B, 0, 9, 8, 0),
        (0x7B, 0, 7, 0, 0),
    ]  # fmt: skip
    code += [(0x55, 0, 0, len(sign), 0), *sign]  # shorter than 28: nothing to note
    code += [(0xB7, 0, 0, 0, -1), (0x95, 0, 0, 0, 0)]  # TC_ACT_UNSPEC: go on as if nothing had been here
    return code
