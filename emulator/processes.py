"""Helper processes of a run, and of others: started with a lifeline, watched, and ended.

The lifeline is the control socket itself: whoever reads end-of-file there
knows that the other side is gone, however it went, and ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from .errors import ProcessDied
from .nursery import Forked, kept_here
from .stopped import let_go_on

_SO_SNDBUFFORCE = 32  # asm-generic/socket.h; the socket module lacks it
_SAMPLES_BUFFER_BYTES = 8 << 20

_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_LAST_CAPABILITY = 63
_CAPABILITY_VERSION_3 = 0x20080522

CAP_CHOWN = 0
CAP_DAC_OVERRIDE = 1
CAP_SETGID = 6
CAP_SETUID = 7
CAP_SYS_NICE = 23

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # malloc.h
_MOST_BYTES = (1 << 31) - 1

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass
class Child:
    """A process of this run and the socket that joins us to it."""

    name: str
    process: subprocess.Popen[bytes] | Forked
    control: Any  # a socket, or a Connection over one

    @property
    def pid(self) -> int:
        return self.process.pid

    def ended(self) -> str | None:
        """How it ended, in words; None while it runs."""
        status = self.process.poll()
        return None if status is None else describe_status(status)

    def stop(self, grace_s: float) -> None:
        """Close the lifeline and wait; SIGKILL after the grace.  Safe to call twice."""
        try:
            self.control.close()
            let_go_on(self.pid)
            self.process.wait(grace_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def tell(child: Child, message: tuple[Any, ...]) -> None:
    with contextlib.suppress(OSError):  # it has gone: the watcher says which, and why
        child.control.send(message)


def describe_status(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"signal {-status} ({signal.Signals(-status).name})"
    except ValueError:
        return f"signal {-status}"


def start_child(
    name: str,
    module: str,
    *,
    arguments: Sequence[str] = (),
    pass_fds: Sequence[int] = (),
    pickles: bool = True,
    forked: bool = False,
) -> Child:
    """Run ``python -m module --control-fd N …``; ``forked``: by the nursery, where one is kept.

    The control socket carries pickles (a Connection of multiprocessing), or
    else messages with descriptors (SOCK_SEQPACKET).  The child gets a session
    of its own, so that Ctrl-C at the terminal reaches only the main process,
    which then ends the others in order.
    """
    kind = socket.SOCK_STREAM if pickles else socket.SOCK_SEQPACKET
    ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
    try:
        process = _started(
            module, ["--control-fd", str(theirs.fileno()), *arguments], [theirs.fileno(), *pass_fds], forked
        )
    except BaseException as error:  # a signal's too
        ours.close()
        if isinstance(error, OSError):
            raise ProcessDied(f"cannot start the {name} process: {error}") from error
        raise
    finally:
        theirs.close()
    return Child(name, process, Connection(ours.detach()) if pickles else ours)


def _started(
    module: str, arguments: Sequence[str], fds: Sequence[int], forked: bool
) -> subprocess.Popen[bytes] | Forked:
    nursery = kept_here() if forked else None
    if nursery is not None:
        return nursery.start(module, arguments, fds)
    # -P: never import from the folder the user happens to stand in
    command = [sys.executable, "-P", "-m", module, *arguments]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=fds, start_new_session=True)


@contextlib.contextmanager
def sample_sockets() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The recorder's end and the nodes', until both have been handed on."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    for end in (ours, theirs):
        with contextlib.suppress(PermissionError):  # without root (fake links) there are no samples
            end.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, _SAMPLES_BUFFER_BYTES)
    with ours, theirs:
        yield ours, theirs


def keep_freed_memory() -> None:
    """What is freed is used again, and not given back to the kernel (glibc only).

    For who needs as much again at each tick: a virtual machine pays for each new page twice, here and in the
    host, and for a million satellites that is two fifths of a tick.
    """
    if hasattr(_libc, "mallopt"):
        _libc.mallopt(_M_MMAP_MAX, 0)
        _libc.mallopt(_M_TRIM_THRESHOLD, _MOST_BYTES)


def _permitted_capabilities() -> int:
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("CapPrm:")).split()[1], 16)


def keep_capabilities(kept: Sequence[int] = ()) -> None:
    """Give up all privileges of this thread, and of those it starts, but those named; nothing started from
    here gets them back.

    Does nothing for a process that has none.
    """
    if os.geteuid() != 0:
        return
    for capability in range(_LAST_CAPABILITY + 1):
        if capability not in kept:
            _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)  # EINVAL past the kernel's last one
    _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    # none that this process has not got: with "fake" links nobody needs any
    mask = sum(1 << capability for capability in kept) & _permitted_capabilities()
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    low, high = mask & 0xFFFFFFFF, mask >> 32
    data = (ctypes.c_uint32 * 6)(low, low, 0, high, high, 0)
    if _libc.capset(ctypes.byref(header), ctypes.byref(data)) != 0:
        errno = ctypes.get_errno()
        raise OSError(errno, f"capset: {os.strerror(errno)}")
