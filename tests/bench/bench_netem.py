"""What setting links costs on netem, beside a forked tc and stock Mininet.  Prints figures, asserts nothing.

    sudo .venv/bin/python tests/bench/bench_netem.py [part ...]

Parts: changes stock error attach.  Needs a kernel with sch_netem.  Everything happens in namespaces
of its own, but for ``stock``, where Mininet makes interfaces as it always does.
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "netem"))
from netem_lab import NetemLab, parameters

from orbitmesh.emulator.plane.backend import LinkEnd
from orbitmesh.emulator.plane.kernel.namespaces import enter, on_own_thread, unshare_net
from orbitmesh.emulator.plane.netem import NetemBackend, messages

_REPEATS = 20


def say(what: str, figure: str, goal: str = "") -> None:
    print(f"{what:<62} {figure:<30} {goal}", flush=True)


def median_us(work: Callable[[], object], repeats: int = _REPEATS) -> float:
    """Of the time one call takes."""
    took = []
    for _ in range(repeats):
        began_ns = time.perf_counter_ns()
        work()
        took.append(time.perf_counter_ns() - began_ns)
    return statistics.median(took) / 1e3


def ring(n_namespaces: int, per_namespace: int) -> tuple[NetemBackend, list[int], np.ndarray]:
    """Namespaces, each with links to those that follow it; all up."""
    netns = [on_own_thread(unshare_net) for _ in range(n_namespaces)]
    backend = NetemBackend(netem_step_ns=3_600 * 10**9)
    backend.start()
    ends = [
        (
            LinkEnd(netns[i], f"out{k}"),
            LinkEnd(netns[(i + k + 1) % n_namespaces], f"in{k}"),
        )
        for i in range(n_namespaces)
        for k in range(per_namespace)
    ]
    links = backend.attach(ends)
    backend.apply(parameters(links, delay_ms=5, rate_bps=10**9, queue_bytes=10**6))
    return backend, netns, links


def finish(backend: NetemBackend, netns: list[int]) -> None:
    backend.let_go()
    backend.close()
    for fd in netns:
        os.close(fd)


def changes() -> None:
    for n_namespaces, per_namespace in ((2, 50), (72, 2)):
        backend, netns, links = ring(n_namespaces, per_namespace)
        n_ends = 2 * len(links)
        delays = iter(np.random.default_rng(1).uniform(1, 30, 10_000))
        took = median_us(
            lambda b=backend, ids=links, d=delays: b.apply(  # type: ignore[misc]
                parameters(ids, delay_ms=float(next(d)), rate_bps=10**9, queue_bytes=10**6)
            )
        )
        say(
            f"apply: {len(links)} links in {n_namespaces} namespaces, per change of an end",
            f"{took / n_ends:.1f} µs ({took / 1e3:.2f} ms in all)",
            "goal 10 µs natively",
        )
        column = np.full(n_ends, 1, np.int64)
        built = median_us(
            lambda c=column: messages.netem_messages(  # type: ignore[misc]
                c.astype(np.int32), c.astype(np.uint32), c, c.astype(np.uint64), c.astype(np.uint32),
                c.astype(np.uint32),
            )
        )  # fmt: skip
        say("  of which building the messages", f"{built / n_ends:.2f} µs")
        say("read back, per end", f"{median_us(lambda b=backend, i=links: b.read(i), 5) / n_ends:.1f} µs")  # type: ignore[misc]
        down = parameters(links[:20], delay_ms=5, rate_bps=10**9, queue_bytes=10**6, up=False)
        say(
            "taking 20 links down, per end",
            f"{median_us(lambda b=backend, d=down: b.apply(d), 1) / 40:.1f} µs",
        )  # type: ignore[misc]
        finish(backend, netns)


def attach() -> None:
    began = time.perf_counter()
    backend, netns, links = ring(20, 4)
    say(
        "attach, per link (both ends, netem, up)",
        f"{(time.perf_counter() - began) / len(links) * 1e3:.2f} ms",
    )
    began = time.perf_counter()
    backend.detach(links[:40])
    say("detach, per link", f"{(time.perf_counter() - began) / 40 * 1e3:.2f} ms")
    finish(backend, netns)


def stock() -> None:
    """The ways others change a delay, on one interface."""
    with NetemLab() as lab:
        fd = lab.netns[0]

        change = ["tc", "qdisc", "change", "dev", "east", "root", "netem", "delay", "9ms", "rate", "1gbit"]

        def forked() -> None:
            subprocess.run(change, check=True)

        def inside() -> float:
            enter(fd)
            return median_us(forked)

        forked_us = on_own_thread(inside)
        say("a forked tc qdisc change", f"{forked_us / 1e3:.2f} ms")
    from mininet.link import TCLink
    from mininet.net import Mininet

    net = Mininet(controller=None, link=TCLink)
    try:
        one, two = net.addHost("h1"), net.addHost("h2")
        link = net.addLink(one, two, delay="5ms", bw=100)
        delays = iter(range(1, 10_000))
        stock_us = median_us(lambda: link.intf1.config(delay=f"{next(delays)}ms", bw=100))
        say("stock Mininet: TCIntf.config(delay=…), one end", f"{stock_us / 1e3:.2f} ms")
    finally:
        net.stop()
    backend, netns, links = ring(2, 50)
    ours_us = median_us(
        lambda: backend.apply(parameters(links, delay_ms=7, rate_bps=10**9, queue_bytes=10**6))
    ) / (2 * len(links))
    finish(backend, netns)
    say(
        "stock / ours, per change of an end",
        f"{stock_us / ours_us:.0f} times ({ours_us:.1f} µs)",
        "goal 50 times",
    )


def error() -> None:
    with NetemLab() as lab:
        for delay_ms in (0.1, 1, 5, 20, 100):
            lab.set(delay_ms=delay_ms, rate_bps=10**10, queue_bytes=10**7)
            said = lab.run(0, "ping", "-c", "50", "-i", "0.02", "-W", "5", "10.0.0.2")
            times = sorted(float(t) - 2 * delay_ms for t in re.findall(r"time=([\d.]+)", said))
            p50, p99 = times[len(times) // 2], times[int(len(times) * 0.99)]
            say(f"ping over {delay_ms} ms each way, above twice that: p50, p99", f"{p50:.3f}, {p99:.3f} ms")


PARTS = {"changes": changes, "stock": stock, "error": error, "attach": attach}


if __name__ == "__main__":
    probe = NetemBackend.probe()
    if not probe.works:
        sys.exit(f"netem cannot work here: {probe.reason}")
    for name in sys.argv[1:] or PARTS:
        PARTS[name]()
