"""Which processes are inside our namespaces, and how they are ended.

Run as a program it is the warden: it holds every namespace of a mesh, waits
for the mesh's owner to end, and kills what the owner left inside.  A program
that a node runs may have children of its own, of which no parent-death signal
would ever hear; and because the warden still holds the namespaces while it
looks, no namespace of anybody else can meanwhile have got their numbers.

Standard library only: it starts in some 15 ms and stays small.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Collection, Iterable

FDS_PER_MESSAGE = 253  # SCM_MAX_FD of the kernel
HOLD, RELEASE, DISMISSED = b"h", b"r", b"d"

_GRACE_S = 0.5
_DEADLINE_S = 5.0


def identity(fd: int) -> tuple[int, int]:
    """What tells a namespace from all others that exist: device and inode."""
    status = os.fstat(fd)
    return status.st_dev, status.st_ino


def processes_inside(namespaces: Collection[tuple[int, int]]) -> list[int]:
    """Ids of the processes in one of the namespaces (network or mount) or just entering; not this one."""
    own = os.getpid()
    return [
        int(name)
        for name in os.listdir("/proc")  # noqa: PTH208 - names only
        if name.isdigit() and int(name) != own and _is_inside(name, namespaces)
    ]


def occupied(namespaces: Collection[tuple[int, int]]) -> set[tuple[int, int]]:
    """Those of the namespaces that some process is in, or is just entering; one look at all processes."""
    found: set[tuple[int, int]] = set()
    for name in os.listdir("/proc"):  # noqa: PTH208
        if name.isdigit():
            found |= _inside_of(name, namespaces)
    return found


def _is_inside(pid: str, namespaces: Collection[tuple[int, int]]) -> bool:
    return bool(_inside_of(pid, namespaces))


def _inside_of(pid: str, namespaces: Collection[tuple[int, int]]) -> set[tuple[int, int]]:
    # in this order: one that enters in between is then seen by the second look
    seen = _about_to_enter(pid)
    seen += [_identity(f"/proc/{pid}/ns/{kind}") for kind in ("net", "mnt")]
    return {place for place in seen if place is not None and place in namespaces}


def _about_to_enter(pid: str) -> list[tuple[int, int] | None]:
    """What an nsenter has open: it opens the namespaces before it enters any; empty for other programs."""
    try:
        with open(f"/proc/{pid}/comm") as file:  # noqa: PTH123 - pathlib is slow to import
            if file.read() != "nsenter\n":
                return []
        fds = os.listdir(f"/proc/{pid}/fd")  # noqa: PTH208
    except OSError:
        return []  # ended meanwhile
    return [_identity(f"/proc/{pid}/fd/{fd}") for fd in fds]


def _identity(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:  # ended meanwhile, a zombie, or not ours to see
        return None
    return status.st_dev, status.st_ino


def end_processes(namespaces: Collection[tuple[int, int]], *, grace_s: float = _GRACE_S) -> list[int]:
    """SIGTERM, then after ``grace_s`` SIGKILL, to all inside; ids of those that are there even then."""
    deadline = time.monotonic() + _DEADLINE_S
    kill_at = time.monotonic() + grace_s
    asked: set[int] = set()
    while inside := processes_inside(namespaces):
        now = time.monotonic()
        if now > deadline:
            return inside
        if now >= kill_at:
            _signal(inside, signal.SIGKILL)
        else:
            _signal([pid for pid in inside if pid not in asked], signal.SIGTERM)
            asked.update(inside)
        time.sleep(0.01)
    return []


def _signal(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue  # ended by itself


def main(lifeline: socket.socket) -> None:
    """The warden.

    A message brings namespaces to hold or to let go of, or dismisses it; the lifeline's end calls it.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it leaves after the others
    held: dict[tuple[int, int], int] = {}
    while True:
        message, fds, _flags, _address = socket.recv_fds(lifeline, 1, FDS_PER_MESSAGE)
        for fd in fds:
            if message == HOLD and identity(fd) not in held:
                held[identity(fd)] = fd
                continue
            if message == RELEASE and (kept := held.pop(identity(fd), None)) is not None:
                os.close(kept)
            os.close(fd)
        if message == DISMISSED:
            return
        if not message:
            break
    end_processes(held.keys(), grace_s=0)


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
