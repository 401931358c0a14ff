"""What the link engine reaches on this machine.  Prints figures, asserts nothing.

    sudo .venv/bin/python tests/bench/bench_engine.py [part ...]

Parts: ping hops rate bulk scale oneway.  Everything happens in namespaces of its own.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import re
import socket
import statistics
import struct
import sys
import threading
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "engine"))
from engine_lab import Lab, parameters

from orbitmesh.emulator.plane.backend import LinkEnd
from orbitmesh.emulator.plane.engine import EngineBackend
from orbitmesh.emulator.plane.engine.backend import Wait
from orbitmesh.emulator.plane.kernel.namespaces import enter, on_own_thread, unshare_net

_SO_TIMESTAMPNS, _SO_RCVBUFFORCE = 35, 33


def say(what: str, figure: str, goal: str = "") -> None:
    print(f"{what:<58} {figure:<34} {goal}", flush=True)


def lateness(lab: Lab) -> str:
    late = lab.backend.lateness()
    assert late is not None
    p50, p99 = (late.quantile_ns(q) or 0 for q in (0.5, 0.99))
    return f"p50 {p50 / 1e3:.1f}, p99 {p99 / 1e3:.1f}, max {late.max_ns / 1e3:.0f} µs"


def ping_ms(lab: Lab, n: int) -> float:
    said = lab.run(0, "ping", "-c", str(n), "-i", "0.01", f"10.0.0.{len(lab.netns)}")
    return statistics.median(float(t) for t in re.findall(r"time=([\d.]+)", said))


def ping() -> None:
    with Lab() as lab:
        lab.set(delay_ms=10)
        error_us = (ping_ms(lab, 300) - 20) * 1e3
        say("ping, one link, 10 ms each way: median above 20 ms", f"{error_us:.0f} µs", "goal 150 µs")
        say("  packets left late by", lateness(lab))


def hops() -> None:
    with Lab(11) as lab:
        lab.set(delay_ms=2)
        error_us = (ping_ms(lab, 300) - 40) * 1e3
        say("ping, ten links of 2 ms: median above 40 ms", f"{error_us:.0f} µs", "goal 1,000 µs")


class Bulk:
    """A TCP flow (cubic) through the lab, as much as it takes."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._client, self._server = lab.tcp()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=work) for work in (self._send, self._receive)]
        for thread in self._threads:
            thread.start()

    def _send(self) -> None:
        block = bytes(1 << 20)
        while not self._stop.is_set():
            self._client.sendall(block)
        self._client.close()

    def _receive(self) -> None:
        into = bytearray(1 << 20)
        while self._server.recv_into(into):
            pass

    def rate_bps(self, seconds: float) -> float:
        """Bytes of IP packets, by the engine's count of what it delivered."""

        def delivered() -> tuple[int, float]:
            return int(self._lab.backend.counters(self._lab.links).bytes_out[-1, 0]), time.monotonic()

        (bytes_a, a), _, (bytes_b, b) = delivered(), time.sleep(seconds), delivered()
        return 8 * (bytes_b - bytes_a) / (b - a)

    def end(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def rate() -> None:
    for rate_bps in (10_000_000, 100_000_000, 1_000_000_000):
        with Lab() as lab:
            lab.set(delay_ms=2, rate_bps=rate_bps, queue_bytes=max(1 << 16, rate_bps // 8 // 50))
            flow = Bulk(lab)
            time.sleep(1)
            got_bps = flow.rate_bps(2)
            flow.end()
            say(
                f"TCP on a link of {rate_bps // 10**6} Mbit/s, 2 ms",
                f"{got_bps / 1e6:.2f} Mbit/s ({100 * got_bps / rate_bps - 100:+.2f} %)",
                "goal 3 %",
            )


def bulk() -> None:
    for n_nodes, goal in ((2, "goal 5 Gbit/s"), (11, "")):
        with Lab(n_nodes) as lab:
            flow = Bulk(lab)
            time.sleep(0.5)
            got_bps = flow.rate_bps(2)
            flow.end()
            say(f"TCP, unlimited, {n_nodes - 1} link(s)", f"{got_bps / 1e9:.1f} Gbit/s", goal)


def scale() -> None:
    n_nodes, n_links = 1584, 3200

    def bare_namespace() -> int:
        fd = unshare_net()
        for which in ("all", "default"):
            Path(f"/proc/sys/net/ipv6/conf/{which}/disable_ipv6").write_text("1")
        return fd

    netns = [on_own_thread(bare_namespace) for _ in range(n_nodes)]
    ends = [
        (
            LinkEnd(netns[i % n_nodes], f"e{i // n_nodes}"),
            LinkEnd(netns[(i * 7 + 1) % n_nodes], f"w{i // n_nodes}"),
        )
        for i in range(n_links)
    ]
    backend = EngineBackend()
    backend.start()
    start = time.monotonic()
    links = backend.attach(ends)
    say(f"attach {n_links} links", f"{time.monotonic() - start:.2f} s", "goal 2 s")
    took = []
    for delay_ms in range(21):
        what = parameters(links, delay_ms=delay_ms)
        start = time.monotonic()
        backend.apply(what)
        took.append(time.monotonic() - start)
    say(f"apply to {n_links} links, first", f"{took[0] * 1e3:.2f} ms")
    say(f"apply to {n_links} links, median", f"{statistics.median(took) * 1e3:.2f} ms", "goal 2 ms")
    start = time.monotonic()
    assert (backend.read(links).delay_ns == 20e6).all()
    say(f"read back {n_links} links", f"{(time.monotonic() - start) * 1e3:.2f} ms")
    status = Path(f"/proc/{backend.pid}/status").read_text()
    memory_kb = int(re.findall(r"VmRSS:\s*(\d+)", status)[0])
    say("memory of the engine", f"{memory_kb / 1024:.0f} MB")
    start = time.monotonic()
    backend.detach(links[:8])
    say("detach 8 links", f"{(time.monotonic() - start) * 1e3:.0f} ms")
    start = time.monotonic()
    backend.close()
    say(f"close, {2 * n_links - 16} TUN devices", f"{time.monotonic() - start:.2f} s", "goal 8 s")
    for fd in netns:
        os.close(fd)


def _send_paced(netns_fd: int, to: tuple[str, int], n: int, interval_ns: int) -> None:
    """In a process of its own, asleep between packets."""
    enter(netns_fd)
    libc = ctypes.CDLL(None)
    libc.prctl(29, ctypes.c_ulong(1))  # PR_SET_TIMERSLACK
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.connect(to)
    start_ns = time.monotonic_ns() + 10_000_000
    for i in range(n):
        ahead_ns = start_ns + i * interval_ns - time.monotonic_ns()
        if ahead_ns > 0:
            time.sleep(ahead_ns / 1e9)
        sender.send(struct.pack("=q", time.monotonic_ns()))


def _one_way(wait: Wait, n_nodes: int, per_second: int) -> None:
    n, delay_ms = 2 * per_second, 5
    with Lab(n_nodes, wait=wait) as lab:
        lab.set(delay_ms=delay_ms)
        receiver = lab.endpoint(n_nodes - 1)  # nobody reads until all are there: the kernel stamps them
        receiver.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 256 << 20)
        receiver.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        offset_ns = time.time_ns() - time.monotonic_ns()
        sender = multiprocessing.get_context("fork").Process(
            target=_send_paced, args=(lab.netns[0], receiver.getsockname(), n, 10**9 // per_second)
        )
        sender.start()
        sender.join()
        lab.quiet()
        excess_us = []
        for _ in range(n):
            data, ancillary, _, _ = receiver.recvmsg(64, 64)
            seconds, nanoseconds = struct.unpack("=qq", ancillary[0][2])
            took_ns = seconds * 10**9 + nanoseconds - offset_ns - struct.unpack("=q", data)[0]
            excess_us.append((took_ns - (n_nodes - 1) * delay_ms * 1e6) / 1e3)
        p50, p99 = np.percentile(excess_us, [50, 99])
        goal = "goal 15 / 120 µs" if (wait, n_nodes) == ("adaptive", 2) else ""
        say(
            f"one-way excess, {per_second:,}/s, {n_nodes - 1} link(s), {wait}",
            f"p50 {p50:.1f}, p99 {p99:.1f} µs",
            goal,
        )
        say("  packets left late by", lateness(lab))


def oneway() -> None:
    waits: tuple[Wait, ...] = ("sleep", "adaptive", "poll")
    for wait in waits:
        _one_way(wait, 2, 10_000)
        _one_way(wait, 11, 1_000)


PARTS = {"ping": ping, "hops": hops, "rate": rate, "bulk": bulk, "scale": scale, "oneway": oneway}

if __name__ == "__main__":
    for name in sys.argv[1:] or PARTS:
        PARTS[name]()
