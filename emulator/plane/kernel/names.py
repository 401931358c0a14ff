"""Names of nodes inside programs: a mount namespace with a hosts file of its own.

The file lives on a tmpfs that only the mesh's private mount namespace sees,
bound over /etc/hosts; it is gone with the last holder of that namespace.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ...errors import HostError
from . import namespaces

_HOSTS = Path("/etc/hosts")
# Where file systems are put together before they move to their place; only in a private mount namespace.
_SCRATCH = "/tmp"


def hosts_text(names: Sequence[str], addresses: Sequence[str], machine: str = "") -> str:
    """A hosts file: localhost, all nodes, then what the machine's own file says (the first match counts)."""
    lines = ["127.0.0.1 localhost", *(f"{a} {n}" for n, a in zip(names, addresses, strict=True))]
    return "\n".join([*lines, "# from this machine", machine.rstrip("\n"), ""])


def make_mount_namespace(names: Sequence[str], addresses: Sequence[str]) -> int:
    """A descriptor of a new mount namespace in which every node is known by name."""
    try:
        text = hosts_text(names, addresses, _HOSTS.read_text(errors="replace"))
    except OSError as error:
        raise HostError(f"{_HOSTS} cannot be read ({error.strerror}): make one, it may be empty") from error

    def work() -> int:
        fd = namespaces.unshare_mounts()
        try:
            namespaces.mount("orbitmesh", _SCRATCH, "tmpfs", data="mode=755,size=64m")
            own = Path(_SCRATCH, "hosts")
            own.write_text(text)
            own.chmod(0o644)
            namespaces.mount(str(own), str(_HOSTS), None, namespaces.MS_BIND)
            namespaces.unmount(_SCRATCH)  # the bound file keeps the tmpfs alive
        except BaseException:
            os.close(fd)
            raise
        return fd

    return namespaces.on_own_thread(work)


def make_node_mount_namespace(netns_fd: int, mntns_fd: int) -> int:
    """The mesh's mount namespace with the /sys of one node: /sys/class/net shows that node's interfaces."""

    def work() -> int:
        namespaces.enter_mounts(mntns_fd)
        fd = namespaces.unshare_mounts()
        try:
            namespaces.enter(netns_fd)  # a sysfs belongs to the network namespace it is mounted from
            if not Path("/sys/class/net").is_dir():
                return fd
            namespaces.mount("sysfs", _SCRATCH, "sysfs")
            if os.path.ismount("/sys/fs/cgroup"):
                namespaces.mount(
                    "/sys/fs/cgroup", f"{_SCRATCH}/fs/cgroup", None, namespaces.MS_BIND | namespaces.MS_REC
                )
            namespaces.mount(_SCRATCH, "/sys", None, namespaces.MS_MOVE)
        except BaseException:
            os.close(fd)
            raise
        return fd

    return namespaces.on_own_thread(work)
