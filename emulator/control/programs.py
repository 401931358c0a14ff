"""A program of the caller's in a node of a running mesh."""

from __future__ import annotations

import os
import selectors
import signal
from collections.abc import Sequence

from ..plane.kernel.capabilities import confining_command
from ..plane.kernel.processes import spawn_in
from .client import Client

# a node has no way out to a proxy; a client there would wait for one in vain
_PROXIES = frozenset({"http_proxy", "https_proxy", "all_proxy", "ftp_proxy", "no_proxy"})


def run_in_node(
    client: Client, node: str, argv: Sequence[str], *, privileged: bool = False, keep_proxy: bool = False
) -> int:
    """Run a program in a node with this terminal; its exit status as a shell gives it (128 + signal).

    ``privileged``: with all capabilities of this process; ``keep_proxy``: with its proxy variables.
    When the run ends first, what still runs in the node is killed.
    """
    confining = [] if privileged else confining_command()
    environment = {
        name: value for name, value in os.environ.items() if keep_proxy or name.lower() not in _PROXIES
    }
    netns_fd, mntns_fd = client.enter(node)
    # Ctrl-C is for the program; a handler, since SIG_IGN would be inherited by it
    ignored = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        process = spawn_in(netns_fd, mntns_fd, [*confining, *argv], env=environment)
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
