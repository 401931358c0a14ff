"""Whatever dies, and whenever: nothing stays behind, the record can be read, the next run starts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable

import pytest
from mesh_process import COMMAND, MeshProcess, Traces

from orbitmesh.emulator.record.results import load_run

pytestmark = [pytest.mark.netns, pytest.mark.beside, pytest.mark.timeout(180)]


@pytest.mark.native
@pytest.mark.parametrize("victim", ["main", "engine", "geometry", "recorder", "node parent"])
def test_sigkill_of_any_process_leaves_nothing(
    victim: str, start_mesh: Callable[..., MeshProcess], nothing_left: Callable[[], None]
):
    mesh = start_mesh("--duration", "60 s")
    mesh.wait_for_samples()
    pid = mesh.pid if victim == "main" else mesh.children()[victim][0]
    os.kill(pid, signal.SIGKILL)
    status = mesh.wait()
    assert status == (-signal.SIGKILL if victim == "main" else 1), mesh.output()
    nothing_left()
    if victim != "main":
        assert victim in mesh.output()
        assert "Traceback" not in mesh.output()
    assert load_run(mesh.out).samples().num_rows > 0
    if victim == "main":  # which cleans up least; after the others the next test's mesh starts
        again = start_mesh("--duration", "1 s")
        assert again.wait() == 0, again.output()


@pytest.mark.native
def test_a_node_that_dies_is_named_and_the_run_goes_on(start_mesh: Callable[..., MeshProcess]):
    mesh = start_mesh("--duration", "6 s")
    mesh.wait_for_samples()
    os.kill(mesh.children()["node"][0], signal.SIGKILL)
    status = mesh.wait()
    summary = json.loads((mesh.out / "summary.json").read_text())
    assert status == 1, mesh.output()
    assert len(summary["dead_nodes"]) == 1
    assert "SIGKILL" in json.dumps(summary["dead_nodes"])
    assert summary["trusted"] is False


# each moment by one of the two, which a run hears by the same handler
@pytest.mark.parametrize(
    ("signal_number", "after_s"),
    [*zip([signal.SIGINT, signal.SIGTERM] * 3, [0.0, 0.3, 0.7, 1.2, 1.8, 2.5], strict=True)],
)
def test_a_signal_at_any_moment_ends_in_order(
    after_s: float,
    signal_number: int,
    start_mesh: Callable[..., MeshProcess],
    nothing_left: Callable[[], None],
):
    mesh = start_mesh("--duration", "60 s")
    # from the first child on: before that there is only an interpreter that starts
    mesh.wait_for(lambda: bool(mesh.children()), "any process")
    time.sleep(after_s)
    os.kill(mesh.pid, signal_number)
    assert mesh.wait() == 128 + signal_number, mesh.output()
    assert "Traceback" not in mesh.output()
    nothing_left()


def test_two_runs_side_by_side(start_mesh: Callable[..., MeshProcess]):
    first, second = start_mesh("--duration", "4 s"), start_mesh("--duration", "4 s", "--seed", "2")
    assert (first.wait(), second.wait()) == (0, 0), first.output() + second.output()
    for mesh in (first, second):
        summary = json.loads((mesh.out / "summary.json").read_text())
        assert summary["samples"]["samples"] > 0


@pytest.mark.native
def test_a_program_in_a_node_ends_with_the_run(start_mesh: Callable[..., MeshProcess], traces: Traces):
    mesh = start_mesh("--duration", "60 s")
    mesh.wait_for_samples()
    program = subprocess.Popen(
        [*COMMAND, "exec", "--run", mesh.run_id, "gw-london", "--", "sleep", "600"], env=traces.environment
    )
    mesh.wait_for(lambda: "sleep 600 " in traces.processes().values(), "the program in the node")
    os.kill(mesh.pid, signal.SIGKILL)
    mesh.wait()
    assert program.wait(30) != 0
