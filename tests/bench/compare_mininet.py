"""Stock Mininet and our netem backend change a delay under traffic, in one run, in one kernel.

    ./mesh guest exec -- .venv/bin/python tests/bench/compare_mininet.py [seconds]

One link between two hosts each: by Mininet's TCLink and its ``config``, by
NetemBackend and its ``apply``, and by the latter with nothing changed.  While
numbered datagrams run one way at 200 a second and a ping floods, the delay of both
ends goes up and down between 5 and 20 ms, for as long as given (20 s), with a pause
of 50 ms after each change.  A delay that rises leaves a gap of 15 ms by itself; one
that falls is where packets overtake each other.  Prints figures, asserts nothing.
Needs root and a kernel with sch_netem.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "netem"))
from netem_lab import NetemLab

from orbitmesh.emulator.plane.kernel.namespaces import enter, on_own_thread
from orbitmesh.emulator.plane.netem import NetemBackend

_PAUSE_S = 0.005
_DELAYS_MS = (5.0, 20.0)
_RATE_BPS = 100_000_000


@dataclass(frozen=True)
class Result:
    changes: int
    change_ms: float  # median, both ends
    sent: int
    lost: int
    reordered: int
    largest_gap_ms: float
    ping_sent: int
    ping_lost: int


def under_traffic(
    netns: Sequence[int], address: str, change: Callable[[float], None], seconds: float
) -> Result:
    """Change a link again and again while datagrams and pings cross it."""
    sender = on_own_thread(lambda: _udp(netns[0]))
    receiver = on_own_thread(lambda: _udp(netns[1]))
    receiver.bind((address, 0))
    receiver.setblocking(False)
    ping = subprocess.Popen(
        ["nsenter", f"--net=/proc/{os.getpid()}/fd/{netns[0]}", "ping", "-f", "-i", "0.01", "-q", address],
        stdout=subprocess.PIPE,
        text=True,
    )
    sent, came, at_ns, took_ms = 0, [], [], []
    pid = os.fork()
    if pid == 0:  # sends by itself: a change takes long in stock Mininet, and the stream must not wait for it
        number = 0
        stopped = []
        signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
        to = receiver.getsockname()
        while not stopped:
            sender.sendto(number.to_bytes(4, "little"), to)
            number += 1
            time.sleep(_PAUSE_S)
        time.sleep(0.3)
        sender.sendto(number.to_bytes(4, "little") + b"end", to)
        os._exit(0)

    def drain() -> bool:
        nonlocal sent
        while True:
            try:
                data, ancillary, _, _ = receiver.recvmsg(64, 64)
            except BlockingIOError:
                return False
            number = int.from_bytes(data[:4], "little")
            if data[4:] == b"end":
                sent = number
                return True
            seconds, nanoseconds = (int.from_bytes(ancillary[0][2][i : i + 8], "little") for i in (0, 8))
            came.append(number)
            at_ns.append(seconds * 10**9 + nanoseconds)

    time.sleep(0.3)
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        began_ns = time.perf_counter_ns()
        change(_DELAYS_MS[len(took_ms) % 2])
        took_ms.append((time.perf_counter_ns() - began_ns) / 1e6)
        drain()
        time.sleep(0.05)
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + 10
    while not drain() and time.monotonic() < deadline:
        time.sleep(0.01)
    os.waitpid(pid, 0)
    ping.send_signal(signal.SIGINT)
    said = ping.communicate()[0]
    for sock in (sender, receiver):
        sock.close()
    behind = sum(n < most for n, most in zip(came, _running_maximum(came), strict=True))
    transmitted, received = (
        int(n) for n in re.findall(r"(\d+) packets transmitted, (\d+) received", said)[0]
    )
    return Result(
        changes=len(took_ms),
        change_ms=statistics.median(took_ms),
        sent=sent,
        lost=sent - len(set(came)),
        reordered=behind,
        largest_gap_ms=max((b - a for a, b in pairwise(sorted(at_ns))), default=0) / 1e6,
        ping_sent=transmitted,
        ping_lost=transmitted - received,
    )


def _running_maximum(numbers: Sequence[int]) -> list[int]:
    most, found = -1, []
    for n in numbers:
        most = max(most, n)
        found.append(most)
    return found


def _udp(netns_fd: int) -> socket.socket:
    enter(netns_fd)
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, 35, 1)  # SO_TIMESTAMPNS
    return sock


def ours(seconds: float, *, changes: bool = True) -> Result:
    with NetemLab() as lab:

        def set_delay(delay_ms: float) -> None:
            lab.set(delay_ms=delay_ms, rate_bps=_RATE_BPS, queue_bytes=10**6)

        set_delay(_DELAYS_MS[1])
        return under_traffic(lab.netns, "10.0.0.2", set_delay if changes else lambda _: None, seconds)


def stock(seconds: float) -> Result:
    from mininet.link import TCLink
    from mininet.net import Mininet

    net = Mininet(controller=None, link=TCLink)
    opened: list[int] = []
    try:
        one, two = net.addHost("h1", ip="10.0.0.1/24"), net.addHost("h2", ip="10.0.0.2/24")
        link = net.addLink(one, two, delay="20ms", bw=_RATE_BPS / 1e6)
        net.build()
        opened = [os.open(f"/proc/{host.pid}/ns/net", os.O_RDONLY) for host in (one, two)]

        def change(delay_ms: float) -> None:
            for end in (link.intf1, link.intf2):
                end.config(delay=f"{delay_ms}ms", bw=_RATE_BPS / 1e6)

        return under_traffic(opened, "10.0.0.2", change, seconds)
    finally:
        for fd in opened:
            os.close(fd)
        net.stop()


if __name__ == "__main__":
    probe = NetemBackend.probe()
    if not probe.works:
        sys.exit(f"netem cannot work here: {probe.reason}")
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 20.0
    results = [stock(seconds), ours(seconds), ours(seconds, changes=False)]
    print(f"{seconds:.0f} s each, under a flood of pings and 200 datagrams/s")
    print(f"{'':<40}" + "".join(f"{name:>16}" for name in ("stock Mininet", "orbitmesh", "no change")))
    for title, name, form in (
        ("changes of the delay, both ends", "changes", "{}"),
        ("  each, median, ms", "change_ms", "{:.3f}"),
        ("datagrams sent", "sent", "{}"),
        ("  lost", "lost", "{}"),
        ("  reordered", "reordered", "{}"),
        ("  largest gap between arrivals, ms", "largest_gap_ms", "{:.1f}"),
        ("pings sent", "ping_sent", "{}"),
        ("  lost (some are under way at the end)", "ping_lost", "{}"),
    ):
        values = [form.format(getattr(result, name)) for result in results]
        if name in ("changes", "change_ms"):
            values[-1] = ""
        shown = "".join(f"{value:>16}" for value in values)
        print(f"{title:<40}{shown}")
    print(f"stock / ours, per change: {results[0].change_ms / results[1].change_ms:.0f} times")
