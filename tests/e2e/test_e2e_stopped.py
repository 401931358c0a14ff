"""What is stopped for a while, and packets that are lost: that is counted and marked, and withdraws trust."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from e2e_lab import toy, until
from mesh_process import MeshProcess

from orbitmesh.emulator import Emulation
from orbitmesh.emulator.record.results import load_run
from orbitmesh.emulator.stopped import is_stopped

pytestmark = [pytest.mark.netns, pytest.mark.beside, pytest.mark.native, pytest.mark.timeout(120)]


def test_what_stopped_nodes_did_not_measure_is_told(start_mesh: Callable[..., MeshProcess]):
    mesh = start_mesh("--duration", "9 s")
    mesh.wait_for_samples()
    nodes = mesh.children()["node"]
    for pid in nodes:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(1.0)
    for pid in nodes:
        os.kill(pid, signal.SIGCONT)
    assert mesh.wait() == 0, mesh.output()
    summary = json.loads((mesh.out / "summary.json").read_text())
    measured = summary["measurements"]
    # 8 satellites by 2 gateways by 2 kinds, five times a second: of the 5 in that second one is sent late
    assert measured["not_sent"]["overslept"] > 3 * 32 / 2, measured
    assert measured["sent"] < measured["due"], measured
    assert summary["samples"]["samples"] == measured["sent"]
    assert not summary["trusted"]
    (said,) = (doubt for doubt in summary["doubts"] if "were not made" in doubt)
    assert f"{measured['not_sent']['overslept']:,} because the node's process did not run" in said
    assert "were not made" in " ".join(mesh.output().split())


def test_an_engine_that_stood_still_for_three_seconds_is_told(start_mesh: Callable[..., MeshProcess]):
    mesh = start_mesh("--duration", "9 s")
    mesh.wait_for_samples()
    (engine,) = mesh.children()["engine"]
    os.kill(engine, signal.SIGSTOP)
    stopped_mono_ns = time.monotonic_ns()
    time.sleep(3.0)
    os.kill(engine, signal.SIGCONT)
    went_on_mono_ns = time.monotonic_ns()
    assert mesh.wait() == 0, mesh.output()
    summary = json.loads((mesh.out / "summary.json").read_text())
    sound = summary["soundness"]
    assert not summary["trusted"]
    assert summary["engine_lateness"]["max_ns"] > 2_500_000_000
    assert sound["causes"]["late-engine"]["worst_ns"] > 2_500_000_000
    assert sound["sound_ratio"] < 0.8
    said = "\n".join(summary["doubts"])
    assert f"only {100 * sound['sound_ratio']:.1f} % of the samples are sound" in said
    # whatever was under way meanwhile is marked, and what was over before is not
    samples = load_run(mesh.out).samples(["sent_mono_ns", "done_mono_ns", "sound"]).to_pydict()
    during = [
        is_sound
        for sent, done, is_sound in zip(*samples.values(), strict=True)
        if sent < went_on_mono_ns - 50_000_000 and done > stopped_mono_ns + 50_000_000
    ]
    assert len(during) > 50
    assert not any(during)
    assert "look at this before you trust the figures" in mesh.output()


def test_a_storm_of_loss_is_told(tmp_path: Path):
    scenario = toy(ground={"loss-ratio": 0.05}, lasers={"loss-ratio": 0.02})
    with Emulation(scenario, duration_ns=3_000_000_000, out=tmp_path / "run") as mesh:
        mesh.wait()
    summary = mesh.summary
    counts = summary["samples"]
    assert summary["ended"] == "completed"
    assert counts["lost_on_way"] > 0.01 * counts["samples"]
    assert not summary["trusted"]
    (said,) = (doubt for doubt in summary["doubts"] if "were lost although there was a way" in doubt)
    assert said.startswith(f"{counts['lost_on_way']:,} of {counts['samples']:,} samples (")
    lost = load_run(tmp_path / "run").samples(["ok"])["ok"].to_pylist().count(False)
    assert lost == counts["lost"] >= counts["lost_on_way"]


def test_who_is_stopped_when_a_run_ends_goes_on_for_it_and_the_record_is_whole(tmp_path: Path):
    with Emulation(toy(), out=tmp_path / "run") as mesh:
        mesh.wait(1_000_000_000)
        recorder = next(child.pid for child in mesh._supervision.children if child.name == "recorder")
        engine = mesh.backend.helper_pid()
        assert engine is not None
        warden = mesh.plane.kernel._warden.pid  # type: ignore[attr-defined]
        for pid in (engine, recorder, warden):
            os.kill(pid, signal.SIGSTOP)
            until(lambda pid=pid: is_stopped(pid), "it is stopped")
        began_s = time.monotonic()
    # an engine is given 30 s for an answer, a recorder a minute, the warden any time
    assert time.monotonic() - began_s < 25
    assert mesh.summary["ended"] == "completed"
    said = [doubt for doubt in mesh.summary["doubts"] if "was stopped when the run ended" in doubt]
    assert said == [
        f"the {name} (pid {pid}) was stopped when the run ended, and was let go on for it"
        for name, pid in (("recorder process", recorder), ("link engine", engine))
    ]
    assert mesh.summary["samples"]["samples"] > 0
