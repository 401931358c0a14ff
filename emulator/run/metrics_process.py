"""The metrics endpoint of ``run --metrics``, from the run's side: a process beside it, which may die."""

from __future__ import annotations

import socket

from ..processes import Child, start_child
from .beside import Beside

_MODULE = "orbitmesh.emulator.metrics.process"


def url_of(tcp: socket.socket) -> str:
    host, port = tcp.getsockname()[:2]
    return f"http://{host}:{port}/metrics"


class MetricsProcess(Beside):
    """The socket, which listens, is closed by whoever has it."""

    name = "the metrics"

    def __init__(self, run_id: str, tcp: socket.socket) -> None:
        self._run_id, self._tcp = run_id, tcp
        super().__init__()

    def start(self) -> Child:
        fd = self._tcp.fileno()
        arguments = ["--listen-fd", str(fd), "--run", self._run_id]
        return start_child("metrics", _MODULE, arguments=arguments, pass_fds=[fd])
