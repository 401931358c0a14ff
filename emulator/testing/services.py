"""Programs of a test in nodes: started, waited for until their port answers, stopped, and what they said."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ..errors import InputError, RunError
from ..plane.kernel.listening import listens
from .nodes import node_name
from .quantities import duration_ns

if TYPE_CHECKING:
    from ..run.running import RunningMesh

_MOST_SHOWN_BYTES = 20_000
_STOP_S = 5.0


class Service:
    """A program in a node.  ``address`` is what others reach it by: name and port."""

    def __init__(
        self, node: str, argv: Sequence[str], port: int | None, process: subprocess.Popen[Any], log: Path
    ) -> None:
        self.node, self.argv, self.port, self.process = node, tuple(argv), port, process
        self._log = log

    @property
    def address(self) -> str:
        return self.node if self.port is None else f"{self.node}:{self.port}"

    @property
    def title(self) -> str:
        status = self.process.poll()
        state = "runs" if status is None else f"ended with status {status}"
        return f"service {' '.join(self.argv[:3])} in {self.node} ({state})"

    @property
    def output(self) -> str:
        """What it wrote until now, stdout and stderr; of very much the end."""
        with self._log.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - _MOST_SHOWN_BYTES))
            return log.read().decode(errors="replace")

    def stop(self, patience: str = "5 s") -> int:
        """SIGTERM, and SIGKILL where that does not end it in time: its exit status."""
        self._signal(signal.SIGTERM)
        try:
            self.process.wait(duration_ns(patience) / 1e9)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            self.process.wait()
        return int(self.process.returncode)

    def kill(self) -> None:
        """As a crash would end it."""
        self._signal(signal.SIGKILL)
        self.process.wait()

    def _signal(self, number: int) -> None:
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)  # it leads a session of its own


class Services:
    """``service(node, argv, port=…)``: see ``__call__``.  All end with the test."""

    def __init__(self, mesh: RunningMesh, folder: Path) -> None:
        self._mesh, self._folder = mesh, folder
        self.all: list[Service] = []

    def __call__(
        self,
        node: str,
        argv: Sequence[str],
        *,
        port: int | None = None,
        protocol: str = "tcp",
        within: str = "20 s",
        **popen: Any,
    ) -> Service:
        """Start a program in a node; with a port, return once it listens there.

        ``python`` is the interpreter of this test.  Other keywords go to Popen (``cwd``, ``env``).  RunError
        with what it said where it ends before, or does not listen in time.
        """
        if isinstance(argv, str):
            raise InputError(f"give the program as a list of words: {argv.split()!r}")
        if protocol not in ("tcp", "udp"):
            raise InputError(f"protocol={protocol!r}: write tcp or udp")
        if not argv:
            raise InputError("the program is empty: give it as a list of words")
        name = node_name(self._mesh, node)
        host = self._mesh.net.get(name)
        if port is not None and listens(host.pid, port, protocol):
            raise InputError(
                f"somebody listens on port {port} of {name} already: stop that one, or take another"
            )
        words = [sys.executable if argv[0] == "python" else str(argv[0]), *map(str, argv[1:])]
        log = self._folder / f"service-{len(self.all)}.log"
        with log.open("ab") as out:
            process = host.popen(
                words, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, **popen
            )
        service = Service(name, argv, port, process, log)
        self.all.append(service)
        if port is not None:
            self._await_port(service, host.pid, port, protocol, duration_ns(within) / 1e9)
        return service

    def _await_port(self, service: Service, node_pid: int, port: int, protocol: str, within_s: float) -> None:
        # in the node's namespace: its own process is in this one's until it has gone there
        deadline_s = time.monotonic() + within_s
        while not listens(node_pid, port, protocol):
            if service.process.poll() is not None:
                raise RunError(
                    f"{service.title}, and nobody listens on port {port}; it said:\n{service.output}"
                )
            if time.monotonic() > deadline_s:
                raise RunError(
                    f"{service.title}, and does not listen on port {port}; it said:\n{service.output}"
                )
            time.sleep(0.01)

    def __enter__(self) -> Services:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for service in reversed(self.all):
            service.stop()
