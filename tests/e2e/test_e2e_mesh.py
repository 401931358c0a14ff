"""A running mesh, looked at from inside while epochs tick: rates, hops and round trips."""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from e2e_lab import Commanded, quiet, received_bytes, udp_socket, until

from orbitmesh.emulator import Emulation
from orbitmesh.emulator.epoch import LinkKind

SEED = 5
RATE_SCALE = 0.0002  # lasers of 10 to 20 Mbit/s, which one Python thread can saturate

pytestmark = [
    pytest.mark.netns,
    pytest.mark.native,
    pytest.mark.timeout(120),
    pytest.mark.orbitmesh(scenario=quiet(run={"rate-scale": RATE_SCALE}), duration="120 s"),
]


@pytest.fixture(scope="module")
def commanded(mesh: Emulation) -> Commanded:
    return Commanded(mesh.scenario, 240)


@contextmanager
def saturated(mesh: Emulation, source: int, target: int) -> Iterator[None]:
    """Datagrams of 1,400 bytes from one node to another, faster than any laser here takes them."""
    stop = threading.Event()
    with udp_socket(mesh.plane, source) as out, udp_socket(mesh.plane, target) as to:

        def flood() -> None:
            while not stop.is_set():
                for _ in range(5):
                    out.sendto(bytes(1372), to.getsockname())
                time.sleep(0.001)

        thread = threading.Thread(target=flood)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


@pytest.mark.parametrize("which", ["slowest", "fastest"])
def test_a_saturated_laser_carries_its_rate_times_the_scale(
    which: str, mesh: Emulation, commanded: Commanded
) -> None:
    first, last = commanded.epochs[0], commanded.epochs[-1]
    links = first.links
    lasers = [
        row
        for row in np.argsort(links.rate_ab_bps, kind="stable").tolist()
        if links.kind[row] == LinkKind.LASER
        and all(
            e.path(int(links.a[row]), int(links.b[row])) == (links.a[row], links.b[row])
            for e in (first, last)
        )
    ]
    a, b = (int(end[lasers[0 if which == "slowest" else -1]]) for end in (links.a, links.b))
    assert mesh.path(*(mesh.nodes.names[node] for node in (a, b)))["hops"] == 1
    (entry,) = (e for e in mesh.plane.links_of(a) if (e.a, e.b) == (a, b))

    def dropped() -> int:
        return mesh.plane.counters()["dropped_queue"]

    dropped_before = dropped()
    with saturated(mesh, a, b):
        # from then on the transmitter is never idle
        until(lambda: dropped() > dropped_before, "the queue to be full")
        bytes_before, before_ns = received_bytes(mesh.plane, b, entry.interface_b)
        time.sleep(1.0)
        bytes_after, after_ns = received_bytes(mesh.plane, b, entry.interface_b)
    measured_bps = 8e9 * (bytes_after - bytes_before) / (after_ns - before_ns)
    physical_bps = np.mean(
        [
            commanded.epochs[commanded.row_at(ns - mesh.clock.mono_ns(0))].narrowest_rate_bps((a, b))
            for ns in (before_ns, after_ns)
        ]
    )
    assert measured_bps == pytest.approx(physical_bps * RATE_SCALE, rel=0.03)
    print(
        f"{which} laser: {physical_bps / 1e9:.2f} Gbit/s, emulated {physical_bps * RATE_SCALE / 1e6:.3f}, "
        f"measured {measured_bps / 1e6:.3f} Mbit/s"
    )


def _pairs(commanded: Commanded) -> list[tuple[str, str]]:
    """Of each kind of node a few at random, and always a satellite that hosts nothing."""
    rng = random.Random(SEED)
    nodes, hosting = commanded.nodes, commanded.hosting
    idle = [n for n in range(nodes.n_satellites) if not hosting[n]]
    hosts = [n for n in range(nodes.n_satellites) if hosting[n]]
    gateways = range(nodes.n_satellites, len(nodes))
    kinds = [(idle, idle), (idle, hosts), (hosts, idle), (hosts, hosts), (idle, gateways), (gateways, idle)]
    chosen = [(rng.choice(a), rng.choice(b)) for a, b in kinds] + [tuple(rng.sample(gateways, 2))]
    return [(nodes.names[a], nodes.names[b]) for a, b in chosen]


def test_traceroute_and_ping_between_any_two_nodes_show_the_real_hops(
    mesh: Emulation, commanded: Commanded
) -> None:
    pairs = _pairs(commanded)
    assert all(one != two for one, two in pairs)
    address = {mesh.net.get(name).IP(): name for name in mesh.nodes.names}
    mesh.route_to([name for pair in pairs for name in pair])
    first_row = commanded.row_at(mesh.clock.sim_ns())
    for one, two in pairs:
        source, target = mesh.nodes.index[one], mesh.nodes.index[two]
        node = mesh.net.get(one)
        before_row = commanded.row_at(mesh.clock.sim_ns())
        trace = node.cmd(f"traceroute -n -q 1 -w 2 {two}")
        ping = node.cmd(f"ping -n -c 3 -i 0.05 -W 2 {two}")
        rows = range(max(before_row - 1, 0), commanded.row_at(mesh.clock.sim_ns()) + 1)
        seen = re.findall(r"^\s*\d+\s+([\d.]+)\s+([\d.]+) ms", trace, re.MULTILINE)
        # the path of an epoch that was in force meanwhile: mostly there is one only
        expected = {commanded.names(commanded.path(row, source, target)) for row in rows}
        assert (one, *(address[hop] for hop, _ in seen)) in expected, trace
        # and what each hop takes is a way there and a way back, never less (the programs print us)
        for hop, took_ms in seen:
            assert float(took_ms) * 1e6 >= _least_round_trip_ns(commanded, rows, source, address[hop]) - 1_000
        times_ms = [float(ms) for ms in re.findall(r"time=([\d.]+) ms", ping)]
        assert len(times_ms) == 3, ping
        printed_ns = 100_000 if min(times_ms) >= 100 else 10_000  # ping prints three digits
        assert min(times_ms) * 1e6 >= _least_round_trip_ns(commanded, rows, source, two) - printed_ns
    # it was a mesh at work, not a still picture of one
    assert commanded.row_at(mesh.clock.sim_ns()) > first_row


def _least_round_trip_ns(commanded: Commanded, rows: range, source: int, name: str) -> float:
    target = commanded.nodes.index[name]
    found = []
    for row in rows:
        epoch = commanded.epochs[row]
        ways = [epoch.path(source, target), epoch.path(target, source)]
        for at_sim_ns in (epoch.sim_ns, epoch.sim_ns + commanded.step_ns):
            found.append(sum(epoch.path_delay_ns(way, at_sim_ns) for way in ways if way))
    return min(found)
