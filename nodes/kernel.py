"""What a node asks of the kernel right after the fork, while it has one thread."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from collections.abc import Collection
from pathlib import Path

_CLONE_NEWNS = 0x00020000
_CLONE_NEWNET = 0x40000000
_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_CAPABILITY_VERSION_3 = 0x20080522
_M_ARENA_MAX = -8

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        errno = ctypes.get_errno()
        raise OSError(errno, f"{what}: {os.strerror(errno)}")


def enter_namespaces(netns_fd: int, mntns_fd: int) -> None:
    """Move this process, which must have a single thread, into both; OSError where the kernel refuses.

    The kernel puts a process that enters a mount namespace at its root, so the
    working directory is entered again by its path, where it exists there.
    """
    folder = os.getcwd()  # noqa: PTH109 - a path of the old namespace, not to be touched in between
    _check(_libc.setns(netns_fd, _CLONE_NEWNET), "setns to the network namespace")
    _check(_libc.setns(mntns_fd, _CLONE_NEWNS), "setns to the mount namespace")
    with contextlib.suppress(OSError):  # not there in the new one: stay at its root
        os.chdir(folder)


def die_with_parent(parent_pid: int) -> None:
    """SIGKILL this process when its parent ends; ends it at once where that has happened already.

    A change of credentials clears this: give up privileges first.
    """
    _check(_libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent_pid:
        os._exit(1)


def give_up_privileges() -> None:
    """No capability is left in any set, and no program started from here gets one.

    The user id stays: as root a process is exempt from RLIMIT_NPROC, which the
    threads of a thousand nodes would exceed under one other user, and it can
    still read a virtual environment inside a home directory.
    """
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl(PR_SET_NO_NEW_PRIVS)")
    _check(_libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0), "prctl(PR_CAP_AMBIENT)")
    if os.geteuid() == 0:
        last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
        for capability in range(last + 1):
            _check(_libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0), "prctl(PR_CAPBSET_DROP)")
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    _check(_libc.capset(ctypes.byref(header), ctypes.byref((ctypes.c_uint32 * 6)())), "capset")


def name_process(name: str) -> None:
    """As ps and top show it; the kernel keeps 15 bytes."""
    _check(_libc.prctl(_PR_SET_NAME, name.encode()[:15], 0, 0, 0), "prctl(PR_SET_NAME)")


def close_all_but(kept: Collection[int]) -> None:
    """Close every descriptor above 2 that is not named."""
    for fd in [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]:
        if fd > 2 and fd not in kept:
            with contextlib.suppress(OSError):  # the one that listed the folder is closed already
                os.close(fd)


def limit_allocator_arenas() -> None:
    """One heap for all threads of a process (glibc only): each its own would cost a node more memory."""
    if hasattr(_libc, "mallopt"):
        _libc.mallopt(_M_ARENA_MAX, 1)


def thread_count() -> int:
    return sum(1 for _ in Path("/proc/self/task").iterdir())
