"""How long a mesh takes to build and to remove, beside stock Mininet in the same run.

    sudo .venv/bin/python tests/bench/bench_build.py [--no-stock]

Builds, on the engine: 74 hosts; 1,584 satellites with 30 gateways and routes
to 94 of them (a Starlink shell); 200 hosts with 400 links and routes to every
host.  The last one is built by stock Mininet too (Host, Link: veth pairs, a
shell per host, no routes).  "Removed" ends when close() or stop() returns.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "plane"))

import plane_toys as toys
from mininet.link import Link
from mininet.net import Mininet
from mininet.node import Host

from orbitmesh.emulator.epoch import Nodes
from orbitmesh.emulator.plane.engine import EngineBackend
from orbitmesh.emulator.plane.wired.plane import Plane

Pairs = Sequence[tuple[int, int]]


@dataclass(frozen=True)
class Timing:
    build_s: float
    routes_s: float  # part of build_s
    remove_s: float


def mesh(title: str, nodes: Nodes, pairs: Pairs, destinations: Sequence[int]) -> Timing:
    """Build, change every delay and many routes once, remove; print each step."""
    first = toys.epoch(nodes, pairs, 0, destinations)
    other = {tuple(sorted(pair)): 3e6 + 1e4 * (i * 7919 % 100) for i, pair in enumerate(pairs)}
    second = toys.epoch(nodes, pairs, 1, destinations, other)  # type: ignore[arg-type]
    began = time.perf_counter()
    plane = Plane(nodes, toys.scenario(), EngineBackend())
    try:
        plane.build()
        hosts = time.perf_counter()
        change = plane.prepare(None, first)
        links = time.perf_counter()
        report = plane.commit(change, time.monotonic_ns())
        built = time.perf_counter()
        tick = plane.commit(plane.prepare(first, second), time.monotonic_ns())
        differing = plane.unlike_commanded()
    finally:
        closing = time.perf_counter()
        plane.close()
        removed = time.perf_counter()
    if differing:
        raise SystemExit(f"not in force as commanded: {differing[0]}")
    print(
        f"{title}: {len(nodes)} hosts {hosts - began:.2f} s, {len(pairs)} links {links - hosts:.2f} s, "
        f"{report.n_routes} routes {report.routes_ns / 1e9:.2f} s\n"
        f"    built {built - began:.2f} s, removed {removed - closing:.2f} s; a tick with all delays and "
        f"{tick.n_routes} routes {tick.total_ns / 1e6:.0f} ms"
    )
    return Timing(built - began, report.routes_ns / 1e9, removed - closing)


def stock(n_hosts: int, pairs: Pairs) -> Timing:
    Mininet.inited = True  # else it would change limits and sysctls of the machine
    began = time.perf_counter()
    net = Mininet(topo=None, controller=None, host=Host, link=Link)
    try:
        hosts = [net.addHost(f"h{i}") for i in range(n_hosts)]
        for a, b in pairs:
            net.addLink(hosts[a], hosts[b])
        net.start()
        built = time.perf_counter()
    finally:
        closing = time.perf_counter()
        net.stop()
        removed = time.perf_counter()
    print(
        f"stock Mininet: {n_hosts} hosts, {len(pairs)} links: "
        f"built {built - began:.2f} s, removed {removed - closing:.2f} s"
    )
    return Timing(built - began, 0.0, removed - closing)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--no-stock", action="store_true", help="leave out stock Mininet (it takes half a minute)"
    )
    arguments = parser.parse_args()

    grid = toys.nodes(10, 20)
    ours = mesh("200 hosts, 400 links", grid, toys.torus(10, 20), range(200))
    if not arguments.no_stock:
        theirs = stock(200, toys.torus(10, 20))
        print(
            f"against stock Mininet: built {theirs.build_s / ours.build_s:.0f} times as fast "
            f"({theirs.build_s / (ours.build_s - ours.routes_s):.0f} without our routes; it sets none), "
            f"removed {theirs.remove_s / ours.remove_s:.0f} times as fast"
        )
    small = toys.nodes(6, 11, 8)
    ground = [(g * 8, 66 + g) for g in range(8)]
    mesh("demo-sized", small, [*toys.torus(6, 11), *ground], range(len(small)))

    shell = toys.nodes(72, 22, 30)
    ground = [(g * 50 + k * 7, 1584 + g) for g in range(30) for k in range(2)]
    some = sorted({*range(0, 1584, 25), *range(1584, 1614)})
    mesh("starlink-shell1-sized", shell, [*toys.torus(72, 22), *ground], some)

    largest_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"largest resident size of this process: {largest_mb} MB")


if __name__ == "__main__":
    main()
