"""The plugin in pytest runs of their own: what it does to those that do not use it, and without links."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from orbitmesh.emulator.testing.asked import NotUnderstood, asked

TESTS = """
import pytest

@pytest.mark.orbitmesh(gateway="madrid")
def test_geometry(mesh, gateway, satellite):
    assert gateway == "gw-madrid"
    path = mesh.path(gateway, satellite)["path"]
    assert (path[0], path[-1]) == (gateway, satellite)
    print("run:", mesh.run_id)

def test_fault(mesh, fault):
    path = mesh.path("gw-london", "gw-madrid")["path"]
    fault(f"{path[0]}:{path[1]}")
    assert mesh.path("gw-london", "gw-madrid")["path"] != path
    assert len(fault.in_force) == 1

def test_fault_is_undone(mesh):
    assert mesh.faults() == []
    print("run:", mesh.run_id)

@pytest.mark.orbitmesh(scenario="mine.toml", seed=3)
def test_another_mesh(mesh):
    assert (mesh.scenario.name, mesh.seed) == ("mine", 3)
    print("run:", mesh.run_id)

def test_measured(measure):
    raise AssertionError("it is to be skipped")

def test_service(service):
    raise AssertionError("it is to be skipped")

def test_next_change(mesh, clock):
    change = clock.next_change("gw-london", "gw-madrid")
    assert change.old_path != change.new_path
    assert change.after_sim_ns - change.before_sim_ns <= 10**9
    assert change.after_sim_ns > clock.sim_ns
"""
MINE = Path(__file__).parents[2] / "emulator/scenario/shipped/pocket.toml"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return tmp_path


def run(folder: Path, *arguments: str, less: bool = False, status: int = 0) -> str:
    """``less``: without the capabilities that a mesh needs."""
    lacking = "-sys_admin,-net_admin"
    first = ["setpriv", "--bounding-set", lacking, "--inh-caps", lacking] if less else []
    done = subprocess.run(
        [*first, sys.executable, "-m", "pytest", "-rsA", "-p", "no:benchmark", *arguments],
        cwd=folder, capture_output=True, text=True, timeout=100,
        env={**os.environ, "PYTEST_ADDOPTS": "", "HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def written(folder: Path, **files: str) -> None:
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


def runs_of(said: str) -> set[str]:
    return set(re.findall(r"^run: (\S+)$", said, re.MULTILINE))


def test_who_does_not_use_it_has_nothing_of_it(project: Path) -> None:
    written(
        project,
        test_one__py="def test_one(): pass\n",
        conftest__py="import sys\ndef pytest_unconfigure(): print('modules:', *sys.modules)\n",
    )
    modules = set(run(project, "-s", "-W", "error").split("modules:")[1].split())
    assert "orbitmesh.emulator.testing.plugin" in modules
    assert not {"numpy", "pyarrow", "pydantic", "mininet", "grpc", "rich"} & modules
    ours = {name for name in modules if name.startswith("orbitmesh")}
    assert ours == {
        "orbitmesh", "orbitmesh.emulator", "orbitmesh.emulator.errors", "orbitmesh.emulator.suggest",
        "orbitmesh.emulator.testing", "orbitmesh.emulator.testing.asked", "orbitmesh.emulator.testing.plugin",
    }  # fmt: skip


def test_without_links_geometry_is_tested_and_who_measures_is_skipped(project: Path) -> None:
    written(
        project,
        pytest__ini="[pytest]\norbitmesh_links = fake\naddopts = --strict-markers\n",
        test_mesh__py=TESTS,
        mine__toml=MINE.read_text().replace('name = "pocket"', 'name = "mine"', 1),
    )
    said = run(project, "-W", "error")
    assert "5 passed, 2 skipped" in said
    assert "needs links that carry packets, and this mesh is fake (links = fake was asked for)" in said
    assert "pytest --orbitmesh-guest" in said
    assert "test_geometry[" not in said  # no parameter in the names that -k and --lf go by
    assert len(runs_of(said)) >= 2  # one of pocket for all before, one of mine
    beside = run(project, "-n", "2", "--dist", "loadgroup", "-k", "geometry or fault")
    assert "3 passed" in beside
    assert len(runs_of(beside)) == 1  # loadgroup: one worker has all tests of a mesh
    # one that fails is run again alone
    (project / "mine.toml").unlink()
    failed = run(project, "-k", "another or geometry", status=1)
    assert "1 passed, 5 deselected, 1 error" in failed
    assert "mine.toml" in failed
    again = run(project, "--lf", status=1)
    assert "1 error" in again
    assert "passed" not in again


def test_a_mesh_for_each_module(project: Path) -> None:
    one = "def test_it(mesh, {}): print('run:', mesh.run_id)\n"
    two = "\ndef test_too(mesh): print('run:', mesh.run_id)\n"
    written(
        project,
        pytest__ini="[pytest]\norbitmesh_links = fake\norbitmesh_scope = module\norbitmesh_duration = 5 s\n",
        test_a__py=one.format("request") + two,
        test_b__py=one.format("request"),
    )
    said = run(project)
    assert "3 passed" in said
    assert len(runs_of(said)) == 2


def test_a_mesh_that_has_ended_is_said_to_be(project: Path) -> None:
    test = "def test_end(mesh): mesh.end()\n\ndef test_after(fault): pass\n"
    written(project, pytest__ini="[pytest]\norbitmesh_links = fake\n", test_it__py=test)
    said = run(project, status=1)
    assert "1 passed, 1 error" in said
    assert "RunError: the mesh that this test shares with others has been ended" in said


@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None, reason="needs root, and setpriv to be less"
)
def test_who_may_not_build_a_mesh_is_told_what_is_missing(project: Path) -> None:
    tests = TESTS.split("@pytest.mark.orbitmesh(scenario")[0]
    written(project, test_mesh__py=tests + "\ndef test_measured(measure): pass\n")
    said = run(project, less=True)
    assert "3 passed, 1 skipped" in said
    assert "this mesh is fake (root lacks CAP_SYS_ADMIN and CAP_NET_ADMIN" in said
    # who insists is not given a fake
    said = run(project, "--orbitmesh-links", "engine", "-k", "undone", less=True, status=1)
    assert "HostError: root lacks CAP_SYS_ADMIN" in said


@pytest.mark.parametrize(
    ("ini", "test", "status", "why"),
    [
        (
            "orbitmesh_scope = class",
            "def test_it(): pass",
            4,
            "orbitmesh_scope = class: write session or module",
        ),
        ("orbitmesh_links = wires", "def test_it(): pass", 4, "links = 'wires': write one of auto, engine"),
        ("", "@pytest.mark.orbitmesh(scenaro='x')\ndef test_it(mesh): pass", 2, "did you mean 'scenario'"),
        ("", "@pytest.mark.orbitmesh('demo')\ndef test_it(mesh): pass", 2, "(scenario='demo'): by keywords"),
        (
            "orbitmesh_links = fake",
            "@pytest.mark.orbitmesh(scenario='pocke')\ndef test_it(mesh): pass",
            1,
            "pocket",
        ),
        (
            "orbitmesh_plane = fabrix",
            "def test_it(): pass",
            4,
            "plane = 'fabrix': write one of wired, fabric",
        ),
    ],
)
def test_what_makes_no_sense_is_said(ini: str, test: str, status: int, why: str, project: Path) -> None:
    written(project, pytest__ini=f"[pytest]\n{ini}\n", test_it__py=f"import pytest\n{test}\n")
    said = run(project, status=status)
    assert why in said
    assert "INTERNALERROR" not in said


@pytest.mark.parametrize(
    ("marked", "why"),
    [
        ({"plane": "fabrik"}, "plane = 'fabrik': write one of wired, fabric, auto"),
        ({"clock": "stoped"}, "clock = 'stoped': write one of real, paced, stepped"),
        ({"links": ["fake"]}, "links = ['fake']: write one of auto, engine, netem, fake"),
        ({"seed": "x"}, "seed = 'x': write a whole number"),
        ({"seed": [1]}, "seed = [1]: write a whole number"),
        ({"seed": True}, "seed = True: write a whole number"),
        ({"duration": ["5 s"]}, "duration = ['5 s']: write a time, as \"60 s\""),
        ({"gateway": ["gw-london"]}, "gateway = ['gw-london']: write the name of one"),
        ({"satellite": 3}, "satellite = 3: write the name of one"),
    ],
)
def test_a_marker_that_makes_no_sense_is_refused_before_a_mesh_is_built(
    marked: dict[str, Any], why: str
) -> None:
    with pytest.raises(NotUnderstood) as caught:
        asked(marked, {"scenario": "pocket"}, "")
    assert str(caught.value) == why


def test_a_marker_that_says_none_says_nothing() -> None:
    assert asked({"gateway": None, "clock": None}, {"scenario": "pocket"}, "") == asked(
        {}, {"scenario": "pocket"}, ""
    )
