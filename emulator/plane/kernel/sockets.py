"""A socket that a program in a node was given must not lead it to the network that the socket is of.

SIOCGSKNS, an ioctl, gives the network namespace of any socket, and with NET_ADMIN a program can move a
device into it.  A filter refuses that one call; sockets as standard input or output are usual (Node.js).
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct

from ...errors import HostError

_PR_SET_SECCOMP, _MODE_FILTER = 22, 2
_SIOCGSKNS = 0x894C  # linux/sockios.h

# linux/audit.h, and each architecture's asm/unistd.h: the numbers of ioctl, 32-bit programs' too
_IOCTLS = (
    (0xC000003E, 16), (0xC000003E, 0x40000000 | 514), (0x40000003, 54),  # x86-64, x32, i386
    (0xC00000B7, 29), (0x40000028, 54), (0xC00000F3, 29),  # arm64, arm, riscv64
    (0xC0000015, 54), (0x80000016, 54),  # ppc64le, s390x
)  # fmt: skip
_BIG_ENDIAN = {0x80000016}

# linux/bpf_common.h, linux/seccomp.h
_LOAD, _IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM
_NUMBER, _ARCHITECTURE, _SECOND_ARGUMENT = 0, 4, 24

_libc = ctypes.CDLL(None, use_errno=True)


def keep_networks_apart() -> None:
    """For this process and all that it starts, for good.  Needs SYS_ADMIN; HostError without."""
    program = b"".join(struct.pack("=HBBI", *instruction) for instruction in _program())
    code = ctypes.create_string_buffer(program, len(program))
    head = struct.pack("=HxxxxxxQ", len(program) // 8, ctypes.addressof(code))
    if _libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.c_char_p(head), 0, 0) != 0:
        why = os.strerror(ctypes.get_errno())
        raise HostError(f"cannot filter what the program may ask of its sockets: {why}")


def _program() -> list[tuple[int, int, int, int]]:
    """Operation, instructions to skip if equal, and if not, operand."""
    found = []
    for architecture, ioctl in _IOCTLS:
        low = _SECOND_ARGUMENT + (4 if architecture in _BIG_ENDIAN else 0)
        found += [
            (_LOAD, 0, 0, _ARCHITECTURE),
            (_IF_EQUAL, 0, 5, architecture),
            (_LOAD, 0, 0, _NUMBER),
            (_IF_EQUAL, 0, 3, ioctl),
            (_LOAD, 0, 0, low),
            (_IF_EQUAL, 0, 1, _SIOCGSKNS),  # the kernel looks at no more of it either
            (_RETURN, 0, 0, _REFUSE),
        ]
    return [*found, (_RETURN, 0, 0, _ALLOW)]
