"""Becomes the guest's kernel, and leaves a watcher beside it that ends the guest when its owner is gone.

User-mode Linux leaves processes behind when its first one is killed: those that carried the
guest's programs run on, as processes of the host.  All are in one process group, led by the
kernel, with the watcher among them, so that one signal ends all.  (The kernel has to lead it:
otherwise it would make a group of its own.)  Runs as a script with nothing but the standard
library: ``python -I -S keeper.py LIFELINE_FD FOLDER KERNEL ARGUMENT…``, leading a session.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys


def pin(allowed: set[int], number: int) -> None:
    """Keep this process, and what it becomes and starts, on one CPU.

    The guest's kernel and its programs are processes that take turns: none runs while another
    does.  Across CPUs each turn costs a wake-up; on one CPU a fork takes half the time.
    Which one follows from ``number``, so that several guests spread.
    """
    os.sched_setaffinity(0, {sorted(allowed)[number % len(allowed)]})


def watch(lifeline: int, folder: str) -> None:
    """Until nobody holds the other end of ``lifeline``; then remove the folder, and end the group."""
    os.dup2(lifeline, 0)
    os.closerange(1, os.sysconf("SC_OPEN_MAX"))  # the guest's lines are the kernel's alone
    os.read(0, 1)
    shutil.rmtree(folder, ignore_errors=True)
    os.killpg(0, signal.SIGKILL)


def main(lifeline: int, folder: str, command: list[str]) -> None:
    if os.fork() == 0:
        watch(lifeline, folder)
    pin(os.sched_getaffinity(0), os.getpid())
    os.close(lifeline)
    os.execv(command[0], command)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3:])
