"""``python -m orbitmesh.emulator.metrics.process``: the endpoint beside a run, as the run starts it.

``--control-fd``: the lifeline; ``--listen-fd``: a socket of the loopback that listens; ``--run``: whose feed.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import socket
import sys
import threading

from ..control.client import Client
from ..errors import OrbitmeshError
from ..priority import go_after_all
from ..processes import keep_capabilities
from .endpoint import serving
from .layout import Layout
from .seen import Seen


def serve_run(client: Client, tcp: socket.socket) -> None:
    """Until the run has ended."""
    seen = Seen(Layout.of(client.layout()))
    client.waits_while_stopped = True  # how old the last news is, the endpoint tells
    with serving(tcp, seen):
        seen.follow(client.watching(epochs=True))


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--control-fd", type=int, required=True)
    parser.add_argument("--listen-fd", type=int, required=True)
    parser.add_argument("--run", required=True)
    arguments = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGHUP):  # for the run, which then ends this one
        signal.signal(number, signal.SIG_IGN)
    keep_capabilities()
    go_after_all()
    lifeline = socket.socket(fileno=arguments.control_fd)
    threading.Thread(target=_end_with, args=(lifeline,), name="lifeline", daemon=True).start()
    try:
        with socket.socket(fileno=arguments.listen_fd) as tcp, Client.connect(arguments.run) as client:
            serve_run(client, tcp)
    except OrbitmeshError as error:
        print(f"metrics: {error}", file=sys.stderr)
        return 1
    return 0


def _end_with(lifeline: socket.socket) -> None:
    with contextlib.suppress(OSError):
        lifeline.recv(1)
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
