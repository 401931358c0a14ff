"""Records made by hand, of runs of any size: tables of numbers that are known, and what else a folder has."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from orbitmesh.emulator.record.account import PAIRS
from orbitmesh.emulator.record.answers import ANSWERS, answer_row
from orbitmesh.emulator.record.handovers import HANDOVERS
from orbitmesh.emulator.record.platforms import PLATFORMS
from orbitmesh.emulator.record.samples import PATH_CHANGES, SAMPLES
from orbitmesh.emulator.record.samples import table as rows_as_table
from orbitmesh.emulator.record.truth import Truth
from orbitmesh.emulator.scenario.model import Serving
from orbitmesh.emulator.scenario.serving import serving_spec
from orbitmesh.wire.answers import Answer

MS, S = 1_000_000, 1_000_000_000
T0 = 9_000 * S
START_NS = 1_793_491_200 * S
CLASS, TTFT_NS, TPOT_NS = "<b>chat & co</b>", 500 * MS, 30 * MS
HOSTILE = "<script>alert(1)</script>&\"'$\\frac{<b>"
GATEWAYS = ("gw-london", "gw-tokyo", "gw-sydney")
STATIONS = {"gw-london": (51.5, -0.1), "gw-tokyo": (35.7, 139.7), "gw-sydney": (-33.9, 151.2)}


def samples(
    n: int, *, seed: int = 1, satellites: int = 12, seconds: int = 60, paths: int = 400, hops: int = 1
) -> pa.Table:
    """Probes and tasks to the gateways in turn, of a skewed delay that their light is a part of.

    ``paths``: so many ways between, each over ``hops`` satellites.
    """
    draw = np.random.default_rng(seed)
    gateway = np.arange(n) % len(GATEWAYS)
    satellite = draw.integers(0, satellites, n)
    kind = draw.choice(["udp", "grpc", "task"], n, p=[0.5, 0.4, 0.1])
    sim_ns = np.sort(draw.integers(0, seconds * S, n))
    light = (5 * MS + draw.gamma(3, 6 * MS, n)).astype(np.int64)
    rest = draw.gamma(2, MS // 4, n).astype(np.int64)
    ok = draw.random(n) > 0.01
    measured = light + rest + 50_000
    way = draw.integers(0, paths, n)
    between = [">".join(f"sat-{(i + k) % 40}-{i // 40 + 1}" for k in range(hops)) for i in range(paths)]
    # a way has one satellite at its end where there are many, as routes are
    ends = satellite if paths < 1_000 else way % satellites
    path = [f"sat-0-{s}>{between[w]}>{GATEWAYS[g]}" for s, w, g in zip(ends, way, gateway, strict=True)]
    back = [">".join(reversed(each.split(">"))) for each in path]
    columns: dict[str, Any] = {
        "sim_utc": START_NS + sim_ns,
        "sim_ns": sim_ns,
        "sent_mono_ns": T0 + sim_ns,
        "done_mono_ns": T0 + sim_ns + measured,
        "kind": kind,
        "src": [f"sat-0-{s}" for s in satellite],
        "dst": [GATEWAYS[g] for g in gateway],
        "seq": np.arange(n),
        "ok": ok,
        "error": [None if each else "timeout" for each in ok],
        "path": path,
        "path_backward": back,
        "hops": np.full(n, hops + 1),
        "propagation_ns": light,
        "straight_line_ns": light - MS,
        "serialisation_ns": np.full(n, 50_000),
        "narrowest_rate_bps": np.full(n, 10**10),
        "narrowest_emulated_bps": np.full(n, 10**7),
        "measured_ns": pa.array(measured, mask=~ok),
        "remainder_ns": pa.array(rest, mask=~ok),
        "bytes_up": np.full(n, 48),
        "bytes_down": np.full(n, 48),
        "epoch_number": sim_ns // S,
        "straddles_epoch": np.zeros(n, bool),
        "sound": draw.random(n) > 0.05,
    }
    return _table(SAMPLES, columns, n)


def path_changes(rows: list[tuple[int, str, str, str | None, str | None]]) -> pa.Table:
    """Of (sim_ns, src, dst, old path, new path)."""
    sim_ns = np.array([row[0] for row in rows], np.int64)
    columns: dict[str, Any] = {
        "sim_utc": START_NS + sim_ns,
        "sim_ns": sim_ns,
        "epoch_number": sim_ns // S,
        "src": [row[1] for row in rows],
        "dst": [row[2] for row in rows],
        "old_path": [row[3] for row in rows],
        "new_path": [row[4] for row in rows],
        "old_delay_ns": [None if row[3] is None else 10 * MS for row in rows],
        "new_delay_ns": [None if row[4] is None else 12 * MS for row in rows],
    }
    return _table(PATH_CHANGES, columns, len(rows))


def handovers(rows: list[tuple[int, str, str | None, str | None, str | None]]) -> pa.Table:
    """Of (sim_ns, gateway, left, joined, cause)."""
    sim_ns = np.array([row[0] for row in rows], np.int64)
    names = ("gateway", "left", "joined", "cause")
    columns: dict[str, Any] = {"sim_utc": START_NS + sim_ns, "sim_ns": sim_ns, "epoch_number": sim_ns // S}
    columns |= {name: pa.array([row[i] for row in rows], pa.string()) for i, name in enumerate(names, 1)}
    return _table(HANDOVERS, columns, len(rows))


def many_changes(n: int) -> list[tuple[int, str, str, str | None, str | None]]:
    """One a tenth of a second, of a handover each."""
    return [
        (
            i * S // 10,
            f"sat-0-{i % 900}",
            GATEWAYS[i % 3],
            f"sat-0-1>sat-{i % 7}-0>gw",
            f"sat-0-1>sat-{i % 5}-1>gw",
        )
        for i in range(n)
    ]


def platforms(epochs: int = 10) -> pa.Table:
    """One satellite that is held back every other epoch, and three others."""
    rows = []
    for epoch in range(epochs):
        held = epoch % 2
        common = {"sim_utc": START_NS + epoch * S, "sim_ns": epoch * S, "epoch_number": epoch}
        rows.append(
            common
            | {"satellite": "sat-0-1", "satellites": 1, "sunlit_ratio": 1.0 - held, "battery_j": 36e6 - epoch}
            | {
                "battery_least_j": 36e6 - epoch,
                "temperature_k": 300.0 + epoch,
                "temperature_most_k": 300.0 + epoch,
            }
            | {"demand_w": 120e3, "power_w": 125e3 - 60e3 * held, "throttle_ratio": 0.5 * held}
            | {
                "capacity_ratio": 1 - 0.5 * held,
                "held_back": held,
                "cause": "eclipse" if held else None,
                "measured": 1,
            }
        )
        rows.append(
            common
            | {
                "satellite": None,
                "satellites": 3,
                "sunlit_ratio": 1.0,
                "battery_j": 40e6,
                "battery_least_j": 39e6,
            }
            | {"temperature_k": 310.0, "temperature_most_k": 333.15, "demand_w": 100e3, "power_w": 105e3}
            | {"throttle_ratio": 0.0, "capacity_ratio": 1.0, "held_back": 0, "cause": None, "measured": 0}
        )
    columns = {name: [row.get(name) for row in rows] for name in rows[0]}
    return _table(PLATFORMS, columns, len(rows))


def with_customers() -> dict[str, Any]:
    """Keys of a header."""
    target = {"ttft_ns": TTFT_NS, "tpot_ns": TPOT_NS, "answer_ns": None, "share": 0.95, "preset": None}
    return {
        "customers": [{"name": name, "one_in": 6, "target": target} for name in (CLASS, "silent")],
        "serving": asdict(serving_spec(Serving(model="llama-3.1-8b", accelerator="h100"))),
    }


def answers(n: int) -> pa.Table:
    """Of one class; one in ten waits too long for its first token, one in twenty is not answered."""
    made = []
    for i in range(n):
        due = T0 + i * S // 4
        queue = (900 if i % 10 == 0 else 16 + i % 7) * MS
        first = due + 62 * MS + queue + 40 * MS
        lost = i % 20 == 3
        answer = Answer(
            CLASS, GATEWAYS[i % 3], "sat-0-0", i, due_mono_ns=due, sent_mono_ns=due + MS,
            first_mono_ns=0 if lost else first, done_mono_ns=first + 72 * MS, prompt_tokens=300,
            output_tokens=10, bytes_up=1200, bytes_first=30, bytes_down=300, queue_ns=queue,
            prefill_ns=40 * MS, decode_ns=72 * MS, error="DEADLINE_EXCEEDED" if lost else "",
        )  # fmt: skip
        truth = Truth(
            i * S // 4, 0, straddles_epoch=False, one_path=True, straight_line_ns=50 * MS,
            path=f"{GATEWAYS[i % 3]}>sat-0-0", propagation_ns=60 * MS, serialisation_ns=300_000,
        )  # fmt: skip
        made.append(answer_row(answer, truth, truth, "", START_NS))
    return rows_as_table(made, ANSWERS)


def _table(schema: pa.Schema, columns: dict[str, Any], n: int) -> pa.Table:
    arrays = []
    for field in schema:
        values = columns.get(field.name)
        if values is None:
            arrays.append(pa.nulls(n, field.type))
        elif pa.types.is_timestamp(field.type):
            arrays.append(pa.array(np.asarray(values, np.int64), pa.int64()).cast(field.type))
        else:
            arrays.append(pa.array(values).cast(field.type))
    return pa.Table.from_arrays(arrays, schema=schema)


def write(out: Path, header: dict[str, Any], **tables: pa.Table) -> Path:
    """A folder with a run.json and tables, as of a run that was killed."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "run.json").write_text(json.dumps(header))
    for name, table in tables.items():
        pq.write_table(table, out / f"{name.replace('_', '-')}.parquet")
    if "pairs" not in tables:
        pq.write_table(PAIRS.empty_table(), out / "pairs.parquet")
    (out / "windows.jsonl").write_text("")
    (out / "events.jsonl").write_text('{"event": "began"}\n')
    return out


def events(out: Path, *rows: dict[str, Any]) -> None:
    (out / "events.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def header(**changes: Any) -> dict[str, Any]:
    scenario = {"name": "made", "title": "Three gateways", "sha256": "ab" * 32}
    machine = {"cpus": 2, "cpu_model": "A processor", "kernel": "6.18", "orbitmesh": "0.1.0"}
    calibrated = {"first_p50_ns": 3_000, "first_p99_ns": 600_000, "per_hop_ns": 2_000}
    figures = {"published": 1, "estimated": 4}
    plain = {
        "orbitmesh_run": 2, "run_id": "made-20261101T000000Z-0001", "scenario": scenario, "seed": 7,
        "start_utc": "2026-11-01T00:00:00Z", "began_utc": "2026-11-27T00:00:00Z", "duration_ns": 60 * S,
        "step_ns": S, "plane": "wired", "backend": "engine", "clock": "real", "rate_scale": 0.001,
        "machine": machine, "awake": {"held": True, "reason": ""}, "options": {},
        "error_budget": {"calibrated_utc": "2026-11-27T00:00:00Z"} | calibrated,
        "satellites": 12, "gateways": list(GATEWAYS), "customers": [], "serving": None, "training": None,
        "stations": {
            name: {"latitude_deg": a, "longitude_deg": b, "altitude_m": 0.0}
            for name, (a, b) in STATIONS.items()
        },
        "schedule": {"interval_ns": 2 * S},
        "presets": [{"family": "terminal", "name": "starlink-class", "figures": figures, "own": {}}],
    }  # fmt: skip
    return plain | changes
