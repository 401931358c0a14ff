"""Who goes first where a run has too few cores: what moves the mesh, before what runs in it."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

#: of real time; the link engine has one more (plane/engine/src/main.c)
_REALTIME = 1
_NICENESS, _SERVING_NICENESS, _LOOKING_NICENESS = -5, 5, 10


def go_before_nodes() -> None:
    """This thread, and those it starts from now on, get a core before node processes do; needs CAP_SYS_NICE.

    A late tick moves the routes of every node, and a late record judges by the wrong ones; a late node moves
    its own measurement, which says so.
    """
    thread = threading.get_native_id()
    if os.getpriority(os.PRIO_PROCESS, thread) > _NICENESS:
        with contextlib.suppress(PermissionError):  # then all are equal, and late ticks are counted
            os.setpriority(os.PRIO_PROCESS, thread, _NICENESS)


def go_first() -> None:
    """This thread gets a core at once, before all but the link engine: for who works for some milliseconds,
    and is waited for by the whole mesh.  What it starts goes as others do; needs CAP_SYS_NICE, else it goes
    before nodes at best.
    """
    go_before_nodes()  # with some kernels a group has no real time
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(_REALTIME))


def goes_first() -> bool:
    """Whether this thread does."""
    return os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK == os.SCHED_RR


def go_after_mesh() -> None:
    """This process, which serves people, gets less of a core than what moves the mesh and runs in it."""
    _give_way(_SERVING_NICENESS)


def go_after_all() -> None:
    """This process, which only looks, gets a core when nobody else wants it, or little of one."""
    _give_way(_LOOKING_NICENESS)


def _give_way(niceness: int) -> None:
    """Where the kernel groups by session (sched(7), autogroup), niceness counts within one alone; so that of
    the session is set too, where it is this process's own.
    """
    os.nice(niceness)
    if os.getsid(0) == os.getpid():
        with contextlib.suppress(OSError):  # a kernel without such groups
            Path("/proc/self/autogroup").write_text(str(niceness))
