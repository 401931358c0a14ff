"""The engine's lab on netem, and what ``tc`` and datagrams say of it."""

from __future__ import annotations

import json
import re
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

# their labs serve this backend too
sys.path.append(str(Path(__file__).parents[1] / "engine"))
sys.path.append(str(Path(__file__).parents[1] / "plane"))

from engine_lab import MS, Lab, parameters, until

from orbitmesh.emulator.plane.netem import NetemBackend

_SO_SNDBUFFORCE, _SO_RCVBUFFORCE = 32, 33  # asm-generic/socket.h; Python does not name them

__all__ = ["MS", "Flow", "NetemLab", "parameters", "until"]


class NetemLab(Lab):
    def __init__(self, n_nodes: int = 2, **options: Any) -> None:
        super().__init__(n_nodes, make=NetemBackend, **options)

    def ping_ms(self, source: int, to: int, count: int = 5) -> list[float]:
        said = self.run(source, "ping", "-c", str(count), "-i", "0.05", "-W", "5", f"10.0.0.{to + 1}")
        return [float(ms) for ms in re.findall(r"time=([\d.]+) ms", said)]

    def tc(self, node: int, interface: str) -> dict[str, Any]:
        """The root qdisc of an interface, as iproute2 sees it."""
        said = json.loads(self.run(node, "tc", "-s", "-j", "qdisc", "show", "dev", interface, "root"))
        return dict(said[0])

    def received_packets(self, node: int, interface: str) -> int:
        text = self.inside(node, lambda: Path("/proc/thread-self/net/dev").read_text())
        (numbers,) = re.findall(rf"^\s*{interface}:(.*)$", text, re.MULTILINE)
        return int(numbers.split()[1])

    def totals(self) -> dict[str, list[int]]:
        """Counters of the first link: [a to b, b to a]."""
        found = self.backend.counters(self.links[:1])
        return {name: getattr(found, name)[0].tolist() for name in vars(found)}


class Flow:
    """Numbered datagrams from the first node to the last, and the order in which they came."""

    def __init__(self, lab: Lab, size_bytes: int = 64) -> None:
        self.size_bytes = size_bytes
        last = len(lab.netns) - 1
        self._out, self._in = lab.endpoint(0), lab.endpoint(last)
        self._in.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 32 << 20)
        self._in.settimeout(1.0)
        self._to = self._in.getsockname()
        self._out.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, 32 << 20)
        self.sent = 0
        self.came: list[int] = []
        self.at_ns: list[int] = []
        self._stop = threading.Event()
        self._sender: threading.Thread | None = None
        self._receiver = threading.Thread(target=self._receive)
        self._receiver.start()

    def send(self, n: int) -> None:
        padding = bytes(self.size_bytes - 8)
        for _ in range(n):
            self._out.sendto(self.sent.to_bytes(8, "little") + padding, self._to)
            self.sent += 1

    def flood(self, pause_s: float) -> None:
        """Go on sending, with pauses, until ``finish``."""

        def run() -> None:
            while not self._stop.is_set():
                self.send(1)
                time.sleep(pause_s)

        self._sender = threading.Thread(target=run)
        self._sender.start()

    def finish(self) -> list[int]:
        """The numbers that came, once a second has passed without another."""
        self._stop.set()
        if self._sender is not None:
            self._sender.join()
        self._receiver.join()
        return self.came

    def _receive(self) -> None:
        while True:
            try:
                data = self._in.recv(2048)
            except TimeoutError:
                if self._stop.is_set():
                    return
                continue
            except OSError:  # the lab was closed, after a test that failed
                return
            self.at_ns.append(time.monotonic_ns())
            self.came.append(int.from_bytes(data[:8], "little"))
