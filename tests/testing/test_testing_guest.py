"""A pytest run in a guest kernel, by an option; and a mesh there, on the kernel's own links."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from orbitmesh.testing import Measurement

TESTS = """
import os

def test_here():
    assert os.environ["ORBITMESH_GUEST"] and os.geteuid() == 0

def test_fails():
    assert os.environ["ORBITMESH_GUEST"] == "no"
"""


@pytest.mark.skipif(shutil.which("linux.uml") is None, reason="needs User-mode Linux: provision.sh --guest")
@pytest.mark.skipif("ORBITMESH_GUEST" in os.environ, reason="needs a machine: no guest runs inside a guest")
def test_the_whole_run_is_in_a_guest(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(TESTS)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-rfp", "-p", "no:benchmark", *arguments],
            cwd=tmp_path, capture_output=True, text=True, timeout=100,
        )  # fmt: skip

    done = run("--orbitmesh-guest")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "guest kernel up in" in done.stdout
    assert "PASSED test_it.py::test_here" in done.stdout
    assert "1 failed, 1 passed" in done.stdout
    # what the guest found is remembered here
    again = run("--lf", "--co")
    assert "test_fails" in again.stdout
    assert "test_here" not in again.stdout
    refused = run("--orbitmesh-guest", "--orbitmesh-guest-memory", "much")
    assert refused.returncode == 4
    assert "is no size of memory" in refused.stderr


@pytest.mark.guest
@pytest.mark.orbitmesh(scenario="pocket", links="netem")
def test_a_mesh_of_the_kernel_s_own_links(
    gateway: str, satellite: str, measure: Callable[..., Measurement]
) -> None:
    found = measure(gateway, satellite, n=10, timeout="5 s")
    assert found.lost < 10
    assert all(trip.waited_ns is None for trip in found.round_trips)  # netem counts nothing
    for trip in found.round_trips:
        if trip.measured_ns is not None:
            assert trip.least_ns is not None
            assert trip.measured_ns > trip.least_ns - 1_000
    assert "not counted by these links" in found.explain()
