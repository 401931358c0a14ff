"""Who goes first where a run has too few cores: what moves the mesh, before what runs in it."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from pathlib import Path

#: of real time; the link engine has one more (plane/engine/src/main.c)
_REALTIME = 1
#: of a thread that goes first: in one piece, and of any so long a time
_LONGEST_NS, _MOST_RATIO, _OVER_NS = 20_000_000, 0.25, 1_000_000_000
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
    """This thread gets a core at once, before all but the link engine: for who is done in some milliseconds
    (``First`` sees to that), and is waited for by the whole mesh.  What it starts goes as others do; needs
    CAP_SYS_NICE, else it goes before nodes at best.
    """
    go_before_nodes()
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(_REALTIME))


class First:
    """The thread that makes it goes first while it works little at a time, and little in all.

    An epoch of a million satellites, or fifty of a small mesh in a second, would keep a core from all others.
    """

    def __init__(self) -> None:
        self._since_ns, self._used_ns = time.monotonic_ns(), time.thread_time_ns()
        self._before_ns, self._longest_ns = self._used_ns, 0
        self._goes_first = False
        self._go(True)

    def worked(self) -> None:
        """Call it after each piece of work."""
        now_ns, used_ns = time.monotonic_ns(), time.thread_time_ns()
        self._longest_ns = max(self._longest_ns, used_ns - self._before_ns)
        self._before_ns = used_ns
        in_all_ns = used_ns - self._used_ns
        is_brief = self._longest_ns <= _LONGEST_NS and in_all_ns <= _MOST_RATIO * _OVER_NS
        is_over = now_ns - self._since_ns >= _OVER_NS
        if not is_brief:
            self._go(False)
        elif is_over:
            self._go(True)
        if is_over:
            self._since_ns, self._used_ns, self._longest_ns = now_ns, used_ns, 0

    def _go(self, first: bool) -> None:
        if first is self._goes_first:
            return
        self._goes_first = first
        if first:
            go_first()
        elif goes_first():
            os.sched_setscheduler(0, os.SCHED_OTHER | os.SCHED_RESET_ON_FORK, os.sched_param(0))


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
