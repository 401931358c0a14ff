"""BPF by hand: small programs on devices, and the tables that they share with us.

Formats: linux/bpf.h, linux/rtnetlink.h, linux/pkt_cls.h.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import socket
import struct
from collections.abc import Sequence

from ...errors import KernelError

MAP_TYPE_ARRAY = 2
F_MMAPABLE = 1 << 10
MAP_LOOKUP_ELEM, KTIME_GET_NS, SKB_LOAD_BYTES, SKB_LOAD_BYTES_RELATIVE = 1, 5, 26, 68  # what programs call

_SYSCALL = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "ppc64le": 361, "s390x": 351}
_MAP_CREATE, _MAP_LOOKUP, _PROG_LOAD = 0, 1, 5
_PROG_TYPE_SCHED_CLS = 3
_RTM_NEWQDISC, _RTM_NEWTFILTER = 36, 44
_REQUEST, _ACK, _EXCL, _CREATE = 0x001, 0x004, 0x200, 0x400
_CLSACT, _CLSACT_HANDLE, _EGRESS = 0xFFFFFFF1, 0xFFFF0000, 0xFFFFFFF3
_TCA_KIND, _TCA_OPTIONS = 1, 2
_TCA_BPF_FD, _TCA_BPF_NAME, _TCA_BPF_FLAGS, _ACT_DIRECT = 6, 7, 8, 1
_ETH_P_ALL = 3

#: operation, destination register, source register, offset, immediate
Instruction = tuple[int, int, int, int, int]


def make_array(value_bytes: int, n_values: int, flags: int, what: str) -> int:
    """A descriptor of a table; KernelError with ``what`` where the kernel makes none."""
    fd = _call(_MAP_CREATE, struct.pack("=5I", MAP_TYPE_ARRAY, 4, value_bytes, n_values, flags), what)
    os.set_inheritable(fd, False)
    return fd


def read_counter(map_fd: int) -> int:
    """The first value of a table of 64-bit numbers."""
    key, value = ctypes.c_uint32(0), ctypes.c_uint64(0)
    where = struct.pack("=IxxxxQQQ", map_fd, ctypes.addressof(key), ctypes.addressof(value), 0)
    _call(_MAP_LOOKUP, where, "read its table")
    return value.value


def load(program: Sequence[Instruction], what: str) -> int:
    """A descriptor of a program for ``program_request``."""
    data = b"".join(
        struct.pack(
            "=BBhi", op, destination | source << 4, offset, imm - (1 << 32) if imm >= 1 << 31 else imm
        )
        for op, destination, source, offset, imm in program
    )
    code = ctypes.create_string_buffer(data, len(data))
    licence = ctypes.create_string_buffer(b"Dual MIT/GPL")
    where = ctypes.addressof(code), ctypes.addressof(licence)
    fd = _call(_PROG_LOAD, struct.pack("=IIQQ", _PROG_TYPE_SCHED_CLS, len(program), *where), what)
    os.set_inheritable(fd, False)
    return fd


def hook_request(ifindex: int, seq: int) -> bytes:
    """A netlink request, answered, for the place on a device where programs go.

    Refused with EEXIST where there is one.  On a device that is up it takes the kernel a grace period.
    """
    head = struct.pack("=BxxxiIII", 0, ifindex, _CLSACT_HANDLE, _CLSACT, 0)
    return _request(_RTM_NEWQDISC, seq, head + _attribute(_TCA_KIND, b"clsact\0"))


def program_request(ifindex: int, seq: int, program_fd: int, name: bytes, priority: int) -> bytes:
    """A netlink request, answered, that lets a program see what leaves by a device, whose hook is there.

    The first program waits for what is left of a grace period since the hook was made.
    """
    options = b"".join(
        (
            _attribute(_TCA_BPF_FD, struct.pack("=I", program_fd)),
            _attribute(_TCA_BPF_NAME, name + b"\0"),
            _attribute(_TCA_BPF_FLAGS, struct.pack("=I", _ACT_DIRECT)),
        )
    )
    head = struct.pack("=BxxxiIII", 0, ifindex, 0, _EGRESS, priority << 16 | socket.htons(_ETH_P_ALL))
    rule = head + _attribute(_TCA_KIND, b"bpf\0") + _attribute(_TCA_OPTIONS, options)
    return _request(_RTM_NEWTFILTER, seq, rule)


def _call(command: int, attributes: bytes, what: str) -> int:
    number = _SYSCALL.get(platform.machine())
    if number is None:
        raise KernelError(f"cannot {what}: unknown processor {platform.machine()}")
    buffer = ctypes.create_string_buffer(attributes, 128)
    libc = ctypes.CDLL(None, use_errno=True)
    result = int(libc.syscall(ctypes.c_long(number), command, buffer, len(buffer)))
    if result < 0:
        reason = ctypes.get_errno()
        why = "it has no BPF" if reason == errno.ENOSYS else os.strerror(reason)
        raise KernelError(f"cannot {what}: {why}")
    return result


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def _request(kind: int, sequence: int, body: bytes) -> bytes:
    flags = _REQUEST | _ACK | _CREATE | _EXCL
    return struct.pack("=IHHII", 16 + len(body), kind, flags, sequence, 0) + body
