"""Who goes first where a run has too few cores: what moves the mesh, before what runs in it."""

from __future__ import annotations

import contextlib
import os
import threading

_NICENESS = -5


def go_before_nodes() -> None:
    """This thread, and those it starts from now on, get a core before node processes do; needs CAP_SYS_NICE.

    A late tick moves the routes of every node, and a late record judges by the wrong ones; a late node moves
    its own measurement, which says so.
    """
    thread = threading.get_native_id()
    if os.getpriority(os.PRIO_PROCESS, thread) > _NICENESS:
        with contextlib.suppress(PermissionError):  # then all are equal, and late ticks are counted
            os.setpriority(os.PRIO_PROCESS, thread, _NICENESS)
