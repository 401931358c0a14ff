"""Mininet's iperf, without its beginning: that would end every iperf on the machine."""

from __future__ import annotations

import subprocess
import time
from typing import Any

from ...errors import RunError
from ..kernel.listening import listens
from .imported import decode
from .node import MeshNode


def measured(
    client: MeshNode, server: MeshNode, port: int, seconds: float, *, udp_rate: str | None, fmt: str | None
) -> tuple[str, str]:
    """What the server and the client said; of UDP at a rate, of TCP where that is None.  RunError."""
    udp = udp_rate is not None
    common = ["iperf", "-p", str(port), *(["-u"] if udp else []), *(["-f", fmt] if fmt else [])]
    asked = [*common, "-t", str(seconds), "-c", server.IP(), *(["-b", udp_rate] if udp_rate else [])]
    serving = server.popen([*common, "-s"], stderr=subprocess.STDOUT)
    try:
        _await_port(serving, port, udp=udp)
        said, complaint, status = client.pexec(asked)
        if status != 0:
            raise RunError(f"iperf from {client} to {server} failed: {complaint or said}")
    finally:
        serving.terminate()
        heard = decode(serving.communicate()[0])
    return heard, said


def _await_port(process: subprocess.Popen[Any], port: int, *, udp: bool, timeout_s: float = 5.0) -> None:
    """Until the process's namespace has somebody at the port; RunError if it ends or takes too long."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RunError(f"iperf -s ended with status {process.returncode}: is iperf installed?")
        if listens(process.pid, port, "udp" if udp else "tcp"):
            return
        time.sleep(0.01)
    raise RunError(f"iperf -s did not listen on port {port} within {timeout_s:.0f} s")
