"""A small world made by hand: nodes that move in straight lines, links, routes, samples, a run's header."""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from orbitmesh.emulator.epoch import UNREACHABLE, Epoch, LinkKind, Links, Nodes, Routes
from orbitmesh.emulator.record.facts import LateTickFact, RunFacts, RunHeader
from orbitmesh.emulator.record.recorder import Recorder
from orbitmesh.emulator.record.truth import History
from orbitmesh.wire.spec import Sample

C_KM_PER_NS = 299_792.458e-9
START = datetime(2026, 11, 1, 12, tzinfo=UTC)
STEP_NS = 1_000_000_000
T0, MS = 9_000_000_000_000, 1_000_000
LASER_BPS, GROUND_BPS = 100_000_000_000, 10_000_000_000


def nodes(n_satellites: int = 4, gateways: Sequence[str] = ("gw-london", "gw-tokyo")) -> Nodes:
    slots = np.arange(n_satellites, dtype=np.int32)
    zero = np.zeros(n_satellites, np.int32)
    names = (*(f"sat-0-{k}" for k in slots), *gateways)
    return Nodes(names, n_satellites, zero, zero, slots)


@dataclass
class World:
    """Positions in km at ``sim_ns`` 0 and velocities in km/s, each (n, 3); pairs of nodes that links join."""

    who: Nodes
    position_km: NDArray[np.float64]
    velocity_km_per_s: NDArray[np.float64]

    def epoch(
        self,
        number: int,
        sim_ns: int,
        pairs: Iterable[tuple[int, int]],
        destinations: Sequence[int] | None = None,
    ) -> Epoch:
        here_km = self.position_km + self.velocity_km_per_s * (sim_ns / 1e9)
        ends = np.array(sorted({(min(p), max(p)) for p in pairs}), np.int32).reshape(-1, 2)
        a, b = np.ascontiguousarray(ends[:, 0]), np.ascontiguousarray(ends[:, 1])
        apart_km = here_km[b] - here_km[a]
        range_km = np.linalg.norm(apart_km, axis=1)
        closing = self.velocity_km_per_s[b] - self.velocity_km_per_s[a]
        range_rate = np.einsum("ij,ij->i", apart_km, closing) / np.maximum(range_km, 1e-9)
        ground = b >= self.who.n_satellites
        rate = np.where(ground, GROUND_BPS, LASER_BPS).astype(np.int64)
        links = Links(
            a, b, np.where(ground, LinkKind.GROUND, LinkKind.LASER).astype(np.uint8),
            range_km / C_KM_PER_NS, range_rate / C_KM_PER_NS, rate, rate * 2,
        )  # fmt: skip
        wanted = np.array(sorted(range(len(self.who)) if destinations is None else destinations), np.int32)
        return Epoch(number, sim_ns, here_km, links, shortest_routes(links, wanted, len(self.who)))


def shortest_routes(links: Links, destinations: NDArray[np.int32], n: int) -> Routes:
    """By a Dijkstra of its own, so that these tests need no other package."""
    beside: list[list[tuple[int, float]]] = [[] for _ in range(n)]
    for a, b, delay in zip(links.a.tolist(), links.b.tolist(), links.delay_ns.tolist(), strict=True):
        beside[a].append((b, delay))
        beside[b].append((a, delay))
    table = np.full((len(destinations), n), UNREACHABLE, np.int32)
    for row, destination in enumerate(destinations.tolist()):
        done: set[int] = set()
        heap = [(0.0, destination, UNREACHABLE)]
        while heap:
            far, node, step = heapq.heappop(heap)
            if node in done:
                continue
            done.add(node)
            table[row, node] = step
            for other, delay in beside[node]:
                heapq.heappush(heap, (far + delay, other, node))
    return Routes.from_next_nodes(destinations, table, links, n)


def small_world() -> World:
    """Four satellites in a row 2,000 km apart at 550 km, two gateways below the ends."""
    position = [[2_000.0 * k, 550.0, 0.0] for k in range(4)] + [[100.0, 0.0, 0.0], [5_900.0, 0.0, 0.0]]
    velocity = [[7.0, 0.0, 0.0]] * 4 + [[0.0, 0.0, 0.0]] * 2
    return World(nodes(), np.array(position), np.array(velocity))


ROW = [(0, 1), (1, 2), (2, 3), (0, 4), (3, 5)]


def history_of(world: World, *epochs: Epoch, commit_ns: int = 1_000_000, late_ns: int = 0) -> History:
    history = History(world.who, 0.001)
    for epoch in epochs:
        t0 = T0 + epoch.sim_ns
        history.add(epoch, t0, t0 + late_ns, t0 + late_ns + commit_ns)
    return history


def header(out: Path, who: Nodes, **changes: object) -> RunHeader:
    plain = RunHeader(
        run_id="small-20261101T120000Z-0001", out=out, scenario_name="small", scenario_title="Four in a row",
        scenario_hash="ab" * 32, seed=7, start_utc=START, began_utc=START, duration_ns=5 * STEP_NS,
        step_ns=STEP_NS, backend="engine", clock="real", rate_scale=0.001, nodes=who,
        machine={"kernel": "6.18", "machine": "x86_64", "cpus": 2, "libraries": {}},
    )  # fmt: skip
    return replace(plain, **changes)  # type: ignore[arg-type]


def facts(**changes: object) -> RunFacts:
    plain = RunFacts(
        ended="completed", ended_utc=START, emulated_ns=5 * STEP_NS, build_ns=1_500_000_000, ticks=5,
        tick_cost_p50_ns=20_000_000, tick_cost_p99_ns=30_000_000, tick_cost_max_ns=31_000_000,
        lateness_p50_ns=20_000, lateness_p99_ns=80_000, lateness_max_ns=900_000,
        packets_dropped={"queue": 0, "down": 3},
    )  # fmt: skip
    return replace(plain, **changes)  # type: ignore[arg-type]


LATE = LateTickFact(3, 3 * STEP_NS, 25_000_000)


def sample(
    src: str,
    dst: str,
    seq: int,
    sent_mono_ns: int,
    measured_ns: int,
    *,
    kind: str = "udp",
    forward_ns: int = 0,
    backward_ns: int = 0,
    bytes_up: int = 48,
    bytes_down: int = 48,
) -> Sample:
    return Sample(
        kind, src, dst, seq, sent_mono_ns, sent_mono_ns + measured_ns, measured_ns, forward_ns=forward_ns,
        backward_ns=backward_ns, bytes_up=bytes_up, bytes_down=bytes_down,
    )  # fmt: skip


def lost(
    src: str, dst: str, seq: int, sent_mono_ns: int, error: str = "timeout", kind: str = "udp"
) -> Sample:
    return Sample(kind, src, dst, seq, sent_mono_ns, sent_mono_ns + 10**9, 10**9, ok=False, error=error)


def reject_constant(name: str) -> None:
    raise AssertionError(f"{name} in JSON")


def rows_of(path: Path) -> list[dict[str, Any]]:
    """A Parquet file's rows; instants as ns since 1970, since datetime holds microseconds only."""
    table = pq.read_table(path)
    return list(table.set_column(0, "sim_utc", table["sim_utc"].cast(pa.int64())).to_pylist())


def strict_json(text: str) -> object:
    """Parsed as JSON proper: NaN and the infinities are refused."""
    return json.loads(text, parse_constant=reject_constant)


def record(out: Path, end: RunFacts | None) -> None:
    """Three samples in each of three parts, one of them lost; ``end`` None: killed."""
    out.mkdir(exist_ok=True)
    world = small_world()
    recorder = Recorder(header(out, world.who), lambda fault: None)
    for number in range(4):
        t0 = T0 + number * STEP_NS
        recorder.epoch(world.epoch(number, number * STEP_NS, ROW), t0, t0, t0 + MS)
        if number < 3:
            at = t0 + 100 * MS
            recorder.datagram(sample("sat-0-0", "gw-london", number, at, (6 + number) * MS).to_json())
            recorder.datagram(sample("sat-0-1", "gw-london", number, at, 60 * MS, kind="grpc").to_json())
            recorder.datagram(lost("sat-0-3", "gw-tokyo", number, at - 99 * MS).to_json())
        recorder.advance(t0 + 2 * MS)
        recorder.flush()
    if end is not None:
        recorder.finish(end)
