"""A whole run, as a user starts it, and what its record says of physics."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from mesh_process import TOY, MeshProcess

from orbitmesh.emulator import Emulation, Scenario
from orbitmesh.emulator.plane.kernel.awake import distrust
from orbitmesh.emulator.processes import CAP_SYS_NICE

pytestmark = [pytest.mark.netns, pytest.mark.beside, pytest.mark.native, pytest.mark.timeout(180)]


@pytest.mark.parametrize("plane", ["wired", "fabric"])
def test_a_run_measures_latencies_that_physics_allows(plane: str, start_mesh: Callable[..., MeshProcess]):
    mesh = start_mesh("--duration", "5 s", "--plane", plane)
    assert mesh.wait() == 0, mesh.output()
    summary = json.loads((mesh.out / "summary.json").read_text())
    assert summary["ended"] == "completed"
    assert summary["dead_nodes"] == {}
    assert summary["awake"]["held"] == (distrust() is None)
    columns = ["kind", "ok", "straddles_epoch", "measured_ns", "propagation_ns", "src", "dst"]
    samples = pq.read_table(mesh.out / "samples.parquet", columns=columns).to_pydict()
    kinds = {kind: np.flatnonzero([k == kind for k in samples["kind"]]) for kind in ("udp", "grpc", "task")}
    measured, physical = np.array(samples["measured_ns"]), samples["propagation_ns"]
    for kind, rows in kinds.items():
        good = [row for row in rows if samples["ok"][row] and not samples["straddles_epoch"][row]]
        assert len(good) > 10, f"{len(good)} {kind} samples"
        for row in good:
            # the recorder's own tolerance: the reading of the clock
            assert measured[row] >= physical[row] - 2_000, {k: v[row] for k, v in samples.items()}
    # a path of one hop is 4 ms away at the least: the delays are there, not only not negative
    assert min(p for p in physical if p is not None) > 2 * 4_000_000


def test_what_moves_the_mesh_goes_before_what_runs_in_it(start_mesh: Callable[..., MeshProcess]):
    mesh = start_mesh("--duration", "60 s")
    mesh.wait_for(lambda: len(mesh.children().get("node", [])) == 11, "node processes")
    ours, before_ours = os.getpriority(os.PRIO_PROCESS, 0), -5
    assert before_ours < ours, "nothing to be told apart where the tests themselves go before others"
    children = mesh.children()
    assert os.getpriority(os.PRIO_PROCESS, children["recorder"][0]) == before_ours
    assert nicenesses(children["geometry"][0]).count(before_ours) == 2  # one hears, one computes
    for child in (*children["node parent"], *children["node"]):
        assert set(nicenesses(child)) == {ours}
    # its own threads, and not the one that a user's program starts processes from
    assert os.getpriority(os.PRIO_PROCESS, mesh.pid) == ours
    assert nicenesses(mesh.pid).count(before_ours) >= 3
    # the conductor and who hears for it, and the geometry; before them the link engine alone
    assert [first_of(children[kind][0]) for kind in ("geometry", "recorder", "node")] == [2, 0, 0]
    assert first_of(mesh.pid) == 2
    for thread in Path(f"/proc/{children['geometry'][0]}/task").iterdir():
        assert f"CapPrm:\t{1 << CAP_SYS_NICE:016x}\n" in (thread / "status").read_text()
    engine = children["engine"][0]
    assert os.sched_getscheduler(engine) & ~os.SCHED_RESET_ON_FORK == os.SCHED_FIFO
    assert os.sched_getparam(engine).sched_priority == 2


def first_of(pid: int) -> int:
    """How many of a process's threads are of real time, and of its lowest priority."""
    threads = [int(thread.name) for thread in Path(f"/proc/{pid}/task").iterdir()]
    return sum(os.sched_getparam(thread).sched_priority == 1 for thread in threads)


def nicenesses(pid: int) -> list[int]:
    """Of a process's threads."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return [os.getpriority(os.PRIO_PROCESS, int(thread.name)) for thread in threads]


@pytest.mark.parametrize("plane", ["wired", "fabric"])
def test_commands_against_a_running_mesh(plane: str, start_mesh: Callable[..., MeshProcess]):
    mesh = start_mesh("--duration", "60 s", "--plane", plane)
    mesh.wait_for_samples()

    status = mesh.orbitmesh("status", "-o", "json")
    assert json.loads(status.stdout)["satellites"] == 48, status.stderr

    names = mesh.orbitmesh("exec", "gw-london", "--", "getent", "hosts", "sat-3-7", "gw-tokyo")
    assert [line.split()[1] for line in names.stdout.splitlines()] == ["sat-3-7", "gw-tokyo"], names.stderr

    assert mesh.orbitmesh("exec", "gw-london", "--", "sh", "-c", "exit 7").returncode == 7

    ping = mesh.orbitmesh("ping", "gw-london", "sat-3-7")
    assert ping.returncode == 0, ping.stdout + ping.stderr
    assert " 0% packet loss" in ping.stdout

    trace = mesh.orbitmesh("trace", "gw-london", "gw-tokyo", "-o", "json")
    assert trace.returncode == 0, trace.stdout + trace.stderr
    hops = json.loads(trace.stdout)
    assert hops["measured_path"] == hops["planned_path"]
    assert len(hops["measured_path"]) > 2

    unknown = mesh.orbitmesh("exec", "sat-99-99", "--", "true")
    assert unknown.returncode == 2
    assert "sat-99-99" in unknown.stderr
    assert "Traceback" not in unknown.stderr

    down = mesh.orbitmesh("down")
    assert down.returncode == 0, down.stderr
    assert mesh.wait() == 0, mesh.output()
    assert (mesh.out / "summary.json").exists()


def test_a_kept_mesh_outlives_its_duration_until_down(start_mesh: Callable[..., MeshProcess]):
    mesh = start_mesh("--duration", "2 s", "--keep")
    assert mesh.wait() == 0, mesh.output()
    assert mesh.orbitmesh("exec", "gw-lima", "--", "true").returncode == 0
    down = mesh.orbitmesh("down")
    assert down.returncode == 0, down.stderr
    assert json.loads((mesh.out / "summary.json").read_text())["ended"] == "completed"


def test_the_python_door(tmp_path: Path, nothing_left: Callable[[], None]):
    with Emulation(Scenario.load(str(TOY)), duration_ns=2_000_000_000, out=tmp_path / "run") as mesh:
        london = mesh.net.get("gw-london")
        planned = mesh.path("gw-london", "gw-tokyo")
        output = london.cmd("ping -c 3 -i 0.2 gw-tokyo")
        fastest_ms = min(float(t) for t in re.findall(r"time=([\d.]+)", output))
        # ping rounds to three digits: from 100 ms on to whole milliseconds
        rounding_ns = 500_000 if fastest_ms >= 100 else 50_000
        assert fastest_ms * 1e6 >= 2 * planned["delay_ns"] - rounding_ns
        trace = london.cmd("traceroute -n -q 1 gw-tokyo")
        seen = re.findall(r"^\s*\d+\s+([\d.]+)", trace, re.MULTILINE)
        names = [mesh.net.get(name).IP() for name in planned["path"][1:]]
        assert seen == names, trace
        mesh.wait()
    assert mesh.summary["ended"] == "completed"
