"""Training on disk and in words: from what members told to the summary and the report."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from record_fakes import MS, ROW, STEP_NS, T0, facts, header, small_world
from rich.console import Console

from orbitmesh.emulator.record.recorder import Recorder
from orbitmesh.emulator.record.results import load_run
from orbitmesh.emulator.record.training import steps_of, training_summary
from orbitmesh.emulator.record.training_book import TRAINING, training_of
from orbitmesh.emulator.record.training_table import training_said
from orbitmesh.emulator.training.bound import ring_ns
from orbitmesh.wire.training import TrainingStep

S = 10**9
TOLD: dict[str, Any] = {
    "model": "llama-3.1-8b", "accelerator": "h100", "accelerators": 8, "tokens": 1000, "utilisation": 0.4,
    "overlap_ratio": 0.0, "compute_ns": S, "gradient_bytes": 16 * S, "emulated_bytes": 16_000,
    "message_bytes": 4060, "ring": [f"sat-0-{k}" for k in range(4)],
}  # fmt: skip


def rows(*changed: dict[str, Any], steps: int = 3) -> pa.Table:
    """Four members; a step computes 1 s and all-reduces 0.5 s, of which physics takes 0.4 s."""
    made = []
    for step in range(steps):
        begin = 5 * S + step * 3 * S // 2
        for place, name in enumerate(TOLD["ring"]):
            row = dict.fromkeys(TRAINING.names) | {
                "step": step, "satellite": name, "place": place, "began_mono_ns": begin, "ok": True,
                "sent_mono_ns": begin + S, "computed_mono_ns": begin + S, "done_mono_ns": begin + 3 * S // 2,
                "compute_ns": S, "held_ns": 0, "all_reduce_ns": S // 2, "waited_ns": 0, "bytes_sent": 24_000,
                "bound_ns": 4 * S // 10, "headers_ns": S // 100, "most_hops": 1, "sound": True,
            }  # fmt: skip
            for change in changed:
                if (change["step"], change["satellite"]) == (step, name):
                    row |= change
            made.append(row)
    return pa.Table.from_pylist(made, TRAINING)


def test_a_step_s_parts_are_the_whole() -> None:
    found = training_summary(rows(), TOLD, 1e-6)
    assert found["steps"] == found["sound"] == 3
    assert found["step_ns"] == {"p50": 3 * S // 2, "most": 3 * S // 2}
    assert found["compute_ns"]["p50"] + found["all_reduce_ns"]["p50"] == found["step_ns"]["p50"]
    parts = [found[f"{part}_ns"]["p50"] for part in ("bound", "headers", "host")]
    assert parts == [S * 4 // 10, S // 100, S * 9 // 100]
    assert found["communicating_ratio"] == pytest.approx(1 / 3)
    assert found["communicating_bound_ratio"] == pytest.approx(0.4 / 1.4)
    # 16 GB in half a second, of which each of 4 sends 24
    assert found["algorithm_bps"] == pytest.approx(256e9)
    assert found["bus_bps"] == pytest.approx(384e9)
    assert found["tokens_per_s"] == pytest.approx(4000 / 1.5)
    assert found["stragglers"] == found["failed"] == {}


def test_a_member_that_is_held_back_holds_up_all_and_is_named() -> None:
    late = {
        "step": 1, "satellite": "sat-0-2", "compute_ns": 5 * S // 4, "held_ns": S // 4, "held_by": "heat",
        "sent_mono_ns": 5 * S + 3 * S // 2 + 5 * S // 4,
    }  # fmt: skip
    found = training_summary(rows(late), TOLD, 1e-6)
    assert found["stragglers"] == {"sat-0-2": {"steps": 1, "behind_ns": S // 4, "held_by": "heat"}}
    assert found["compute_ns"]["most"] == 5 * S // 4
    little = late | {"compute_ns": S + S // 200}
    assert training_summary(rows(little), TOLD, 1e-6)["stragglers"] == {}


def test_steps_that_failed_or_were_cut_off_are_counted_and_not_judged() -> None:
    broken = {"step": 1, "satellite": "sat-0-3", "ok": False, "error": "timeout"}
    table = rows(broken)
    steps, failed, cut_off = steps_of(table, 4)
    assert (len(steps), dict(failed), cut_off) == (2, {"timeout": 1}, 0)
    steps, failed, cut_off = steps_of(table.slice(0, 11), 4)
    assert (len(steps), dict(failed), cut_off) == (1, {"timeout": 1}, 1)
    nothing = training_summary(TRAINING.empty_table(), TOLD, 1e-6)
    assert (nothing["steps"], nothing["step_ns"], nothing["bus_bps"]) == (0, None, None)


def said(training: dict[str, Any] | None, **more: bool) -> str:
    console = Console(width=100, record=True, file=io.StringIO())
    for part in training_said(training, **more):
        console.print(part)
    return console.export_text()


def test_what_is_said_of_it() -> None:
    assert said(None) == ""
    text = " ".join(said(training_summary(rows(), TOLD, 1e-6)).split())
    assert "Training llama-3.1-8b on 4 satellites, 8 × h100 each: 4,000 tokens a step" in text
    assert "a gradient of 16 GB, of which 16 kB are on the links here, at the rate scale of 1e-06" in text
    assert "A step takes 1.5 s, and 33.3 % of it waits for the all-reduce" in text
    assert "bus bandwidth is 384 Gbit/s" in text
    assert "this host 90.0 90.0" in text
    assert "All 3 sums were right, on each satellite." in text
    broken = {"step": 1, "satellite": "sat-0-3", "ok": False, "error": "wrong sum in 3"}
    assert "Steps failed: 1 by 'wrong sum in 3'" in said(training_summary(rows(broken), TOLD, 1e-6))
    assert "No step of training ended: run longer" in said(
        training_summary(TRAINING.empty_table(), TOLD, 1e-6)
    )
    assert "in doubt" in said(training_summary(rows(), TOLD, 1e-6), trusted=False)


def recorded(out: Path, *, end: bool = True) -> Recorder:
    world = small_world()
    out.mkdir(exist_ok=True)
    told = TOLD | {"emulated_bytes": 160, "message_bytes": 100}
    recorder = Recorder(header(out, world.who, training=told, rate_scale=1e-6), lambda fault: None)
    for number in range(3):
        t0 = T0 + number * STEP_NS
        recorder.epoch(world.epoch(number, number * STEP_NS, [*ROW, (0, 3)]), t0, t0, t0 + MS)
        for name in TOLD["ring"]:
            at = t0 + 100 * MS
            step = TrainingStep(
                number, name, at, at + 300 * MS, at + 300 * MS, at + 500 * MS, bytes_sent=24_000
            )
            recorder.datagram(step.to_json())
        recorder.advance(t0 + 2 * MS)
        recorder.flush()
    recorder.datagram(TrainingStep(9, "gw-london", 1, 2, 3, 4).to_json())  # of nobody in the ring
    if end:
        recorder.finish(facts())
    return recorder


def test_the_recorder_puts_each_step_beside_physics(tmp_path: Path) -> None:
    recorder = recorded(tmp_path)
    assert recorder.recorded.malformed == 1
    table = pq.read_table(tmp_path / "training.parquet")
    assert table.schema.names == TRAINING.names
    assert len(table) == 12
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["training"]["steps"] == 3
    assert not any("nothing was measured" in doubt for doubt in summary["doubts"])
    # three lasers of 100 Gbit/s one way and 200 the other, and that from the last to the first
    rates_bps = np.array([100e9, 100e9, 100e9, 200e9]) * 1e-6
    delay_ns = np.array([2_000, 2_000, 2_000, 6_000]) / 299_792.458e-9
    assert summary["training"]["bound_ns"]["p50"] == pytest.approx(ring_ns(40, rates_bps, delay_ns), rel=1e-6)
    assert summary["training"] == training_of(tmp_path, json.loads((tmp_path / "run.json").read_text()))[0]
    assert load_run(tmp_path).summary["training"]["satellites"] == 4
    assert len(load_run(tmp_path).training()) == 12


def test_a_run_that_was_killed_is_made_anew_and_a_damaged_one_said(tmp_path: Path) -> None:
    recorded(tmp_path / "killed", end=False).abandon("main died")
    assert load_run(tmp_path / "killed").summary["training"]["steps"] >= 2
    recorded(tmp_path / "damaged")
    (tmp_path / "damaged" / "training.parquet").write_bytes(b"no table")
    assert any("training.parquet" in note for note in load_run(tmp_path / "damaged").notes)
    run = json.loads((tmp_path / "damaged" / "run.json").read_text())
    del run["training"]["ring"]
    (tmp_path / "damaged" / "run.json").write_text(json.dumps(run))
    (tmp_path / "damaged" / "summary.json").unlink()
    with pytest.raises(Exception, match=r"it lacks the key training\.ring"):
        load_run(tmp_path / "damaged")


def test_a_host_that_takes_more_than_the_links_is_a_doubt(tmp_path: Path) -> None:
    recorded(tmp_path)
    doubts = json.loads((tmp_path / "summary.json").read_text())["doubts"]
    assert any("of an all-reduce is this host's own" in doubt for doubt in doubts)
