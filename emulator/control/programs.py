"""A program of the caller's in a node of a running mesh."""

from __future__ import annotations

import os
import selectors
import signal
from collections.abc import Sequence

from ..plane.kernel.processes import spawn_in
from .client import Client


def run_in_node(client: Client, node: str, argv: Sequence[str]) -> int:
    """Run a program in a node with this terminal; its exit status as a shell gives it (128 + signal).

    When the run ends first, what still runs in the node is killed.
    """
    netns_fd, mntns_fd = client.enter(node)
    # Ctrl-C is for the program; a handler, since SIG_IGN would be inherited by it
    ignored = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        process = spawn_in(netns_fd, mntns_fd, list(argv))
        pid_fd = os.pidfd_open(process.pid)
        with selectors.DefaultSelector() as selector:
            selector.register(pid_fd, selectors.EVENT_READ)
            selector.register(client.socket, selectors.EVENT_READ)
            ready = {key.fd for key, _ in selector.select()}
        if pid_fd not in ready:
            process.kill()
        status = process.wait()
        os.close(pid_fd)
    finally:
        signal.signal(signal.SIGINT, ignored)
        os.close(netns_fd)
        os.close(mntns_fd)
    return status if status >= 0 else 128 - status
