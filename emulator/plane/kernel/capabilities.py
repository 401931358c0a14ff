"""What a program in a node may do: a container's usual capabilities and NET_ADMIN, not all of root's."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from ...errors import HostError

# Docker's default set (moby, oci/caps/defaults.go), and NET_ADMIN; numbers of linux/capability.h
KEPT = {
    "chown": 0, "dac_override": 1, "fowner": 3, "fsetid": 4, "kill": 5, "setgid": 6, "setuid": 7,
    "setpcap": 8, "net_bind_service": 10, "net_admin": 12, "net_raw": 13, "sys_chroot": 18, "mknod": 27,
    "audit_write": 29, "setfcap": 31,
}  # fmt: skip


def confining_command() -> list[str]:
    """What to put before a program, inside its node, so that it has no more than KEPT.

    By util-linux's setpriv.  Out of the bounding set, a capability cannot come back by any exec.
    """
    if shutil.which("setpriv") is None:
        raise HostError("setpriv is missing: install the package util-linux, or use --privileged")
    dropped = [f"-cap_{number}" for number in _bounding() if number not in KEPT.values()]
    if not dropped:
        return []
    return ["setpriv", "--inh-caps=-all", "--ambient-caps=-all", f"--bounding-set={','.join(dropped)}", "--"]


def _bounding() -> list[int]:
    found = re.search(r"^CapBnd:\s*([0-9a-f]+)$", Path("/proc/self/status").read_text(), re.MULTILINE)
    if found is None:
        raise HostError("/proc/self/status does not show the capabilities of this process: is /proc mounted?")
    mask = int(found[1], 16)
    return [number for number in range(mask.bit_length()) if mask >> number & 1]
