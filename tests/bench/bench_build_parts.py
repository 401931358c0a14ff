"""What building 200 hosts with 400 links and all routes is made of.

    sudo .venv/bin/python tests/bench/bench_build_parts.py [builds]

Times each step where it is called, in several builds (5); prints medians.
Steps of namespaces are summed over the threads that make them side by side.
"""

from __future__ import annotations

import statistics
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "plane"))

import plane_toys as toys

from orbitmesh.emulator.plane.engine import EngineBackend, tun
from orbitmesh.emulator.plane.engine.carrier import EngineCarrier
from orbitmesh.emulator.plane.engine.stamps import Stamps
from orbitmesh.emulator.plane.kernel import names, namespaces, nodes, sysctls
from orbitmesh.emulator.plane.kernel.sources import Sources
from orbitmesh.emulator.plane.wired.plane import Plane

STEPS = (
    ("start of the warden", nodes, "Warden"),
    ("start of the resolver", nodes, "Resolver"),
    ("network namespaces", namespaces, "unshare_net"),
    ("their sysctls", sysctls, "write_sysctls"),
    ("their loopback and address", nodes.Namespaces, "configure"),
    ("their sockets for names", nodes, "make_pair"),
    ("mount namespace with names", names, "make_mount_namespace"),
    ("start of the engine", EngineCarrier, "start"),
    ("TUN devices", tun, "_make_one"),
    ("hooks for programs", Stamps, "hook"),
    ("programs that stamp", Stamps, "attach"),
    ("devices brought up", tun, "_bring_up"),
    ("programs that look at sources", Sources, "guard"),
    ("routes", nodes.Namespaces, "route"),
)

_took_ns: dict[str, int] = defaultdict(int)
_lock = threading.Lock()


def watch(title: str, owner: Any, name: str) -> None:
    inner: Callable[..., Any] = getattr(owner, name)

    def timed(*args: Any, **kwargs: Any) -> Any:
        began_ns = time.perf_counter_ns()
        try:
            return inner(*args, **kwargs)
        finally:
            with _lock:
                _took_ns[title] += time.perf_counter_ns() - began_ns

    setattr(owner, name, timed)


def build() -> dict[str, float]:
    """Milliseconds."""
    mesh, pairs = toys.nodes(10, 20), toys.torus(10, 20)
    epoch = toys.epoch(mesh, pairs, 0, range(len(mesh)))
    _took_ns.clear()
    plane = Plane(mesh, toys.scenario(), EngineBackend())
    try:
        began_ns = time.perf_counter_ns()
        plane.build()
        hosts_ns = time.perf_counter_ns()
        change = plane.prepare(None, epoch)
        links_ns = time.perf_counter_ns()
        plane.commit(change, time.monotonic_ns())
        ended_ns = time.perf_counter_ns()
    finally:
        plane.close()
    whole = {
        "built": ended_ns - began_ns,
        "hosts": hosts_ns - began_ns,
        "links": links_ns - hosts_ns,
        "in force, with routes": ended_ns - links_ns,
    }
    return {title: ns / 1e6 for title, ns in {**whole, **_took_ns}.items()}


def main() -> None:
    for step in STEPS:
        watch(*step)
    builds = []
    for _ in range(int(sys.argv[1]) if len(sys.argv) > 1 else 5):
        builds.append(build())
        time.sleep(2)  # the kernel is still removing the namespaces of the one before
    for title in builds[0]:
        print(f"{title:<34}{statistics.median(found[title] for found in builds):8.1f} ms")


if __name__ == "__main__":
    main()
