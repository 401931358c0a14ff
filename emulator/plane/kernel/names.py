"""Names of nodes inside programs: a mount namespace with files of its own where programs look for names.

They live on a tmpfs that only the mesh's private mount namespace sees, bound
over the machine's; it is gone with the last holder of that namespace.  Who asks
by DNS asks the node's own loopback (see plane/resolver): the machine's name
server is out of reach of every node, and would be waited for.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ...errors import HostError
from ..resolver.process import ADDRESS
from . import namespaces

_HOSTS, _RESOLV, _NSSWITCH = Path("/etc/hosts"), Path("/etc/resolv.conf"), Path("/etc/nsswitch.conf")
# a cache of the machine's, which would answer for it and not for the mesh
_CACHES = (Path("/run/nscd"), Path("/var/run/nscd"))
# Where file systems are put together before they move to their place; only in a private mount namespace.
_SCRATCH = "/tmp"


def hosts_lines(names: Sequence[str], addresses: Sequence[str]) -> str:
    """``address name`` for each node."""
    return "\n".join(f"{address} {name}" for name, address in zip(names, addresses, strict=True))


def hosts_text(lines: str, machine: str = "") -> str:
    """A hosts file: localhost, all nodes, then what the machine's own file says (the first match counts)."""
    return "\n".join(["127.0.0.1 localhost", lines, "# from this machine", machine.rstrip("\n"), ""])


def resolv_text() -> str:
    return f"# orbitmesh: the name server of this node\nnameserver {ADDRESS}\n"


def nsswitch_text(machine: str) -> str:
    """The machine's, but hosts by file and DNS alone: other sources would ask the machine's own daemons."""
    others = [line for line in machine.splitlines() if line.partition(":")[0].strip() != "hosts"]
    return "\n".join([*others, "hosts: files dns", ""])


def make_mount_namespace(lines: str) -> int:
    """A descriptor of a new mount namespace in which every node of ``hosts_lines`` is known by name."""
    try:
        hosts = hosts_text(lines, _HOSTS.read_text(errors="replace"))
    except OSError as error:
        raise HostError(f"{_HOSTS} cannot be read ({error.strerror}): make one, it may be empty") from error
    texts = {_HOSTS: hosts}
    if _RESOLV.exists():  # where there is none, programs ask the loopback
        texts[_RESOLV] = resolv_text()
    if _NSSWITCH.exists():  # where there is none, programs take the file first, then DNS
        texts[_NSSWITCH] = nsswitch_text(_NSSWITCH.read_text(errors="replace"))

    def work() -> int:
        fd = namespaces.unshare_mounts()
        try:
            namespaces.mount("orbitmesh", _SCRATCH, "tmpfs", data="mode=755,size=64m")
            for place, text in texts.items():
                own = Path(_SCRATCH, place.name)
                own.write_text(text)
                own.chmod(0o644)
                namespaces.mount(str(own), str(place), None, namespaces.MS_BIND)
            nothing = Path(_SCRATCH, "nothing")
            nothing.mkdir(0o755)
            for cache in {cache.resolve() for cache in _CACHES if cache.is_dir()}:
                namespaces.mount(str(nothing), str(cache), None, namespaces.MS_BIND)
            namespaces.unmount(_SCRATCH)  # the bound files keep the tmpfs alive
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
