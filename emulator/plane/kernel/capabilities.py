"""What a program in a node may do: a container's usual capabilities and NET_ADMIN, not all of root's."""

from __future__ import annotations

import ctypes
import os
import re
from pathlib import Path

from ...errors import HostError

# Docker's default set (moby, oci/caps/defaults.go), and NET_ADMIN; numbers of linux/capability.h.  Not
# MKNOD: there a device cgroup keeps it harmless, here it would make a node of any disk.
KEPT = {
    "chown": 0, "dac_override": 1, "fowner": 3, "fsetid": 4, "kill": 5, "setgid": 6, "setuid": 7,
    "setpcap": 8, "net_bind_service": 10, "net_admin": 12, "net_raw": 13, "sys_chroot": 18,
    "audit_write": 29, "setfcap": 31,
}  # fmt: skip
_KEPT_MASK = sum(1 << number for number in KEPT.values())

# linux/prctl.h, linux/capability.h
_PR_CAPBSET_DROP, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 24, 47, 4
_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Data(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def confine() -> None:
    """Leave this process, and whatever it becomes, no more than KEPT; for good.

    Out of the bounding set, a capability cannot come back by any exec.
    """
    for number in _bounding():
        if number not in KEPT.values():
            _check(_libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0))
    _check(_libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0))
    header, data = _Header(_VERSION_3, 0), (_Data * 2)()
    _check(_libc.capget(ctypes.byref(header), data))
    for half, each in enumerate(data):
        mask = _KEPT_MASK >> 32 * half & 0xFFFF_FFFF
        each.permitted &= mask
        each.effective = each.permitted
        each.inheritable = 0
    _check(_libc.capset(ctypes.byref(header), data))


def _check(result: int) -> None:
    if result != 0:
        raise HostError(f"cannot give up capabilities: {os.strerror(ctypes.get_errno())}")


def _bounding() -> list[int]:
    found = re.search(r"^CapBnd:\s*([0-9a-f]+)$", Path("/proc/self/status").read_text(), re.MULTILINE)
    if found is None:
        raise HostError("/proc/self/status does not show the capabilities of this process: is /proc mounted?")
    mask = int(found[1], 16)
    return [number for number in range(mask.bit_length()) if mask >> number & 1]
