"""Programs inside nodes: how they are started, and who sees to it that none outlives the mesh."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...errors import HostError, ProcessDied
from ...stopped import let_go_on
from . import inside

log = logging.getLogger(__name__)


def enter_command(netns_fd: int, mntns_fd: int, cwd: str | os.PathLike[str] | None = None) -> list[str]:
    """What to put before a command to run it in a node; the working directory is kept.

    By util-linux's nsenter, which execs (the process id stays) and opens the
    namespaces before it enters any.  The descriptors are reached through /proc
    and not inherited, so that a program that lives on elsewhere keeps no node.
    """
    own = f"/proc/{os.getpid()}/fd"
    directory = str(Path.cwd() if cwd is None else Path(cwd).absolute())
    return ["nsenter", f"--net={own}/{netns_fd}", f"--mount={own}/{mntns_fd}", f"--wdns={directory}", "--"]


def spawn_in(netns_fd: int, mntns_fd: int, argv: Sequence[str], **popen: Any) -> subprocess.Popen[Any]:
    """Start a program in a node: ``subprocess.Popen`` with the node's network and names.

    A command that does not exist shows as exit status 127, as in a shell.
    """
    command = enter_command(netns_fd, mntns_fd, popen.pop("cwd", None))
    try:
        return subprocess.Popen([*command, *argv], **popen)
    except FileNotFoundError as error:
        raise HostError("nsenter is missing: install the package util-linux") from error


class Warden:
    """A small process that outlives this one by a moment, to end what it left inside (see inside.py)."""

    def __init__(self) -> None:
        self.times_killed = 0
        self._start()

    def _start(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", inside.__file__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,
            )
        self._lifeline = ours

    def hold(self, fds: Sequence[int]) -> None:
        """Hand it namespaces.  ProcessDied where somebody killed it."""
        try:
            self._send(inside.HOLD, fds)
        except (BrokenPipeError, ConnectionResetError) as error:
            how = self._process.wait()
            raise ProcessDied(
                f"the warden, which ends what a mesh leaves behind, died (exit status {how}): run it again"
            ) from error

    def release(self, fds: Sequence[int]) -> None:
        """It lets go of namespaces that it holds, which may be other descriptors of the same."""
        with contextlib.suppress(BrokenPipeError):  # somebody killed it, and it holds nothing any more
            self._send(inside.RELEASE, fds)

    def _send(self, message: bytes, fds: Sequence[int]) -> None:
        for first in range(0, len(fds), inside.FDS_PER_MESSAGE):
            socket.send_fds(self._lifeline, [message], list(fds[first : first + inside.FDS_PER_MESSAGE]))

    def ensure(self, fds: Sequence[int]) -> None:
        """Start it again, with these namespaces, if somebody killed it."""
        if self._process.poll() is not None:
            log.warning("the warden (pid %d) was killed, and is started again", self.pid)
            self.times_killed += 1
            self._lifeline.close()
            self._start()
            self.hold(fds)

    def dismiss(self) -> None:
        """Let it go; it lets go of the namespaces."""
        with contextlib.suppress(BrokenPipeError):  # somebody killed it
            self._lifeline.send(inside.DISMISSED)
        let_go_on(self.pid)
        self._lifeline.close()
        self._process.wait()

    @property
    def pid(self) -> int:
        return self._process.pid
