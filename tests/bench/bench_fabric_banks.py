"""How long the fabric plane takes to write an epoch: all pipes, ground links and routes.

    python tests/bench/bench_fabric_banks.py
    sudo .venv/bin/python tests/bench/bench_fabric_banks.py traffic

A +Grid of 1,584, 4,408 and 1,000,000 satellites with thirty gateways, and routes to these.  No engine: it
takes up each epoch at once.  With traffic: an engine, and 10,000 datagrams a second between two satellites
ten lasers apart, while all of 4,408 and of 1,000,000 satellites get epoch after epoch.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "plane"))

import plane_toys as toys

from orbitmesh.emulator.calibration.traffic import Streaming
from orbitmesh.emulator.epoch import NO_WAY, LinkKind, Links, Nodes, Ports, Routes
from orbitmesh.emulator.plane.fabric import banks
from orbitmesh.emulator.plane.fabric.engine import FabricEngine, FakeFabric
from orbitmesh.emulator.plane.fabric.plane import FabricPlane

GATEWAYS, ANTENNAS, SLOTS = 30, 2, 4
ROUNDS, TRAFFIC_S = 12, 10


def grid(planes: int, slots: int, rng: np.random.Generator) -> tuple[Nodes, Any]:
    n = planes * slots
    plane, slot = np.divmod(np.arange(n), slots)
    neighbour = np.stack(
        [
            plane * slots + (slot + 1) % slots,
            plane * slots + (slot - 1) % slots,
            (plane + 1) % planes * slots + slot,
            (plane - 1) % planes * slots + slot,
        ],
        axis=1,
    ).astype(np.int32)
    served = np.arange(GATEWAYS * ANTENNAS) * (n // (GATEWAYS * ANTENNAS))
    station = n + np.arange(GATEWAYS * ANTENNAS) // ANTENNAS
    ends = np.concatenate([np.stack([np.repeat(np.arange(n), 2), neighbour[:, ::2].ravel()], 1),
                           np.stack([served, station], 1)])  # fmt: skip
    ends.sort(axis=1)
    key = np.sort(ends[:, 0] << 32 | ends[:, 1])
    a, b = key >> 32, key & 0xFFFFFFFF
    rate = rng.integers(10**9, 10**11, len(key))
    links = Links(
        a.astype(np.int32), b.astype(np.int32),
        np.where(b >= n, LinkKind.GROUND, LinkKind.LASER).astype(np.uint8),
        rng.uniform(1e6, 1e7, len(key)), rng.uniform(-2e4, 2e4, len(key)), rate, rate,
    )  # fmt: skip
    me = np.arange(n)[:, None]
    row = np.searchsorted(key, np.minimum(me, neighbour) << 32 | np.maximum(me, neighbour)).astype(np.int32)
    ground_row = np.flatnonzero(links.kind == LinkKind.GROUND)
    at = np.concatenate([links.a[ground_row], links.b[ground_row]])
    other = np.concatenate([links.b[ground_row], links.a[ground_row]])
    order = np.argsort(at, kind="stable")
    ports = Ports(
        laser_neighbour=neighbour,
        laser_row=row,
        ground_first=np.searchsorted(at[order], np.arange(n + GATEWAYS + 1)).astype(np.int32),
        ground_neighbour=other[order],
        ground_row=np.tile(ground_row, 2)[order].astype(np.int32),
    )
    names = [f"sat-{p}-{s}" for p, s in zip(plane.tolist(), slot.tolist(), strict=True)]
    names += [f"gw-station{g}" for g in range(GATEWAYS)]
    nodes = Nodes(tuple(names), n, np.zeros(n, np.int32), plane.astype(np.int32), slot.astype(np.int32))
    return nodes, SimpleNamespace(number=0, sim_ns=0, links=links, ports=ports, routes=None)


@dataclass
class Pair:
    """Two hosts of a plane, as the ends of a stream."""

    plane: FabricPlane
    nodes: tuple[int, int]

    def address(self, node: int) -> str:
        return self.plane.addresses[self.nodes[node]]

    def spawn(self, node: int, argv: Sequence[str], **popen: Any) -> subprocess.Popen[bytes]:
        return self.plane.net.get(self.plane.nodes.names[self.nodes[node]]).popen(list(argv), **popen)


def measure(planes: int, slots: int, *, traffic: bool = False) -> None:
    rng = np.random.default_rng(1)
    nodes, epoch = grid(planes, slots, rng)
    n = nodes.n_satellites
    pair = (0, 10)  # in one plane
    to = np.concatenate([np.array(pair, np.int64)[: 2 * traffic], n + np.arange(GATEWAYS)])
    code = np.full((len(to), len(nodes)), NO_WAY, np.uint8)
    for row, node in zip(code, to.tolist(), strict=True):
        row[:n] = rng.integers(0, SLOTS, n)  # any neighbour does
        if node < n:
            row[:slots] = (np.arange(slots) > node).astype(np.uint8)  # on its plane's ring, up or down
            row[node] = NO_WAY
    epoch.routes = Routes(to.astype(np.int32), code, epoch.ports)
    stations = [
        {"name": f"station{g}", "latitude": "0 deg", "longitude": f"{g} deg"} for g in range(GATEWAYS)
    ]
    ground = {"min-elevation": "10 deg", "antennas": ANTENNAS, "stations": stations}
    hosting = np.zeros(len(nodes), bool)
    hosting[to] = True
    plane = FabricPlane(nodes, toys.scenario(ground=ground), hosting, FabricEngine if traffic else FakeFabric)
    plane.build()
    try:
        if traffic:
            under_traffic(plane, epoch, pair, rng)
        else:
            alone(plane, epoch, len(to))
    finally:
        plane.close()


def under_traffic(plane: FabricPlane, epoch: Any, pair: tuple[int, int], rng: np.random.Generator) -> None:
    """Delays change by up to 1 us from epoch to epoch."""
    took_ms, old = [], None
    streaming = None
    while streaming is None or len(took_ms) < ROUNDS:
        links = replace(epoch.links, delay_ns=epoch.links.delay_ns + rng.uniform(0, 1e3, len(epoch.links)))
        number = 0 if old is None else old.number + 1
        new = SimpleNamespace(**vars(epoch) | {"number": number, "sim_ns": 0, "links": links})
        began = time.perf_counter()
        plane.commit(plane.prepare(old, new), time.monotonic_ns())  # type: ignore[arg-type]
        took_ms.append(1e3 * (time.perf_counter() - began))
        old = new
        if streaming is None and number == 2:  # each bank's memory is there
            streaming, took_ms = Streaming(Pair(plane, pair), 0, 1, 10_000 * TRAFFIC_S, 10_000), []
        time.sleep(TRAFFIC_S / (ROUNDS + 2))
    stream = streaming.result()
    lost = stream.sent - len(np.unique(stream.number))
    reordered = int((stream.number < np.maximum.accumulate(stream.number)).sum())
    print(
        f"{plane.nodes.n_satellites:>9,} satellites under traffic: an epoch computed, written and published"
        f" in {statistics.median(took_ms):.2f} ms; of {stream.sent:,} datagrams {lost} lost,"
        f" {reordered} reordered"
    )


def alone(plane: FabricPlane, epoch: Any, n_destinations: int) -> None:
    n = plane.nodes.n_satellites
    word, out = np.zeros(n * SLOTS, np.uint32), np.zeros(n * SLOTS, banks.PIPE)
    pipes_ms, prepare_ms, commit_ms, old = [], [], [], None
    for number in range(ROUNDS):
        began = time.perf_counter()
        banks.laser_pipes(epoch.ports, epoch.links, 0.001, word, out)
        pipes_ms.append(1e3 * (time.perf_counter() - began))
        new = SimpleNamespace(**vars(epoch) | {"number": number, "sim_ns": number * 10**9})
        began = time.perf_counter()
        change = plane.prepare(old, new)  # type: ignore[arg-type]
        prepared = time.perf_counter()
        plane.commit(change, time.monotonic_ns())
        commit_ms.append(1e3 * (time.perf_counter() - prepared))
        prepare_ms.append(1e3 * (prepared - began))
        old = new
    # the first two epochs also touch each bank's memory for the first time
    figures = [statistics.median(values[2:]) for values in (pipes_ms, prepare_ms, commit_ms)]
    print(
        f"{n:>9,} satellites, {n_destinations:>3} destinations: all pipes {figures[0]:.2f} ms, "
        f"the whole epoch {figures[1]:.2f} ms (the first {prepare_ms[0]:.0f}), published {figures[2]:.3f} ms"
    )


if __name__ == "__main__":
    if sys.argv[1:] == ["traffic"]:
        measure(58, 76, traffic=True)
        measure(1000, 1000, traffic=True)
    else:
        measure(72, 22)
        measure(58, 76)
        measure(1000, 1000)
