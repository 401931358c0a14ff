"""The metrics endpoint of ``run --metrics``, from the run's side: a process beside it, which may die."""

from __future__ import annotations

import logging
import socket
import threading

from ..processes import start_child

log = logging.getLogger(__name__)

_MODULE = "orbitmesh.emulator.metrics.process"
_GRACE_S = 5.0


def url_of(tcp: socket.socket) -> str:
    host, port = tcp.getsockname()[:2]
    return f"http://{host}:{port}/metrics"


class MetricsProcess:
    """From now on until ``close``; the socket, which listens, is closed by whoever has it."""

    def __init__(self, run_id: str, tcp: socket.socket) -> None:
        fd = tcp.fileno()
        self._child = start_child(
            "metrics", _MODULE, arguments=["--listen-fd", str(fd), "--run", run_id], pass_fds=[fd]
        )
        self._is_closing = False
        self._thread = threading.Thread(target=self._watch, name="metrics", daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int:
        return self._child.pid

    def close(self) -> None:
        """Safe to call twice."""
        self._is_closing = True
        self._child.stop(_GRACE_S)
        self._thread.join()

    def _watch(self) -> None:
        if self._child.process.wait() and not self._is_closing:
            log.warning(
                "the metrics process died (%s); the mesh goes on: orbitmesh metrics serves them again",
                self._child.ended(),
            )
