"""What the live page's server costs: of a core for one viewer and for each more, and the mesh's lateness.

sudo .venv/bin/python tests/bench/bench_web.py [SCENARIO] [VIEWERS]    with viewers and without, by turns
sudo .venv/bin/python tests/bench/bench_web.py --lateness [SCENARIO] [TURNS]    how late packets leave their
    links, with a viewer and without, by turns in one mesh
.venv/bin/python tests/bench/bench_web.py --record [SECONDS]    how fast a recorded run is opened
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from orbitmesh.emulator import Emulation, Scenario
from orbitmesh.emulator.record.course import COURSE
from orbitmesh.emulator.record.samples import SAMPLES
from orbitmesh.emulator.web.blocks import Blocks
from orbitmesh.emulator.web.listening import WebListening
from orbitmesh.emulator.web.recorded import RecordedSource

WINDOW_S = 15.0
TURNS = 3
SETTLED_S = 22.0  # after the last viewer has gone: until nothing of the feed is read any more
TOKEN = "a-token-for-this-bench"
TICK_S = 1 / os.sysconf("SC_CLK_TCK")

VIEWERS = """
import asyncio, sys
from websockets.asyncio.client import connect
from orbitmesh.web.v1 import web_pb2 as pb

async def look(port, gateway):
    async with connect(f"ws://127.0.0.1:{port}/ws", max_size=None, proxy=None, compression=None) as ws:
        await ws.send(pb.ToServer(number=1, enter=pb.Enter(token=sys.argv[2])).SerializeToString())
        await ws.send(pb.ToServer(number=2, show=pb.Show(kind=6, gateway_node=gateway)).SerializeToString())
        await ws.send(pb.ToServer(number=3, watch=pb.Watch(
            source_node=[0], destination_node=[gateway])).SerializeToString())
        n = size = 0
        async for data in ws:
            n, size = n + 1, size + len(data)
            if n % 20 == 0:
                print(n, size, flush=True)

async def main(port, n, gateway):
    await asyncio.gather(*(look(port, gateway) for _ in range(n)))

asyncio.run(main(int(sys.argv[1]), int(sys.argv[3]), int(sys.argv[4])))
"""


def used_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK_S


def window(run: Emulation, pid: int) -> tuple[float, float, float, int]:
    """Of a core: the server, the process that moves the mesh; its ticks' median cost (ms), late ticks."""
    ticks = run.ticks
    assert ticks is not None
    n, late = len(ticks.cost_ns), len(ticks.late)
    began_s, server_s, own_s = time.monotonic(), used_s(pid), time.process_time()
    time.sleep(WINDOW_S)
    took_s = time.monotonic() - began_s
    cost_ms = float(np.median(ticks.cost_ns[n:])) / 1e6
    return (
        (used_s(pid) - server_s) / took_s,
        (time.process_time() - own_s) / took_s,
        cost_ms,
        len(ticks.late) - late,
    )


@contextmanager
def looking(port: int, n: int, gateway: int) -> Iterator[None]:
    """So many viewers, once they have been told what there is; at the end until all is as without them."""
    if n == 0:
        yield
        return
    words = [sys.executable, "-c", VIEWERS, str(port), TOKEN, str(n), str(gateway)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as viewers:
        try:
            assert viewers.stdout is not None
            viewers.stdout.readline()
            time.sleep(2)
            yield
        finally:
            viewers.kill()
    time.sleep(SETTLED_S)


def lateness(scenario: str, turns: int) -> None:
    """By what the engine counts of packets that left after their time, as the run's own log is."""
    listening = WebListening.here(0, TOKEN)
    port = listening.socket.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "run")
        with Emulation(Scenario.load(scenario), duration_ns=10**12, out=out, web=listening) as run:
            time.sleep(5)
            found: dict[str, list[tuple[int, float, float, float]]] = {"without": [], "with a viewer": []}
            for turn in range(turns):
                for name in sorted(found, reverse=turn % 2 == 0):  # each is first by turns
                    with looking(port, int(name != "without"), run.nodes.n_satellites):
                        found[name].append(late_in(run))
            print(f"{scenario}: {run.nodes.n_satellites} satellites, {len(run.epoch.links)} links")  # type: ignore[union-attr]
            for name, rows in found.items():
                p50, p99, most = (np.median([row[k] for row in rows]) / 1e3 for k in (1, 2, 3))
                print(
                    f"{name}: p50 {p50:.2f} us, p99 {p99:.1f} us, the latest {most:.0f} us "
                    f"(medians of {len(rows)} windows of {WINDOW_S:g} s, "
                    f"{sum(row[0] for row in rows):,} packets; "
                    f"p99 of each: {', '.join(f'{row[2] / 1e3:.1f}' for row in rows)})"
                )


def late_in(run: Emulation) -> tuple[int, float, float, float]:
    """Of a window: packets, and how late they left (ns): p50, p99, the latest."""
    before = run.backend.lateness()
    assert before is not None, f"{run.backend.name} tells no lateness"
    most_ns, until_s = 0, time.monotonic() + WINDOW_S
    last = before
    while time.monotonic() < until_s:
        time.sleep(1)
        now = run.backend.lateness()
        assert now is not None
        most_ns, last = max(most_ns, now.since(last).max_ns or 0), now
    told = last.since(before)
    p50, p99 = told.quantile_ns(0.5), told.quantile_ns(0.99)
    assert p50 is not None
    assert p99 is not None
    return int(told.count.sum()), p50, p99, most_ns


def live(scenario: str, n_viewers: int) -> None:
    listening = WebListening.here(0, TOKEN)
    port = listening.socket.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "run")
        with Emulation(Scenario.load(scenario), duration_ns=10**12, out=out, web=listening) as run:
            assert run._doors.page is not None
            time.sleep(5)
            pid = run._doors.page.pid
            assert pid is not None
            gateway = run.nodes.n_satellites
            found: dict[int, list[tuple[float, float, float, int]]] = {0: [], 1: [], n_viewers: []}
            for _ in range(TURNS):
                for n, rows in found.items():
                    with looking(port, n, gateway):
                        rows.append(window(run, pid))
            print(f"{scenario}: {run.nodes.n_satellites} satellites, {len(run.epoch.links)} links")  # type: ignore[union-attr]
            for n, rows in found.items():
                server, own, cost_ms = (100 * np.median([r[k] for r in rows]) for k in (0, 1, 2))
                print(
                    f"{n} viewers: server {server:.1f} % of a core, the mesh's own process {own:.1f} %, "
                    f"a tick {cost_ms / 100:.1f} ms, late ticks {[r[3] for r in rows]}"
                )
            one, many = (np.median([r[0] for r in found[n]]) for n in (1, n_viewers))
            print(f"each further viewer: {100 * (many - one) / max(1, n_viewers - 1):.2f} % of a core")


def record(duration_s: int) -> None:
    """Of 1,584 satellites, each measured twice a second, as the run leaves it."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "run")
        with Emulation(Scenario.load("starlink-shell1"), links="fake", out=out) as run:
            names = list(run.nodes.names)
        n_gateways = len(names) - 1584
        schema = SAMPLES
        with pq.ParquetWriter(out / "samples.parquet", schema) as writer:
            for begin_s in range(0, duration_s, 30):
                n = 30 * 1584 * 2
                at = begin_s * 10**9 + np.arange(n) * 30 * 10**9 // n
                columns = {name: pa.nulls(n, schema.field(name).type) for name in schema.names}
                utc = pa.array(1_793_491_200 * 10**9 + at, pa.int64())
                columns |= {
                    "sim_utc": utc.cast(schema.field("sim_utc").type), "sim_ns": pa.array(at),
                    "sent_mono_ns": pa.array(at), "done_mono_ns": pa.array(at + 10**7),
                    "kind": pa.array(["udp", "grpc"] * (n // 2)),
                    "src": pa.array([names[i % 1584] for i in range(n)]),
                    "dst": pa.array([names[1584 + i % n_gateways] for i in range(n)]),
                    "ok": pa.array(np.ones(n, bool)),
                    "measured_ns": pa.array(12 * 10**6 + np.arange(n) % 1000),
                    "propagation_ns": pa.array(10**7 + np.arange(n) % 1000),
                }  # fmt: skip
                writer.write_table(pa.table(columns, schema=schema))

        n = duration_s
        at = (np.arange(n) + 1) * 10**9
        course = {"sim_utc": pa.nulls(n, COURSE.field("sim_utc").type), "sim_ns": at, "mono_ns": at}
        course |= {name: np.full(n, 1_000_000) for name in COURSE.names[3:] if name != "gateway"}
        course["gateway"] = pa.nulls(n, pa.string())
        whole = pa.table({name: course[name] for name in COURSE.names}, schema=COURSE)
        of_each = [
            whole.set_column(COURSE.names.index("gateway"), "gateway", pa.array([name] * n))
            for name in names[1584:]
        ]
        pq.write_table(pa.concat_tables([whole, *of_each]).sort_by("sim_ns"), out / "course.parquet")

        async def opened() -> None:
            began = time.monotonic()
            source = await RecordedSource.open(out)
            print(f"{duration_s} s, {sum(b.rows for b in source.record.samples.blocks):,} samples: ", end="")
            print(f"opened in {time.monotonic() - began:.2f} s, ", end="")
            began = time.monotonic()
            await source.work(source.record.epoch, duration_s // 2 * 10**9)
            await source.work(source.status, duration_s // 2 * 10**9, 0.0)
            print(f"an instant in {time.monotonic() - began:.2f} s, ", end="")
            began = time.monotonic()
            epoch = source.record.epoch(duration_s // 2 * 10**9)
            source.record.carried_at(epoch, source.shown.nodes, epoch.sim_ns)
            print(f"use of links in {time.monotonic() - began:.2f} s, ", end="")
            began = time.monotonic()
            n_lines = len(source._course())
            print(f"lateness, throughput, loss ({n_lines}) in {time.monotonic() - began:.2f} s, ", end="")
            began = time.monotonic()
            series = source._binned()
            print(f"latency of {len(series)} gateways in {time.monotonic() - began:.2f} s, ", end="")
            (out / "course.parquet").unlink()
            source.record.course = Blocks(out, "course", COURSE)
            began = time.monotonic()
            series = source._binned()
            print(f"of an older record ({len(series)}) in {time.monotonic() - began:.1f} s")
            await source.close()

        asyncio.run(opened())


if __name__ == "__main__":
    if sys.argv[1:2] == ["--record"]:
        record(int((sys.argv[2:] or ["3600"])[0]))
    elif sys.argv[1:2] == ["--lateness"]:
        scenario, turns, *_ = [*sys.argv[2:], *["starlink-shell1", str(TURNS)][len(sys.argv) - 2 :]]
        lateness(scenario, int(turns))
    else:
        live((sys.argv[1:] or ["starlink-shell1"])[0], int((sys.argv[2:] or ["10"])[0]))
