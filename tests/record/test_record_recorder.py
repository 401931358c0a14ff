"""A small run by hand, from its samples to its files."""

from __future__ import annotations

import errno
import json
import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from record_fakes import (
    LATE,
    ROW,
    STEP_NS,
    facts,
    header,
    lost,
    rows_of,
    sample,
    small_world,
    strict_json,
)

from orbitmesh.emulator.errors import FailureError, FasterThanLight, HostError, InputError
from orbitmesh.emulator.record import files
from orbitmesh.emulator.record.recorder import Recorder
from orbitmesh.emulator.record.sample_book import HOLD_NS, SUSPECT_HOLD_NS
from orbitmesh.emulator.record.samples import SAMPLES
from orbitmesh.emulator.safe_files import Folder
from orbitmesh.wire.spec import Sample

T0 = 9_000_000_000_000
MS = 1_000_000


class Run:
    """A recorder and the faults it told; epochs of the small world, one a second."""

    def __init__(self, out: Path) -> None:
        self.faults: list[FailureError] = []
        self.world = small_world()
        self.recorder = Recorder(header(out, self.world.who), self.faults.append)

    def epoch(self, number: int, pairs: list[tuple[int, int]] = ROW, commit_ns: int = MS) -> None:
        t0 = T0 + number * STEP_NS
        self.recorder.epoch(self.world.epoch(number, number * STEP_NS, pairs), t0, t0, t0 + commit_ns)

    def send(self, taken: Sample) -> None:
        self.recorder.datagram(taken.to_json())


def test_a_whole_small_run(tmp_path: Path) -> None:
    run = Run(tmp_path)
    assert strict_json((tmp_path / "run.json").read_text())["run_id"] == "small-20261101T120000Z-0001"  # type: ignore[index]
    for number in range(4):
        run.epoch(number, ROW if number < 2 else [*ROW[:-1], (2, 5)])
        at = T0 + number * STEP_NS + 100 * MS
        run.send(sample("sat-0-0", "gw-london", number, at, 6 * MS))
        run.send(sample("sat-0-1", "gw-tokyo", number, at + 1, 40 * MS, kind="grpc"))
        run.recorder.advance(at + 900 * MS)
        run.recorder.flush()
    run.send(lost("sat-0-3", "gw-tokyo", 0, T0 + 3_300 * MS))
    run.send(lost("gw-tokyo", "", 0, T0 + 3_300 * MS, "unassigned", kind="task"))
    run.recorder.datagram(json.dumps({"dropped": 3, "src": "sat-0-1"}).encode())
    run.recorder.datagram(b"not a sample")
    run.recorder.datagram(b'{"kind": "udp"}')
    run.recorder.datagram(b'["dropped"]')
    run.send(sample("sat-9-9", "gw-tokyo", 0, T0, 1))
    summary = run.recorder.finish(facts(late_ticks=(LATE,), dead_nodes={"sat-0-2": "signal 9 (SIGKILL)"}))

    assert not run.faults
    assert strict_json((tmp_path / "summary.json").read_text()) == summary
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "course.parquet", "ending.json", "events.jsonl", "handovers.parquet", "pairs.parquet",
        "path-changes.parquet", "run.json", "samples.parquet", "summary.json", "windows.jsonl",
    ]  # fmt: skip
    rows = rows_of(tmp_path / "samples.parquet")
    assert len(rows) == 10
    first = next(r for r in rows if r["src"] == "sat-0-1" and r["seq"] == 0)
    assert first["path"] == "sat-0-1>sat-0-2>sat-0-3>gw-tokyo"
    expected = 2 * run.world.epoch(0, 0, ROW).path_delay_ns((1, 2, 3, 5), 100 * MS + 1)
    assert first["propagation_ns"] == round(expected)
    assert first["straight_line_ns"] < first["propagation_ns"] < first["measured_ns"]
    assert first["remainder_ns"] == round(40 * MS - expected - first["serialisation_ns"])

    (change,) = [r for r in rows_of(tmp_path / "path-changes.parquet") if r["src"] == "sat-0-1"]
    assert change["sim_ns"] == 2 * STEP_NS
    assert (change["old_path"], change["new_path"]) == (
        "sat-0-1>sat-0-2>sat-0-3>gw-tokyo",
        "sat-0-1>sat-0-2>gw-tokyo",
    )
    assert summary["path_changes"] == 1
    assert summary["samples"] == {
        "samples": 10, "lost": 2, "lost_on_way": 1, "dropped": 3, "malformed": 4, "unwritten": 0,
        "unreachable": 0, "without_truth": 0,
    }  # fmt: skip
    london, tokyo = summary["gateways"]
    assert (london["gateway"], london["kinds"]["udp"]["measured"]["p50_ns"]) == ("gw-london", 6 * MS)
    assert tokyo["lost_by_error"] == {"timeout": 1, "unassigned": 1}
    assert summary["rates"]["laser"] == {
        "physical_min_bps": 100_000_000_000, "physical_max_bps": 200_000_000_000,
        "emulated_min_bps": 100_000_000, "emulated_max_bps": 200_000_000,
    }  # fmt: skip
    assert summary["light"]["too_fast"] == 0
    assert summary["light"]["least_margin_ns"] > 0
    assert not summary["trusted"]
    doubts = "\n".join(summary["doubts"])
    assert "1 tick came late, the worst (number 3) by 25.0 ms" in "\n".join(summary["remarks"])
    assert "3 samples did not reach the recorder" in doubts
    assert "4 datagrams to the recorder could not be read" in doubts
    assert "the node process of sat-0-2 died: signal 9 (SIGKILL)" in doubts


def test_a_run_without_a_flaw_is_trusted_and_its_keys_are_what_they_were(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.epoch(0)
    run.send(sample("sat-0-0", "gw-london", 1, T0 + 100 * MS, 6 * MS))
    summary = run.recorder.finish(facts())
    assert (summary["trusted"], summary["doubts"], summary["ended"]) == (True, [], "completed")
    assert list(summary) == [
        "format", "run_id", "scenario", "seed", "ended", "reason", "trusted", "doubts", "remarks",
        "not_known", "soundness", "start_utc", "began_utc", "ended_utc", "duration_asked_ns", "emulated_ns",
        "began_sim_ns", "build_ns", "machine", "awake", "options", "plane", "backend", "clock",
        "clock_held_ns", "clock_paused_ns", "clock_pauses", "clock_steps", "clock_speeds", "satellites",
        "rate_scale", "rates", "ticks",
        "engine_lateness", "error_budget", "schedule", "measurements",
        "samples", "light", "presets", "platform", "path_changes", "handovers",
        "packets_dropped", "interventions", "dead_nodes",
        "gateways", "customers", "training",
    ]  # fmt: skip
    assert summary["packets_dropped"] == {"down": 3, "queue": 0}
    assert summary["start_utc"] == "2026-11-01T12:00:00Z"


def test_a_sample_without_a_way_or_without_an_epoch_is_counted(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.epoch(0, ROW[:-1])
    run.send(lost("sat-0-0", "gw-tokyo", 1, T0 + 100 * MS))
    run.send(sample("sat-0-0", "gw-london", 2, T0 - 100 * MS, 20 * MS))
    summary = run.recorder.finish(facts())
    assert (summary["samples"]["unreachable"], summary["samples"]["without_truth"]) == (1, 1)
    assert "1 sample came from an instant whose epoch is not known" in summary["doubts"]


@pytest.mark.parametrize(
    ("changes", "doubt"),
    [
        ({"lateness_p99_ns": 1_000_001}, "the link engine was late by 1.00 ms at p99"),
        ({"ended": "failed", "reason": "the engine died"}, "the run failed: the engine died"),
        ({"warnings": ("something else",)}, "something else"),
    ],
)
def test_what_makes_a_run_doubtful(tmp_path: Path, changes: dict[str, Any], doubt: str) -> None:
    run = Run(tmp_path)
    run.epoch(0)
    summary = run.recorder.finish(facts(**changes))
    assert not summary["trusted"]
    assert doubt in "\n".join(summary["doubts"])


def test_what_flew_while_epochs_were_missed_is_not_judged_by_another(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.epoch(0)
    run.recorder.missed(3)
    run.epoch(4)
    run.epoch(5)
    for seq, at_ms in enumerate((2_100, 4_100)):
        run.send(sample("sat-0-1", "gw-tokyo", seq, T0 + at_ms * MS, 40 * MS))
    summary = run.recorder.finish(facts())
    missed, judged = rows_of(tmp_path / "samples.parquet")
    assert (missed["path"], missed["epoch_number"]) == (None, None)
    assert judged["epoch_number"] == 4
    assert summary["samples"]["without_truth"] == 1
    assert any("missed 3 pieces of news" in doubt for doubt in summary["doubts"])


class TestWaiting:
    """A sample is put beside the truth when no later epoch can change it."""

    def test_until_the_next_epoch(self, tmp_path: Path) -> None:
        run = Run(tmp_path)
        run.epoch(0)
        run.send(sample("sat-0-0", "gw-london", 1, T0 + 990 * MS, 20 * MS))
        run.recorder.advance(T0 + 1_050 * MS)
        assert run.recorder.digest(T0 + 1_050 * MS)["gateways"][0]["samples"] == 0
        run.epoch(1)
        run.recorder.advance(T0 + 1_060 * MS)
        assert (
            run.recorder.digest(T0 + 1_060 * MS)["gateways"][0]["samples"] == 0
        )  # it ended after that commit
        run.epoch(2)
        run.recorder.advance(T0 + 2_010 * MS)
        assert run.recorder.digest(T0 + 2_010 * MS)["gateways"][0]["samples"] == 1
        run.recorder.finish(facts())
        (row,) = rows_of(tmp_path / "samples.parquet")
        assert (row["epoch_number"], row["straddles_epoch"]) == (0, True)

    def test_or_a_while(self, tmp_path: Path) -> None:
        run = Run(tmp_path)
        run.epoch(0)
        run.send(sample("sat-0-0", "gw-london", 1, T0 + 100 * MS, 20 * MS))
        for after_ns, seen in ((HOLD_NS - 1, 0), (HOLD_NS, 1)):
            now = T0 + 120 * MS + after_ns
            run.recorder.advance(now)
            assert run.recorder.digest(now)["gateways"][0]["samples"] == seen

    def test_a_suspect_waits_for_the_epoch_that_clears_it(self, tmp_path: Path) -> None:
        """A commit that takes 4 s is reported after samples that already went by its shorter links."""
        run = Run(tmp_path)
        run.epoch(0, [(0, 1), (1, 2), (2, 3), (3, 5), (0, 4)])
        sent = T0 + 1_500 * MS
        direct = run.world.epoch(1, STEP_NS, [*ROW, (1, 5)])
        quick = 2 * direct.path_delay_ns((1, 5), STEP_NS + 500 * MS)
        run.send(sample("sat-0-1", "gw-tokyo", 1, sent, math.ceil(quick)))
        run.recorder.advance(sent + 4_000 * MS)
        assert not run.faults
        t0 = T0 + STEP_NS
        run.recorder.epoch(direct, t0, t0, t0 + 4_000 * MS)
        run.recorder.advance(sent + 4_100 * MS)
        summary = run.recorder.finish(facts())
        assert not run.faults
        assert summary["samples"]["samples"] == 1
        assert summary["light"]["too_fast"] == 0

    def test_but_not_for_ever(self, tmp_path: Path) -> None:
        run = Run(tmp_path)
        run.epoch(0)
        run.send(sample("sat-0-1", "gw-tokyo", 1, T0 + 10 * MS, 1 * MS))
        run.recorder.advance(T0 + 11 * MS + SUSPECT_HOLD_NS - 1)
        assert not run.faults
        run.recorder.advance(T0 + 11 * MS + SUSPECT_HOLD_NS)
        assert len(run.faults) == 1


class TestFasterThanLight:
    def test_a_sample_is_named_once_and_fails_the_run(self, tmp_path: Path) -> None:
        run = Run(tmp_path)
        run.epoch(0)
        for seq in (17, 18):
            run.send(sample("sat-0-0", "gw-london", seq, T0 + 100 * MS, 1 * MS))
        run.epoch(1)
        run.recorder.advance(T0 + STEP_NS + 10 * MS)
        (fault,) = run.faults
        assert isinstance(fault, FasterThanLight)
        text = str(fault)
        assert (
            "udp sample 17 from sat-0-0 to gw-london took 1.000000 ms, and light needs at least 3.7" in text
        )
        assert "sat-0-0>gw-london" in text
        assert run.recorder.digest(T0 + 2 * STEP_NS)["least_margin_ns"] < -2 * MS
        summary = run.recorder.finish(facts(ended="failed", reason=text))
        assert summary["ended"] == "failed"
        assert summary["light"]["too_fast"] == 2
        assert [d for d in summary["doubts"] if "light" in d] == [
            f"2 measurements faster than light: {summary['light']['first']}"
        ]

    def test_found_only_at_the_end_it_still_fails_the_run(self, tmp_path: Path) -> None:
        run = Run(tmp_path)
        run.epoch(0)
        run.send(sample("sat-0-0", "gw-london", 17, T0 + 100 * MS, 1 * MS))
        summary = run.recorder.finish(facts())
        assert summary["ended"] == "failed"
        assert "sample 17" in summary["reason"]
        assert [type(fault) for fault in run.faults] == [FasterThanLight]

    def test_no_verdict_on_what_flew_when_the_run_broke_off(self, tmp_path: Path) -> None:
        run = Run(tmp_path)
        run.epoch(0)
        run.send(sample("sat-0-0", "gw-london", 17, T0 + 100 * MS, 1 * MS))
        summary = run.recorder.finish(facts(ended="failed", reason="the engine died"))
        assert not run.faults
        assert summary["light"]["too_fast"] == 0

    def test_a_link_shorter_than_its_straight_line(self, tmp_path: Path) -> None:
        run = Run(tmp_path)
        epoch = run.world.epoch(0, 0, ROW)
        short = replace(epoch, links=replace(epoch.links, delay_ns=epoch.links.delay_ns / 2))
        run.recorder.epoch(short, T0, T0, T0)
        (fault,) = run.faults
        assert "the link sat-0-0 - sat-0-1 of epoch 0 has a delay of 3.335641 ms" in str(fault)
        assert "light needs 6.671282 ms" in str(fault)


class TestDisk:
    def test_a_full_disk_is_told_once_and_the_summary_still_comes(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run = Run(tmp_path)
        run.epoch(0)
        run.send(sample("sat-0-0", "gw-london", 1, T0 + 100 * MS, 20 * MS))
        run.epoch(1)
        run.recorder.advance(T0 + STEP_NS)
        run.recorder.flush()

        def create(self: Folder, name: str, **_: object) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(Folder, "create", create)
        run.send(sample("sat-0-0", "gw-london", 2, T0 + 1_100 * MS, 20 * MS))
        run.epoch(2)
        run.recorder.advance(T0 + 2 * STEP_NS)
        run.recorder.flush()
        run.recorder.flush()
        summary = run.recorder.finish(facts(ended="failed", reason="disk"))
        (fault,) = run.faults
        assert isinstance(fault, HostError)
        assert "No space left on device" in str(fault)
        assert summary["samples"]["unwritten"] == 1
        assert "1 row could not be written to disk" in summary["doubts"]
        assert not (tmp_path / "summary.json").exists()
        assert summary["gateways"][0]["samples"] == 1
        rows, unreadable = files.read_table(tmp_path / "samples", SAMPLES)
        assert rows["seq"].to_pylist() == [1]
        assert not unreadable

    def test_a_folder_with_a_run_in_it_is_refused(self, tmp_path: Path) -> None:
        Run(tmp_path)
        with pytest.raises(InputError, match="holds a run already"):
            Run(tmp_path)

    def test_when_main_dies_all_is_written_but_no_summary(self, tmp_path: Path) -> None:
        run = Run(tmp_path)
        run.epoch(0)
        run.send(sample("sat-0-0", "gw-london", 1, T0 + 100 * MS, 20 * MS))
        run.recorder.abandon("main died")
        assert pq.read_table(tmp_path / "samples" / "part-00000.parquet")["seq"].to_pylist() == [1]
        assert not (tmp_path / "summary.json").exists()
        last = (tmp_path / "events.jsonl").read_text().splitlines()[-1]
        assert strict_json(last)["event"] == "run ended without finish: main died"  # type: ignore[index]


def test_the_record_goes_where_the_folder_was_opened_whatever_its_path_leads_to(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    with Folder.open(tmp_path / "out", make=True) as folder:
        (tmp_path / "out").rename(tmp_path / "moved")
        (tmp_path / "out").symlink_to(tmp_path / "theirs")
        recorder = Recorder(header(tmp_path / "out", small_world().who), lambda fault: None, None, folder)
        recorder.finish(facts())
    assert list((tmp_path / "theirs").iterdir()) == []
    assert {"run.json", "samples.parquet", "summary.json"} <= {p.name for p in (tmp_path / "moved").iterdir()}
    with pytest.raises(HostError, match="cannot open the run's folder"):
        Recorder(header(tmp_path / "out", small_world().who), lambda fault: None)
