"""Hosts on demand: from the request to the first ping answered, while packets of others pass.

    sudo .venv/bin/python tests/bench/bench_hosts.py [SCENARIO] [HOSTS]     (default: starlink-shell1 40)

Prints figures; asserts nothing.  A process of its own asks the mesh's control socket for satellites that
are no hosts, one after the other, and pings a gateway from each.  Beside it two gateways have a flow of
10,000 datagrams a second: for a while alone, then while hosts come, then while they go.  One epoch lasts
throughout, so that what is commanded of each datagram follows from its instant alone.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from orbitmesh.emulator import Emulation, Scenario
from orbitmesh.emulator.calibration.traffic import Stream, Streaming
from orbitmesh.emulator.control.client import Client
from orbitmesh.emulator.plane.kernel.namespaces import enter, on_own_thread

PER_SECOND, STREAM_S = 10_000, 8


@dataclass
class Gateways:
    """Two of a mesh, as the two ends of a stream."""

    mesh: Emulation
    names: tuple[str, str]

    def address(self, node: int) -> str:
        return self.mesh.plane.addresses[self.mesh.nodes.index[self.names[node]]]

    def spawn(self, node: int, argv: Sequence[str], **popen: Any) -> subprocess.Popen[bytes]:
        return self.mesh.net.get(self.names[node]).popen(list(argv), **popen)


def ask(run_id: str, address: str, names: Sequence[str]) -> None:
    """The client: for each name, ns until the host was there, and until its first ping was answered."""
    took = []
    for name in names:
        began_ns = time.monotonic_ns()
        with Client.connect(run_id) as client:
            fds = client.enter(name)
            there_ns = time.monotonic_ns()
            on_own_thread(lambda fd=fds[0]: ping_once(fd, address))
            took.append((there_ns - began_ns, time.monotonic_ns() - began_ns))
            for fd in fds:
                os.close(fd)
        time.sleep(0.05)
    print(json.dumps(took))


def ping_once(netns_fd: int, address: str) -> None:
    enter(netns_fd)
    echo = struct.pack("!BBHHH", 8, 0, 0xF7FD, 1, 1)  # an echo request without data, and its checksum
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as sock:
        sock.settimeout(5)
        sock.sendto(echo, (address, 0))
        while sock.recv(2048)[20] != 0:  # an echo reply
            pass


def errors_us(mesh: Emulation, ends: Gateways, stream: Stream) -> np.ndarray[Any, np.dtype[np.float64]]:
    epoch = mesh.epoch
    assert epoch is not None
    path = epoch.path(*(mesh.nodes.index[name] for name in ends.names))
    assert path is not None
    t0_ns = mesh.clock.mono_ns(epoch.sim_ns)
    first, last = (epoch.path_delay_ns(path, epoch.sim_ns + s * 10**9) for s in (0, 100))
    meant_ns = first + (last - first) / 100e9 * (stream.sent_mono_ns - t0_ns)
    return np.asarray((stream.took_ns - meant_ns) / 1e3)


def told(what: str, mesh: Emulation, ends: Gateways, stream: Stream) -> None:
    error = errors_us(mesh, ends, stream)
    low, p50, p99, high = np.percentile(error, [0, 50, 99, 100])
    lost = stream.sent - len(np.unique(stream.number))
    reordered = int((stream.number < np.maximum.accumulate(stream.number)).sum())
    print(
        f"flow, {what}: {stream.sent:,} sent, {lost} lost, {reordered} reordered; error least {low:.1f}, "
        f"p50 {p50:.1f}, p99 {p99:.1f}, most {high:.1f} us",
        flush=True,
    )


def bench(name: str, n_hosts: int) -> None:
    scenario = Scenario.load(name)
    # at the full rates what a datagram takes to be sent is nothing beside the error
    run = scenario.run.model_copy(
        update={"step_ns": 600 * 10**9, "duration_ns": 600 * 10**9, "rate_scale": 1.0}
    )
    # no node process on a satellite: what is measured is not to be theirs
    compute = scenario.compute.model_copy(update={"satellites": 0, "tasks": ()})
    scenario = scenario.model_copy(update={"run": run, "compute": compute})
    with (
        tempfile.TemporaryDirectory() as folder,
        Emulation(scenario, out=Path(folder, "run"), plane="fabric") as mesh,
    ):
        gateways = mesh.nodes.names[mesh.nodes.n_satellites :]
        ends = Gateways(mesh, (gateways[0], gateways[-1]))
        idle = np.flatnonzero(~mesh.hosting)
        names = [mesh.nodes.names[n] for n in idle[:: max(1, len(idle) // n_hosts)][:n_hosts]]

        def flow() -> Streaming:
            return Streaming(ends, 0, 1, PER_SECOND * STREAM_S, PER_SECOND)

        told("nothing else", mesh, ends, flow().result())
        streaming = flow()
        argv = [sys.executable, __file__, "--client", mesh.run_id, ends.address(0), *names]
        client = subprocess.run(argv, stdout=subprocess.PIPE, check=True)
        told("while hosts come", mesh, ends, streaming.result())
        streaming = flow()
        gone = mesh.plane.hosts.give_up_idle(time.monotonic_ns() + 3600 * 10**9)
        told(f"while {len(gone)} hosts go", mesh, ends, streaming.result())

        epoch = mesh.epoch
        assert epoch is not None
        gateway = mesh.nodes.index[ends.names[0]]
        there_ns, answered_ns = np.array(json.loads(client.stdout)).T
        light_ns = []
        for node in (mesh.nodes.index[name] for name in names):
            ways = (epoch.path(node, gateway), epoch.path(gateway, node))
            light_ns.append(sum(epoch.path_delay_ns(way) for way in ways if way is not None))
        for what, ns in (
            ("the host is there and routed to", there_ns),
            ("its first ping is answered", answered_ns),
            ("the same without what light takes", answered_ns - np.array(light_ns)),
        ):
            p50, most = np.median(ns) / 1e6, ns.max() / 1e6
            print(f"{len(names)} hosts, from the request until {what}: p50 {p50:.1f}, most {most:.1f} ms")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--client"]:
        ask(sys.argv[2], sys.argv[3], sys.argv[4:])
    else:
        bench(*(sys.argv[1:2] or ["starlink-shell1"]), int((sys.argv[2:] or ["40"])[0]))
