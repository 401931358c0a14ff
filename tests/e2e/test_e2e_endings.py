"""Whatever dies in whichever phase of a run: the summary says so, and whoever called is told."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from e2e_lab import quiet, toy
from mesh_process import MeshProcess

from orbitmesh.emulator import Emulation
from orbitmesh.emulator.errors import ProcessDied
from orbitmesh.emulator.plane.engine.backend import EngineBackend
from orbitmesh.emulator.run.node_processes import NodeProcesses
from orbitmesh.emulator.run.recorder_process import RecorderProcess

pytestmark = [pytest.mark.netns, pytest.mark.beside, pytest.mark.native, pytest.mark.timeout(90)]


def kill(pid: int) -> None:
    """Dead when this returns."""
    handle = os.pidfd_open(pid)
    os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):  # whoever watches it was faster
        os.waitid(os.P_PIDFD, handle, os.WEXITED | os.WNOWAIT)
    os.close(handle)


def victim_of(mesh: Emulation, name: str) -> int:
    if name == "engine":
        return mesh.backend.pid  # type: ignore[attr-defined, no-any-return]
    if name == "warden":
        return mesh.plane.kernel._warden.pid  # type: ignore[attr-defined, no-any-return]
    return next(child.pid for child in mesh._supervision.children if child.name == name)


def before(cls: type, method: str, do: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    original = getattr(cls, method)

    def first(self: Any, *arguments: Any) -> Any:
        do()
        return original(self, *arguments)

    monkeypatch.setattr(cls, method, first)


def after(cls: type, method: str, do: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    original = getattr(cls, method)

    def then(self: Any, *arguments: Any) -> Any:
        answer = original(self, *arguments)
        do()
        return answer

    monkeypatch.setattr(cls, method, then)


@pytest.mark.parametrize("victim", ["geometry", "recorder", "node parent", "engine"])
@pytest.mark.parametrize("phase", ["the nodes stop", "the record is to be closed"])
def test_what_dies_while_the_run_ends_fails_it(
    victim: str, phase: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mesh = Emulation(toy(), duration_ns=500_000_000, out=tmp_path / "run")
    place = (NodeProcesses, "stop") if phase == "the nodes stop" else (RecorderProcess, "finish")
    before(*place, lambda: kill(victim_of(mesh, victim)), monkeypatch)
    with pytest.raises(ProcessDied, match=victim), mesh:
        mesh.wait()
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    assert summary["ended"] == "failed"
    assert victim in summary["reason"]
    assert summary["trusted"] is False
    assert mesh.summary == summary


def test_an_engine_that_dies_after_the_summary_was_written_is_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mesh = Emulation(toy(), duration_ns=500_000_000, out=tmp_path / "run")
    after(RecorderProcess, "finish", lambda: kill(victim_of(mesh, "engine")), monkeypatch)
    with pytest.raises(ProcessDied, match="engine"), mesh:
        mesh.wait()
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    assert (summary["ended"], summary["trusted"]) == ("failed", False)


@pytest.mark.parametrize("victim", ["geometry", "recorder", "node parent", "warden"])
def test_what_dies_while_the_mesh_is_built_fails_it(victim: str, tmp_path: Path) -> None:
    mesh: Emulation

    def on_progress(stage: str, done: int, total: int) -> None:
        if stage == "hosts" and done == total:
            kill(victim_of(mesh, victim))

    mesh = Emulation(quiet(), duration_ns=500_000_000, out=tmp_path / "run", on_progress=on_progress)
    with pytest.raises(ProcessDied, match=victim), mesh:
        pytest.fail("it was built")
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    assert summary["ended"] == "failed"
    assert victim in summary["reason"]


def test_an_engine_that_dies_while_the_mesh_is_built_fails_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mesh = Emulation(quiet(), duration_ns=500_000_000, out=tmp_path / "run")
    after(EngineBackend, "start", lambda: kill(victim_of(mesh, "engine")), monkeypatch)
    with pytest.raises(ProcessDied, match="engine"), mesh:
        pytest.fail("it was built")
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    assert summary["ended"] == "failed"
    assert "engine" in summary["reason"]


@pytest.mark.parametrize("victim", ["engine", "geometry", "recorder", "node parent"])
def test_what_dies_in_the_warm_up_fails_the_run(victim: str, tmp_path: Path) -> None:
    mesh: Emulation

    def on_progress(stage: str, done: int, total: int) -> None:
        if stage == "node processes" and done == total:
            kill(victim_of(mesh, victim))

    mesh = Emulation(quiet(), duration_ns=500_000_000, out=tmp_path / "run", on_progress=on_progress)
    with pytest.raises(ProcessDied, match=victim), mesh:
        pytest.fail("the warm-up was over")
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    assert (summary["ended"], summary["trusted"]) == ("failed", False)
    assert victim in summary["reason"]


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_a_death_decides_the_exit_status_also_where_a_signal_ended_the_run(
    signal_number: int, start_mesh: Callable[..., MeshProcess]
) -> None:
    """A plain signal gives 128 and its number: test_e2e_faults."""
    mesh = start_mesh("--duration", "60 s")
    mesh.wait_for_samples()
    os.kill(mesh.children()["node"][0], signal.SIGKILL)
    mesh.wait_for(lambda: bool(status_of(mesh)["dead_nodes"]), "word of the node's death")
    os.kill(mesh.pid, signal_number)
    assert mesh.wait() == 1, mesh.output()
    last = mesh.output().splitlines()[-1]
    assert last.startswith("orbitmesh: 1 node process died: ")
    assert "SIGKILL" in last
    assert json.loads((mesh.out / "summary.json").read_text())["ended"] == "interrupted"


def status_of(mesh: MeshProcess) -> dict[str, Any]:
    found = mesh.orbitmesh("status", "-o", "json")
    return dict(json.loads(found.stdout))


def test_a_failure_is_raised_also_where_ctrl_c_ended_the_block(tmp_path: Path) -> None:
    def interrupted(mesh: Emulation, victim: str | None) -> None:
        with mesh:
            if victim is not None:
                kill(victim_of(mesh, victim))
                assert mesh._supervision.ended.wait(10)
            raise KeyboardInterrupt

    with pytest.raises(ProcessDied, match="the geometry process died"):
        interrupted(Emulation(toy(), links="fake", out=tmp_path / "run"), "geometry")
    with pytest.raises(KeyboardInterrupt):
        interrupted(Emulation(toy(), links="fake", out=tmp_path / "other"), None)


def test_a_node_that_dies_before_the_first_measurement_is_told(tmp_path: Path) -> None:
    mesh: Emulation

    def on_progress(stage: str, done: int, total: int) -> None:
        if stage == "node processes" and done == total:
            parent = victim_of(mesh, "node parent")
            children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
            os.kill(int(children[0]), signal.SIGKILL)

    mesh = Emulation(quiet(), duration_ns=500_000_000, out=tmp_path / "run", on_progress=on_progress)
    with mesh:
        mesh.wait()
    assert len(mesh.summary["dead_nodes"]) == 1
    assert "SIGKILL" in json.dumps(mesh.summary["dead_nodes"])


def test_a_warden_that_is_killed_later_is_started_again_and_that_is_told(tmp_path: Path) -> None:
    with Emulation(toy(), duration_ns=2_000_000_000, out=tmp_path / "run") as mesh:
        kill(victim_of(mesh, "warden"))
        mesh.wait()
    assert mesh.summary["ended"] == "completed"
    assert "warden" in json.dumps(mesh.summary["doubts"])
