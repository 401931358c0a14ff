"""Training on a real mesh: real sums over real links, no sooner than these allow; and a member that dies."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from orbitmesh.emulator.record.results import load_run
from orbitmesh.emulator.run.emulation import Emulation
from orbitmesh.emulator.scenario import loads

pytestmark = [pytest.mark.netns, pytest.mark.beside]

FLOCK = """name = "flock"
constellation = { shells = [{ formation = { altitude = "650 km", raan = "306 deg", radius = "200 m" } }] }
lasers = { terminals = 8, terminal = "dwdm-shown" }
compute = { probes = { kinds = [] } }
training = { model = "llama-3.1-8b", accelerator = "h100", accelerators = 8, tokens = 20_000, overlap = 0.5 }
run = { start = 2026-11-01T00:00:00Z, duration = "8 s", rate-scale = 5e-6 }
platform = { preset = "suncatcher" }
"""


def test_five_satellites_sum_their_gradients_until_one_dies(tmp_path: Path) -> None:
    with Emulation(loads(FLOCK), out=tmp_path / "run") as mesh:
        mesh.wait(4_000_000_000)
        os.kill(pid_of("sat-0-4"), signal.SIGKILL)
        deadline = time.monotonic() + 3
        while not mesh.dead_nodes and time.monotonic() < deadline:
            time.sleep(0.05)
        mesh.wait(500_000_000)
    training = json.loads((tmp_path / "run/summary.json").read_text())["training"]
    assert training["steps"] >= 3
    assert training["stragglers"] == {}
    # 16 GB over five, each sends 8/5 of it by 800 Gbit/s
    assert training["bound_ns"]["p50"] == pytest.approx(257e6, rel=0.001)
    assert training["all_reduce_ns"]["p50"] > training["bound_ns"]["p50"]
    assert sum(training["failed"].values()) <= 1
    rows = load_run(tmp_path / "run").training().drop_columns(["sim_utc"]).to_pylist()
    good = [row for row in rows if row["ok"]]
    assert {row["bytes_sent"] for row in good} == {8 * (8 + training["emulated_bytes"] // 5)}
    for row in good:
        assert row["computed_mono_ns"] > row["sent_mono_ns"]  # half of the computing is left
        assert row["compute_ns"] == pytest.approx(training["full_speed_compute_ns"], abs=1000)
        assert row["done_mono_ns"] - row["sent_mono_ns"] > 0.9 * training["bound_ns"]["p50"]
    load = json.loads((tmp_path / "run/summary.json").read_text())["platform"]["load"]
    assert (load["hosts"], load["accelerators"]["count"]) == (5, 8)
    drawn_w = [
        row["power_w"] - 1e3  # the bus
        for row in load_run(tmp_path / "run").platforms().drop_columns(["sim_utc"]).to_pylist()
        if row["measured"]
    ]
    # beside the part of the computers that is not modelled, of 28 kW: from rest to all that they may draw
    rest_w = (1 - load["accelerators"]["share_ratio"]) * 28e3
    idle_w, most_w = load["accelerators"]["idle_w"], load["accelerators"]["most_w"]
    assert len(drawn_w) >= 4  # of two steps later
    assert idle_w - 10 < min(drawn_w) - rest_w <= max(drawn_w) - rest_w < most_w + 10
    assert max(drawn_w) - rest_w > idle_w + 0.3 * (most_w - idle_w)
    errors = {row["error"] for row in rows if not row["ok"]}
    assert errors
    assert errors <= {"a neighbour closed", "Connection reset by peer", "Broken pipe"}


def pid_of(name: str) -> int:
    """Of the node process of that name, among those below this process."""
    found = [
        path for path in Path("/proc").glob("[0-9]*") if _is_below(int(path.name)) and _named(path, name)
    ]
    return int(found[0].name)


def _named(path: Path, name: str) -> bool:
    try:
        return (path / "comm").read_text().strip() == name
    except OSError:
        return False


def _is_below(pid: int) -> bool:
    while pid > 1 and pid != os.getpid():
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return False
    return pid == os.getpid()
