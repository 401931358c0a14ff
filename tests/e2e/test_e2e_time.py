"""Emulated time in hand, under real packets: it stands still, is moved to an instant, and loses nothing."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from e2e_lab import Commanded, toy
from test_e2e_interventions import Flow

from orbitmesh.emulator import Emulation
from orbitmesh.emulator.control.client import Client

pytestmark = [pytest.mark.netns, pytest.mark.beside]

A, B = "gw-london", "gw-tokyo"
MS = 1_000_000


def least_round_trip_ns(mesh: Emulation) -> int:
    said = mesh.net.get(A).cmd(f"ping -c 12 -i 0.05 {B}")
    return round(min(float(ms) for ms in re.findall(r"time=([\d.]+)", said)) * MS)


@pytest.mark.parametrize("plane", ["wired", "fabric"])
def test_a_stepped_mesh_shows_both_sides_of_a_change_of_paths(plane: str, tmp_path: Path) -> None:
    scenario = toy(run={"duration": "1 h"})
    commanded = Commanded(scenario, 240)
    n = commanded.nodes.n_satellites
    ways = [commanded.path(row, n, n + 1) for row in range(240)]
    row = next(row for row in range(10, 240) if ways[row] != ways[row - 1] and ways[row] and ways[row - 1])
    at_ns = row * commanded.step_ns
    with Emulation(scenario, clock="stepped", out=tmp_path / "run", plane=plane) as mesh:
        assert mesh.status()["paused"] is True
        assert mesh.step((at_ns - 1) / 1e9)["elapsed_ns"] == at_ns - 1
        before = mesh.path(A, B)
        time.sleep(0.3)  # time does not move by itself
        assert mesh.path(A, B) == before
        took_before_ns = least_round_trip_ns(mesh)
        mesh.step(1e-9)
        after = mesh.path(A, B)
        took_after_ns = least_round_trip_ns(mesh)
        # and a fault is in force where time stands
        laser = ":".join(after["path"][1:3])
        assert mesh.fail(laser)["in_force_ns"] < 5_000 * MS
        assert laser not in ":".join(mesh.path(A, B)["path"] or [])
        assert mesh.status()["elapsed_ns"] <= at_ns + 2
    names = commanded.nodes.names
    assert before["path"] == [names[node] for node in ways[row - 1]]
    assert after["path"] == [names[node] for node in ways[row]]
    for took_ns, way in ((took_before_ns, before), (took_after_ns, after)):
        assert -0.02 * MS < took_ns - 2 * way["delay_ns"] < 25 * MS
    # each sample stands beside the truth of where time stood when it flew
    samples = pq.read_table(tmp_path / "run/samples.parquet")
    start_ns = round(scenario.run.start_utc.timestamp() * 1e9)
    sim_ns = {each - start_ns for each in samples["sim_utc"].cast("int64").to_pylist() if each is not None}
    assert sim_ns <= {k * commanded.step_ns for k in range(row + 1)} | {at_ns - 1, at_ns, at_ns + 1}
    assert at_ns - 1 in sim_ns
    # in flight while time stood: what flew through the steps met links as they were on the way
    stood = samples.filter(pc.invert(samples["straddles_epoch"]))
    late_ns = stood["remainder_ns"].drop_null().to_numpy()
    assert len(late_ns) > 10
    assert late_ns.min() > -0.05 * MS
    assert mesh.summary["ended"] == "completed"
    assert mesh.summary["clock_steps"] == 2


@pytest.mark.parametrize("plane", ["wired", "fabric"])
def test_a_pause_loses_nothing_and_the_run_lasts_as_long_as_emulated_time(plane: str, tmp_path: Path) -> None:
    with Emulation(toy(run={"duration": "6 s"}), out=tmp_path / "run", plane=plane) as mesh:
        began_ns = time.monotonic_ns()
        flow = Flow(mesh, mesh.nodes.n_satellites, mesh.nodes.n_satellites + 1)
        time.sleep(0.5)
        with Client.connect(mesh.run_id) as client:
            paused = client.pause(by="ada")
            time.sleep(1.5)
            assert client.status()["elapsed_ns"] == paused["elapsed_ns"]
            assert client.step(700 * MS)["elapsed_ns"] == paused["elapsed_ns"] + 700 * MS
            resumed = client.resume(by="ada")
            assert resumed == {
                "elapsed_ns": paused["elapsed_ns"] + 700 * MS, "sim_ns": paused["sim_ns"] + 700 * MS,
                    "paused": False, "speed_ratio": 1.0
            }  # fmt: skip
            client.speed(3, by="ada")
            assert client.status()["speed_ratio"] == 3
        mesh.wait()
        lasted_ns = time.monotonic_ns() - began_ns
        time.sleep(0.3)
        flow.end()
    assert flow.lost_between(0, flow.sent_ns[-1] - 200 * MS) == []
    assert flow.came == sorted(flow.came)
    assert lasted_ns < 6_000 * MS  # at three times the speed
    lines = [json.loads(line) for line in (tmp_path / "run/events.jsonl").read_text().splitlines()]
    told = [(line["event"], line["by"]) for line in lines if "by" in line and "what" not in line]
    assert told == [("paused", "ada"), ("stepped", "program"), ("resumed", "ada"), ("speed", "ada")]
    summary = mesh.summary
    assert summary["ended"] == "completed"
    assert summary["emulated_ns"] >= 6_000 * MS
    assert 1_400 * MS < summary["clock_paused_ns"] < 5_000 * MS
    assert (summary["clock_pauses"], summary["clock_steps"], summary["clock_speeds"]) == (1, 1, [3.0])
    # what was due is due by the clock of those who measure
    assert summary["measurements"]["due"] > 0
    assert summary["measurements"]["not_sent"].get("no-word", 0) == 0


def test_the_page_s_program_does_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[2] / "docs/how-to/time.md").read_text()
    (block,) = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    found: dict[str, object] = {}
    exec(block, found)
    assert isinstance(found["before"], dict)
    assert isinstance(found["after"], dict)
    assert found["before"]["delay_ns"] != found["after"]["delay_ns"]
