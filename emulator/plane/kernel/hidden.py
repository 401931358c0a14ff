"""What of the machine a program in a node neither sees nor sets: by mounts of its own.

The capabilities that it lacks do not keep root from everything: the kernel asks for none where a process,
or a file that leads to a network namespace, is named as a device's new home, nor where one of its
switches (/proc/sysrq-trigger, /proc/sys/kernel/core_pattern, most of /sys) is written by user 0.  And a run
believes user 0 at its door, which would end it, or open any other node.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ...run_names import ROOTS_PLACE
from . import namespaces
from .namespaces import MS_BIND, mount

_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_REMOUNT = 1, 2, 4, 8, 32
_MS_NOATIME, _MS_NODIRATIME, _MS_RELATIME = 1024, 2048, 1 << 21
_FLAGS = {
    "nosuid": _MS_NOSUID, "nodev": _MS_NODEV, "noexec": _MS_NOEXEC, "noatime": _MS_NOATIME,
    "nodiratime": _MS_NODIRATIME, "relatime": _MS_RELATIME,
}  # fmt: skip

#: file systems that are the kernel's switches, wherever they are mounted
_SWITCHES = frozenset(
    {
        "sysfs", "cgroup", "cgroup2", "debugfs", "tracefs", "securityfs", "configfs", "bpf", "efivarfs",
        "pstore", "selinuxfs", "fusectl", "binfmt_misc", "resctrl",
    }
)  # fmt: skip
_TOUCHED = _SWITCHES | {"nsfs", "proc"}
_PROC = "/proc"


class _Mount(NamedTuple):
    id: int
    place: str
    kind: str
    flags: int


def hide_machine() -> None:
    """For this process, in new namespaces of processes and of mounts, and for all that it starts.

    /proc shows its own namespace alone; no file leads to another namespace; the kernel's switches are
    read-only, but for those of its own network (/proc/sys/net); and no door of a run of root's is there.
    """
    for each in _mounts():
        if not _is_on_top(each):  # out of reach already
            continue
        if each.kind == "nsfs" or (each.kind == "proc" and each.place != _PROC):
            namespaces.unmount(each.place)
        elif each.kind in _SWITCHES and not each.place.startswith(f"{_PROC}/"):
            mount("none", each.place, None, MS_BIND | _MS_REMOUNT | _MS_RDONLY | each.flags)
    flags = _MS_NOSUID | _MS_NODEV | _MS_NOEXEC
    mount("proc", _PROC, "proc", flags)
    for place in _switches_of_proc():
        mount(place, place, None, MS_BIND)
        if place == f"{_PROC}/sys":
            mount(f"{place}/net", f"{place}/net", None, MS_BIND)
        mount("none", place, None, MS_BIND | _MS_REMOUNT | _MS_RDONLY | flags)
    if Path(ROOTS_PLACE).is_dir():  # no run has a node without one
        mount("tmpfs", ROOTS_PLACE, "tmpfs", flags | _MS_RDONLY, "size=4k,mode=0755")


def _mounts() -> Iterator[_Mount]:
    """Later ones first: they may stand on earlier ones."""
    for line in reversed(Path("/proc/self/mountinfo").read_text(errors="surrogateescape").splitlines()):
        fields, _, about = line.partition(" - ")
        number, _, _, _, place, options = fields.split()[:6]
        place = re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), place)
        flags = sum(_FLAGS.get(option, 0) for option in options.split(","))
        yield _Mount(int(number), place, about.split()[0], flags)


def _is_on_top(mounted: _Mount) -> bool:
    if mounted.kind not in _TOUCHED:
        return False
    try:
        fd = os.open(mounted.place, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        about = Path(f"{_PROC}/self/fdinfo/{fd}").read_text()
    finally:
        os.close(fd)
    return f"\nmnt_id:\t{mounted.id}\n" in about


def _switches_of_proc() -> list[str]:
    """Folders, and files that can be written, but for those of processes."""
    found = []
    with os.scandir(_PROC) as entries:
        for entry in entries:
            mode = entry.stat(follow_symlinks=False).st_mode
            is_switch = stat.S_ISDIR(mode) or (stat.S_ISREG(mode) and mode & 0o222)
            if is_switch and not entry.name.isdigit():
                found.append(entry.path)
    return found
