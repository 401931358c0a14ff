"""Nodes in namespaces of our own, and links between them carried by a real engine."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from orbitmesh.emulator.plane.backend import LinkEnd, LinkParameters
from orbitmesh.emulator.plane.engine import EngineBackend
from orbitmesh.emulator.plane.kernel.namespaces import enter, on_own_thread, unshare_net

MS = 1_000_000
PATIENCE_S = 20.0


def until(condition: Callable[[], bool], what: str, patience_s: float = PATIENCE_S) -> None:
    """Wait for something that must come; how long it takes is not the point."""
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, f"waited {patience_s} s in vain: {what}"
        time.sleep(0.002)


def parameters(
    links: Any,
    *,
    delay_ms: float = 0.0,
    slope_ns_per_s: float = 0.0,
    rate_bps: int = 0,
    queue_bytes: int = 0,
    loss_ratio: float = 0.0,
    up: bool = True,
    t0_mono_ns: int | None = None,
) -> LinkParameters:
    """The same for all."""
    links = np.atleast_1d(np.asarray(links, np.int32))

    def column(value: float, kind: type) -> Any:
        return np.full(len(links), value, kind)

    rate, queue = column(rate_bps, np.int64), column(queue_bytes, np.int64)
    return LinkParameters(
        link=links,
        t0_mono_ns=column(time.monotonic_ns() if t0_mono_ns is None else t0_mono_ns, np.int64),
        delay_ns=column(delay_ms * MS, np.float64),
        slope_ns_per_s=column(slope_ns_per_s, np.float64),
        rate_ab_bps=rate,
        rate_ba_bps=rate,
        queue_ab_bytes=queue,
        queue_ba_bytes=queue,
        loss_ratio=column(loss_ratio, np.float64),
        up=column(up, np.bool_),
    )


class Lab:
    """A chain of nodes, one link from each to the next: node i has 10.0.0.<i+1> and fd00::<i+1>.

    Every link is up and without delay.  Interfaces are ``east`` (to the next node) and ``west``.
    """

    def __init__(
        self,
        n_nodes: int = 2,
        *,
        ipv6: bool = False,
        make: Callable[..., Any] = EngineBackend,
        **options: Any,
    ) -> None:
        self.netns = [on_own_thread(unshare_net) for _ in range(n_nodes)]
        self._sockets: list[socket.socket] = []
        for i in range(n_nodes):
            self._prepare(i, ipv6)
        self.backend = make(**options)
        self.backend.start()
        self.links = self.backend.attach(
            [(LinkEnd(self.netns[i], "east"), LinkEnd(self.netns[i + 1], "west")) for i in range(n_nodes - 1)]
        )
        for i in range(n_nodes):
            ways = [(j, "east" if j > i else "west") for j in range(n_nodes) if j != i]
            lines = [f"route add 10.0.0.{j + 1} dev {way}" for j, way in ways]
            if ipv6:
                lines += [f"route add fd00::{j + 1} dev {way}" for j, way in ways]
            self.ip(i, "\n".join(lines))
        self.set()

    def _prepare(self, node: int, ipv6: bool) -> None:
        def write() -> None:
            enter(self.netns[node])
            net = Path("/proc/sys/net")
            (net / "ipv4/ip_forward").write_text("1")
            if not (net / "ipv6").exists():
                return  # a guest kernel without it
            for which in ("all", "default"):
                # no router solicitations among the packets that are counted
                (net / f"ipv6/conf/{which}/disable_ipv6").write_text("0" if ipv6 else "1")
                (net / f"ipv6/conf/{which}/router_solicitations").write_text("0")
                (net / f"ipv6/conf/{which}/addr_gen_mode").write_text("1")

        on_own_thread(write)
        lines = f"link set lo up\naddr add 10.0.0.{node + 1}/32 dev lo"
        self.ip(node, lines + (f"\naddr add fd00::{node + 1}/128 dev lo" if ipv6 else ""))

    def __enter__(self) -> Lab:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for sock in self._sockets:
            sock.close()
        self.backend.close()
        for fd in self.netns:
            os.close(fd)
        self.netns = []

    def inside(self, node: int, work: Callable[[], Any]) -> Any:
        def run() -> Any:
            enter(self.netns[node])
            return work()

        return on_own_thread(run)

    def run(self, node: int, *argv: str, **options: Any) -> str:
        """Output of a command run in a node."""
        done = self.inside(
            node, lambda: subprocess.run(argv, capture_output=True, text=True, timeout=60, **options)
        )
        assert done.returncode == 0, f"{argv}: {done.stderr or done.stdout}"
        return str(done.stdout)

    def ip(self, node: int, lines: str) -> None:
        """All by one process: in a guest kernel each takes a tenth of a second."""
        self.run(node, "ip", "-batch", "-", input=lines)

    def interfaces(self, node: int) -> set[str]:
        return {name for _, name in self.inside(node, socket.if_nameindex)} - {"lo"}

    def endpoint(
        self, node: int, kind: int = socket.SOCK_DGRAM, family: int = socket.AF_INET
    ) -> socket.socket:
        """A socket in a node, bound to its address, with patience as its time-out."""
        sock: socket.socket = self.inside(node, lambda: socket.socket(family, kind))
        sock.settimeout(PATIENCE_S)
        sock.bind((f"10.0.0.{node + 1}" if family == socket.AF_INET else f"fd00::{node + 1}", 0))
        self._sockets.append(sock)
        return sock

    def tcp(
        self, family: int = socket.AF_INET, congestion: bytes = b"cubic"
    ) -> tuple[socket.socket, socket.socket]:
        """A connection from the first node to the last: (first's end, last's)."""
        listener = self.endpoint(len(self.netns) - 1, socket.SOCK_STREAM, family)
        listener.listen()
        client = self.endpoint(0, socket.SOCK_STREAM, family)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, congestion)
        client.connect(listener.getsockname()[:2])
        server, _ = listener.accept()
        server.settimeout(PATIENCE_S)
        self._sockets.append(server)
        return client, server

    def set(self, **what: Any) -> None:
        """Set all links alike."""
        self.backend.apply(parameters(self.links, **what))

    def received_bytes(self, node: int, interface: str) -> int:
        """What an interface has received, as its kernel counts it: IP packets."""
        text = self.inside(node, lambda: Path("/proc/thread-self/net/dev").read_text())
        for line in text.splitlines():
            name, _, numbers = line.partition(":")
            if name.strip() == interface:
                return int(numbers.split()[0])
        raise AssertionError(f"no interface {interface}")

    def quiet(self) -> None:
        """Wait until no link holds a packet."""
        until(lambda: not self.backend.held_packets(self.links).any(), "links to run empty")

    def check_books(self) -> None:
        """in = out + dropped + in flight, on every link and each way."""
        until(self._balanced, "the books of all links to balance")

    def _balanced(self) -> bool:
        """False also where the engine was between two of its counters; books that are wrong stay so."""
        count = self.backend.counters(self.links)
        dropped = count.dropped_queue + count.dropped_loss + count.dropped_down + count.dropped_host
        held = self.backend.held_packets(self.links)
        return bool((count.packets_in == count.packets_out + dropped + held).all())
