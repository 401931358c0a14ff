"""The terminal of who called, shared with a program that may take it for itself, as a shell does.

Such a program is a job of the caller's shell: where it stops (``suspend`` in it, or SIGSTOP), the caller
stops as well, as by Ctrl-Z, and the shell has its terminal again; ``fg`` there lets both go on.  So sudo
does it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from types import FrameType

from ..stopped import is_stopped

_STOPS_WITHIN_S = 0.05


class Terminal:
    """``go_on`` lets the program go on; ``fd`` is None where there is no terminal."""

    def __init__(self, fd: int | None) -> None:
        self._fd = fd
        self._front: int | None = None  # the group that had it when it stopped
        self._n_continued = 0
        self.go_on: Callable[[], None] = lambda: None

    def suspend(self) -> None:
        """Called when the program has stopped; returns when this process has been let go on."""
        front = self._group()
        if front is None or front == os.getpgrp() or not is_stopped(front):
            return  # Ctrl-C and Ctrl-Z reach this process
        self._front, before = front, self._n_continued
        os.killpg(os.getpgrp(), signal.SIGTSTP)
        time.sleep(_STOPS_WITHIN_S)
        if self._n_continued == before:  # a group that no shell looks after is not stopped
            sys.stderr.write("orbitmesh: no shell here could let the program go on: it goes on now\n")
            self.go_on()

    def continued(self, number: int, frame: FrameType | None) -> None:
        """The handler of SIGCONT."""
        self._n_continued += 1
        if self._front is not None and self._group() == os.getpgrp():
            self._give(self._front)
        self._front = None
        self.go_on()

    def take_back(self) -> None:
        if self._group() not in (None, os.getpgrp()):
            self._give(os.getpgrp())

    @property
    def is_ours(self) -> bool:
        return self._group() == os.getpgrp()

    def _group(self) -> int | None:
        """Whose it is now."""
        if self._fd is None:
            return None
        try:
            return os.tcgetpgrp(self._fd)
        except OSError:  # the terminal is gone
            return None

    def _give(self, group: int) -> None:
        assert self._fd is not None
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTTOU])
        with contextlib.suppress(OSError):  # the terminal, or the group, is gone
            os.tcsetpgrp(self._fd, group)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


@contextlib.contextmanager
def terminal_kept() -> Iterator[Terminal]:
    """Where the terminal is this process group's, it is so again afterwards: a shell takes it for its own."""
    try:
        fd = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        yield Terminal(None)
        return
    terminal = Terminal(fd)
    was_ours = terminal.is_ours
    before = signal.signal(signal.SIGCONT, terminal.continued)
    try:
        yield terminal
    finally:
        signal.signal(signal.SIGCONT, before)
        if was_ours:
            terminal.take_back()
        os.close(fd)
