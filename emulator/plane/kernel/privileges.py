"""What this process may not do and would have to, in one sentence."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ...errors import HostError

# linux/capability.h
_CAP_NET_ADMIN, _CAP_SYS_ADMIN = 12, 21
_TUN = Path("/dev/net/tun")


def missing(*, tun: bool = True) -> str | None:
    """What keeps this process from building a mesh, with the next step; None where nothing does.

    ``tun``: whether the links need TUN devices.
    """
    effective = _effective_capabilities()
    lacking = [
        name
        for name, bit in (("CAP_SYS_ADMIN", _CAP_SYS_ADMIN), ("CAP_NET_ADMIN", _CAP_NET_ADMIN))
        if not effective >> bit & 1
    ]
    if lacking:
        who = "root" if os.geteuid() == 0 else f"user {os.geteuid()}"
        return f"{who} lacks {' and '.join(lacking)}: run it with sudo, or in the Vagrant box"
    if tun:
        return _missing_tun()
    return None


def require(*, tun: bool = True) -> None:
    """HostError where something is missing."""
    reason = missing(tun=tun)
    if reason is not None:
        raise HostError(reason)


def _effective_capabilities() -> int:
    status = Path("/proc/self/status").read_text()
    found = re.search(r"^CapEff:\s*([0-9a-f]+)$", status, re.MULTILINE)
    if found is None:
        raise HostError("/proc/self/status does not show the capabilities of this process: is /proc mounted?")
    return int(found.group(1), 16)


def _missing_tun() -> str | None:
    if not _TUN.exists():
        return f"{_TUN} is missing: load the module (modprobe tun), or run it in the Vagrant box"
    try:
        os.close(os.open(_TUN, os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        return (
            f"{_TUN} cannot be opened ({error.strerror}): allow this process to, or run it in the Vagrant box"
        )
    return None
