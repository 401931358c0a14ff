"""Runs' folders as recorders leave them, their tables filled by a model of a mesh and its machine."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from orbitmesh.emulator.compare import latencies, noise, shares
from orbitmesh.emulator.record.answers import ANSWERS
from orbitmesh.emulator.record.samples import SAMPLES
from orbitmesh.emulator.record.training_book import TRAINING

sys.path.append(str(Path(__file__).parents[1] / "record"))
from record_fakes import facts, record

SEED = 7
T0_NS = 9_000_000_000_000


@contextmanager
def fewer_draws(draws: int) -> Iterator[None]:
    """Of blocks of time, where a test asks for more than their tails are worth."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (latencies, noise, shares):
            patch.setattr(module, "DRAWS", draws)
        yield


def autocorrelated(random: np.random.Generator, n: int, phi: float) -> NDArray[np.float64]:
    """Of variance 1: each value remembers ``phi`` of the one before."""
    from scipy.signal import lfilter

    noise = random.standard_normal(n) * np.sqrt(1 - phi**2)
    noise[0] /= np.sqrt(1 - phi**2)
    found: NDArray[np.float64] = lfilter([1.0], [1.0, -phi], noise)
    return found


@dataclass(frozen=True)
class Model:
    """Streams of UDP probes from satellites to two gateways, each every ``interval_s``.

    ``added_ms`` lies on all; ``noise`` is the seed of the machine's moods, which another run has others of.
    """

    noise: int = 1
    samples: int = 4000
    streams: int = 8
    interval_s: float = 0.5
    added_ms: float = 0.0
    lost_ratio: float = 0.0
    phi: float = 0.8
    mood_ms: float = 0.2
    seed: int = SEED
    kind: str = "udp"
    src: str = "sat-0-"


def samples(model: Model) -> pa.Table:
    random = np.random.default_rng(model.noise)
    each = model.samples // model.streams
    n = each * model.streams
    phase = random.uniform(0, model.interval_s, model.streams)
    when_s = (phase[:, None] + model.interval_s * np.arange(each)[None, :]).T.ravel()
    order = np.argsort(when_s)
    stream = np.tile(np.arange(model.streams), each)[order]
    when_ns = (when_s[order] * 1e9).astype(np.int64)
    physics = (20 + 5 * stream + 3 * np.sin(2 * np.pi * when_ns / 40e9 + stream)) * 1e6
    moods = np.exp(model.mood_ms * autocorrelated(random, n, model.phi)) * 0.3e6
    rest = moods + random.exponential(0.02e6, n)
    propagation = physics + model.added_ms * 1e6
    ok = random.uniform(size=n) >= model.lost_ratio
    measured = propagation + rest
    gateways = np.array(["gw-london", "gw-tokyo"])
    columns: dict[str, Any] = {
        "sim_utc": pa.array(when_ns + 1_793_491_200 * 10**9, pa.timestamp("ns", tz="UTC")),
        "sim_ns": when_ns,
        "sent_mono_ns": T0_NS + when_ns,
        "done_mono_ns": T0_NS + when_ns + measured.astype(np.int64),
        "kind": [model.kind] * n,
        "src": [f"{model.src}{k}" for k in (stream // 2).tolist()],
        "dst": gateways[stream % 2],
        "seq": np.arange(n),
        "ok": ok,
        "hops": np.full(n, 2, np.int32),
        "propagation_ns": propagation.astype(np.int64),
        "measured_ns": pa.array(measured.astype(np.int64), mask=~ok),
        "remainder_ns": pa.array(rest.astype(np.int64), mask=~ok),
        "epoch_number": when_ns // 10**9,
        "sound": np.ones(n, bool),
    }
    return filled(columns, n, SAMPLES)


def answers(model: Model, customer_class: str = "chat") -> pa.Table:
    random = np.random.default_rng(99)  # who asks what and when is the scenario's
    n = model.samples
    when_ns = np.sort(random.uniform(0, n * 0.05e9, n)).astype(np.int64)
    queue = random.exponential(20e6, n)
    machine = np.random.default_rng(model.noise)
    ok = machine.uniform(size=n) >= model.lost_ratio
    rest = np.exp(0.2 * autocorrelated(machine, n, model.phi)) * 1e6
    ttft = 40e6 + queue + 60e6 + rest + model.added_ms * 1e6
    columns: dict[str, Any] = {
        "sim_ns": when_ns,
        "customer_class": [customer_class] * n,
        "src": ["gw-london"] * n,
        "dst": ["sat-0-0"] * n,
        "number": np.arange(n),
        "ok": ok,
        "sent_mono_ns": T0_NS + when_ns,
        "done_mono_ns": T0_NS + when_ns + 10**9,
        "ttft_ns": pa.array(ttft.astype(np.int64), mask=~ok),
        "answer_ns": pa.array((ttft + 400e6).astype(np.int64), mask=~ok),
        "propagation_ns": np.full(n, 40_000_000),
        "serialisation_ns": np.zeros(n, np.int64),
        "queue_ns": queue.astype(np.int64),
        "prefill_ns": np.full(n, 60_000_000),
        "sound": np.ones(n, bool),
    }
    return filled(columns, n, ANSWERS)


def training(model: Model, members: int = 3) -> pa.Table:
    """Steps of 8 s and more of a ring; the last is cut off by the end of the run."""
    random = np.random.default_rng(model.noise)
    rows: dict[str, list[Any]] = {each.name: [] for each in TRAINING if each.name != "sim_utc"}
    begin = T0_NS
    for step in range(model.samples + 1):
        reduce_ns = int(4e9 + model.added_ms * 1e6 + random.exponential(20e6))
        for place in range(members if step < model.samples else 1):
            sent = begin + 4_000_000_000 + place * 1_000_000
            told = {
                "sim_ns": sent - T0_NS, "step": step, "satellite": f"sat-0-{place}", "place": place,
                "began_mono_ns": begin + place, "sent_mono_ns": sent, "computed_mono_ns": sent,
                "done_mono_ns": begin + 4_000_000_000 + (members - 1) * 1_000_000 + reduce_ns - place,
                "ok": True, "compute_ns": 4_000_000_000, "all_reduce_ns": reduce_ns,
                "bound_ns": 3_900_000_000,
                "headers_ns": 10_000_000, "sound": False,
            }  # fmt: skip
            for name, column in rows.items():
                column.append(told.get(name))
        begin += 4_002_000_000 + reduce_ns
    return filled(dict(rows), len(rows["step"]), TRAINING)


def filled(columns: dict[str, Any], n: int, schema: pa.Schema) -> pa.Table:
    """What is not given is null."""
    made = [
        pa.nulls(n, each.type) if each.name not in columns else pa.array(columns[each.name]).cast(each.type)
        for each in schema
    ]
    return pa.table(made, schema=schema)


def change(path: Path, **keys: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | keys))


def run(out: Path, model: Model | None = None, *, run_id: str | None = None, **changes: object) -> Path:
    """A finished run of a model; ``changes`` are of run.json, and of summary.json where it has the key."""
    model = model or Model()
    record(out, facts(windows=()))
    pq.write_table(samples(model), out / "samples.parquet")
    schedule = {"satellites": 4, "kinds": ["udp"], "interval_ns": 500_000_000, "gateways_each": 2, "tasks": 0}
    content = {"name": "small", "faults": [], "lasers": {"pattern": "grid"}}
    of_run = {
        "seed": model.seed,
        "schedule": schedule,
        "run_id": run_id or out.name,
        "content": content,
    } | changes
    change(out / "run.json", **of_run)
    summary = json.loads((out / "summary.json").read_text())
    told = {"trusted": True, "doubts": [], "seed": model.seed, "run_id": of_run["run_id"]}
    change(
        out / "summary.json", **told, **{k: v for k, v in changes.items() if k in summary and k not in told}
    )
    return out


def with_answers(out: Path, model: Model) -> Path:
    """The same with customers."""
    run(out, model)
    pq.write_table(answers(replace(model)), out / "answers.parquet")
    return out
