"""Anonymous namespaces: made by unshare, held by a descriptor, gone with their last holder.

A thread that leaves home for another namespace never comes back: the work is
done on a thread of its own that ends afterwards.  So there is nothing to
restore, and no Ctrl-C (which Python raises on the main thread only) can strand
the program in a namespace it does not belong to.
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from ...errors import HostError
from ...priority import go_first, goes_first
from ...signals import held_back

T = TypeVar("T")

CLONE_FS = 0x00000200
CLONE_NEWNS = 0x00020000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_BIND, MS_MOVE, MS_REC, MS_PRIVATE = 0x1000, 0x2000, 0x4000, 1 << 18
MNT_DETACH = 2

_libc = ctypes.CDLL(None, use_errno=True)  # Python 3.11 has neither os.unshare nor os.setns


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        if number == errno.EPERM:
            hint = ": run it with sudo, or in the Vagrant box"
        elif number in (errno.ENOSPC, errno.EUSERS):
            hint = ": the machine's limit of namespaces is reached (see /proc/sys/user/max_*_namespaces)"
        else:
            hint = ""
        raise HostError(f"{what}: {os.strerror(number)}{hint}")


def on_own_thread(work: Callable[[], T]) -> T:
    """Run ``work`` on a new thread that ends afterwards; its result or exception.

    Ctrl-C while waiting is raised once the work has ended.
    """
    return on_own_threads([work])[0]


def on_own_threads(works: Sequence[Callable[[], T]]) -> list[T]:
    """As ``on_own_thread``, side by side: once all have ended, their results, or the first exception.

    They go first where who waits for them does.
    """
    is_urgent = goes_first()
    results: dict[int, T] = {}
    failures: dict[int, BaseException] = {}

    def run(number: int) -> None:
        try:
            if is_urgent:
                go_first()
            results[number] = works[number]()
        except BaseException as error:
            failures[number] = error

    with held_back():
        threads = [
            threading.Thread(target=run, args=(number,), name="orbitmesh-namespaces")
            for number in range(len(works))
        ]
        started: list[threading.Thread] = []
        try:
            for thread in threads:
                thread.start()
                started.append(thread)
        finally:
            for thread in started:
                thread.join()
    if failures:
        raise failures[min(failures)]
    return [results[number] for number in range(len(works))]


def unshare_net() -> int:
    """Move this thread into a new network namespace; a descriptor that keeps it.  Only ``on_own_thread``."""
    _check(_libc.unshare(CLONE_NEWNET), "cannot make a network namespace")
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def unshare_mounts() -> int:
    """Move this thread into a new mount namespace; a descriptor that keeps it.  Only ``on_own_thread``.

    Nothing that is mounted there propagates back.
    """
    _check(_libc.unshare(CLONE_FS | CLONE_NEWNS), "cannot make a mount namespace")
    if not _root_is_mount_point():
        raise HostError(
            "the root folder here is no mount point (a plain chroot), so mounts could leak out of it: "
            "bind-mount that folder onto itself before chroot, or use a container"
        )
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    return os.open("/proc/thread-self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)


def _root_is_mount_point() -> bool:
    return any(line.split()[4] == "/" for line in Path("/proc/self/mountinfo").read_text().splitlines())


def unshare_children_pids() -> None:
    """The next child of this thread begins a new pid namespace, in which all later ones are."""
    _check(_libc.unshare(CLONE_NEWPID), "cannot make a namespace of processes")


def enter_children_pids(fd: int) -> None:
    """Children of this thread begin in that pid namespace."""
    _check(_libc.setns(fd, CLONE_NEWPID), "cannot enter a namespace of processes")


def enter(fd: int) -> None:
    """Move this thread into a namespace.  Only ``on_own_thread``."""
    _check(_libc.setns(fd, 0), "cannot enter a namespace")


def enter_mounts(fd: int) -> None:
    """Move this thread, and no other, into a mount namespace.  Only ``on_own_thread``."""
    _check(_libc.unshare(CLONE_FS), "cannot leave the shared working directory")
    enter(fd)


def mount(source: str, target: str, kind: str | None, flags: int = 0, data: str | None = None) -> None:
    _check(
        _libc.mount(
            source.encode(),
            target.encode(),
            kind and kind.encode(),
            ctypes.c_ulong(flags),
            data and data.encode(),
        ),
        f"cannot mount {target}",
    )


def unmount(target: str) -> None:
    _check(_libc.umount2(target.encode(), MNT_DETACH), f"cannot unmount {target}")


def raise_descriptor_limit(needed: int) -> None:
    """Let this process hold so many descriptors more; HostError with the figure where it may not."""
    wanted = needed + len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names only, many of them
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    new_hard = hard if hard == resource.RLIM_INFINITY else max(hard, wanted)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, new_hard))
    except (ValueError, OSError) as error:
        most = int(Path("/proc/sys/fs/nr_open").read_text())
        raise HostError(
            f"{wanted} open files are needed, and at most {hard} are allowed: raise the limit "
            f"(ulimit -Hn {wanted}; the kernel allows {most})"
        ) from error


def sockets_in_use() -> int:
    """In the calling thread's namespace, of whatever process and kind."""
    text = Path("/proc/thread-self/net/sockstat").read_text()
    return int(text.partition("sockets: used ")[2].split()[0])
