"""Processes that are stopped, by SIGSTOP or a debugger: nothing can come of waiting for one."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

_STOPPED, _TRACED = "T", "t"


def is_stopped(pid: int) -> bool:
    """False also where there is no such process, or it is none of ours to see."""
    return _state(pid) in (_STOPPED, _TRACED)


def let_go_on(pid: int) -> bool:
    """True where it was stopped by a signal, and goes on now; one in a debugger's hands stays there."""
    if _state(pid) != _STOPPED:
        return False
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGCONT)
        return True
    return False


def _state(pid: int) -> str:
    """A letter, as proc_pid_stat(5) has it; "" where it cannot be read."""
    if pid <= 0:
        return ""
    try:
        # the name before it is in brackets, and may hold any character
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0].decode()
    except (OSError, IndexError):
        return ""
