"""What ``doctor`` says of this machine, and its exit status."""

from __future__ import annotations

import csv
import io
import json

import pytest
from typer.testing import CliRunner

from orbitmesh.emulator.cli import doctor
from orbitmesh.emulator.cli.doctor import _sources
from orbitmesh.emulator.cli.main import app
from orbitmesh.emulator.errors import KernelError
from orbitmesh.emulator.plane import choose
from orbitmesh.emulator.plane.backend import Probe
from orbitmesh.emulator.plane.engine import EngineBackend
from orbitmesh.emulator.plane.kernel import sources

runner = CliRunner()
NAMES = {
    "privileges",
    "kernel",
    "network namespaces",
    "TUN",
    "awake",
    "sources",
    "sch_netem",
    "links = auto",
    "open files",
    "processes",
}


def test_a_limit_that_cannot_be_read_is_not_said_to_be_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> int:
        raise PermissionError(13, "Permission denied", "/sys/fs/cgroup/pids.max")

    monkeypatch.setattr(doctor, "_pids_max", refused)
    found = doctor._processes()
    assert (found.ok, found.detail) == (None, "not known: /sys/fs/cgroup/pids.max: Permission denied")


def test_doctor_names_what_a_run_needs_and_its_exit_status_agrees() -> None:
    result = runner.invoke(app, ["doctor", "-o", "json"])
    found = json.loads(result.stdout)
    assert {check["name"] for check in found["checks"]} >= NAMES
    failed = [check for check in found["checks"] if check["weight"] == "needed" and check["ok"] is False]
    assert found["can_run"] == (not failed)
    assert result.exit_code == (1 if failed else 0)
    assert all(check["detail"] for check in found["checks"])


def test_doctor_as_csv_and_as_a_table() -> None:
    rows = list(csv.DictReader(io.StringIO(runner.invoke(app, ["doctor", "-o", "csv"]).stdout)))
    assert {row["name"] for row in rows} >= NAMES
    table = runner.invoke(app, ["doctor"]).stdout
    assert "network namespaces" in table
    assert "can run here" in table


def test_doctor_names_a_kernel_that_cannot_look_at_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise KernelError("cannot load a program: it has no BPF")

    monkeypatch.setattr(sources, "tried", refuse)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    check = _sources()
    assert (check.ok, check.weight) == (False, "wanted")
    assert "under addresses of others, and it is not counted: cannot load" in check.detail


def test_without_a_backend_that_carries_packets_nothing_can_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        EngineBackend, "probe", classmethod(lambda cls: Probe(False, "no TUN here: modprobe tun"))
    )
    result = runner.invoke(app, ["doctor"])
    assert result.exit_code == 1
    assert "Nothing can run here" in result.stdout
    assert "no TUN here: modprobe tun" in result.stdout
    assert choose.probes()["fake"].works
