"""``orbitmesh calibrate``: what it prints, and what it refuses."""

from __future__ import annotations

import csv
import io
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from orbitmesh.emulator.calibration import measure
from orbitmesh.emulator.calibration.document import (
    Calibration,
    Command,
    Falling,
    Grpc,
    Handover,
    OneWay,
    RateError,
    SmallPackets,
    errors_of,
    loss_error,
)
from orbitmesh.emulator.cli import calibrate
from orbitmesh.emulator.cli.main import app
from orbitmesh.emulator.cli.output import say_what_can_be_said
from orbitmesh.emulator.plane.backend import Probe
from orbitmesh.emulator.plane.engine import EngineBackend
from orbitmesh.emulator.plane.kernel import privileges
from orbitmesh.emulator.plane.netem import NetemBackend

runner = CliRunner()
ERRORS = errors_of(100, np.arange(99), np.arange(99) * 1_000)
WRONG: tuple[str, ...] = ()  # what the fabric's calibrator finds
FAR: OneWay | None = None  # over more links, where a test has some
MACHINE = {"cpus": 2, "cpu_model": "X", "kernel": "6.1"}


def found(backend: str, wait: str, plane: str = "wired") -> Calibration:
    return Calibration(
        backend, wait, "2026-11-24T00:00:00Z", MACHINE, True,
        floor=ERRORS,
        one_way=(
            OneWay(1, 5_000_000, 10_000, wait, ERRORS), OneWay(3, 5_000_000, 10_000, wait, ERRORS),
            *([FAR] if FAR else []),
        ),
        rates=(RateError(10**7, 9_990_000, -0.001),),
        losses=(loss_error(0.01, 1_000, 991),),
        falling=Falling(-20_000, -1_000_000, ERRORS),
        handover=Handover(1_000_000, 100, 0, 0, 1_100_000),
        commands=(Command(72, 144, 43_000), Command(4_408, 8_816, None, "too many open files")),
        grpc=Grpc(100, 480_000, 900_000, 100_000),
        small_packets=SmallPackets(200_000, 300_000),
        cautions=("it is slow",),
        plane=plane,
        disagreements=WRONG if plane == "fabric" else (),
    )  # fmt: skip


@pytest.fixture(autouse=True)
def measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No traffic: a calibrator that has its answer; two backends that work."""

    class Known:
        def __init__(self, backend: str, wait: str, *, plane: str, quick: bool, awake: bool) -> None:
            self.answer = found(backend, wait, plane)

        def run(self, on_progress: measure.Progress) -> Calibration:
            on_progress("floor", 0, 1)
            return self.answer

    monkeypatch.setenv("ORBITMESH_STATE", str(tmp_path))
    monkeypatch.setattr(measure, "Calibrator", Known)
    monkeypatch.setattr(privileges, "require", lambda *, tun: None)
    for backend in (EngineBackend, NetemBackend):
        monkeypatch.setattr(backend, "probe", classmethod(lambda cls: Probe(True, "yes")))


def test_the_table_has_every_figure(tmp_path: Path) -> None:
    result = runner.invoke(app, ["calibrate", "--quick"])
    assert result.exit_code == 0, result.output
    for figure in ("49.0", "98.0", "9.990", "-0.100", "0.900", "144", "0.04 ms", "too many open files",
                   "200,000/s", "300,000/s", "0.48 ms", "1.10 ms", "it is slow"):  # fmt: skip
        assert figure in result.stdout, figure
    assert (tmp_path / "calibration/engine-adaptive-quick.json").exists()


def test_json_and_csv_hold_nothing_else() -> None:
    planes = json.loads(runner.invoke(app, ["calibrate", "-o", "json"]).stdout)
    assert [document["plane"] for document in planes] == ["wired", "fabric"]
    (document,) = json.loads(runner.invoke(app, ["calibrate", "--plane", "wired", "-o", "json"]).stdout)
    assert Calibration.from_json(json.dumps(document)) == found("engine", "adaptive")
    rows = list(
        csv.DictReader(io.StringIO(runner.invoke(app, ["calibrate", "--plane", "wired", "-o", "csv"]).stdout))
    )
    assert [row["links"] for row in rows] == ["1", "3"]
    assert rows[0]["p50_ns"] == "49000"
    assert [name for name in rows[0] if name.endswith(("_us", "_ms"))] == []


def test_all_means_every_backend_that_works(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    documents = json.loads(
        runner.invoke(app, ["calibrate", "--links", "all", "--plane", "wired", "-o", "json"]).stdout
    )
    assert [document["backend"] for document in documents] == ["engine", "netem"]
    for backend in (EngineBackend, NetemBackend):
        monkeypatch.setattr(backend, "probe", classmethod(lambda cls: Probe(False, "it has none")))
    result = runner.invoke(app, ["calibrate", "--links", "all"])
    assert result.exit_code == 1
    assert "netem cannot work here: it has none" in result.stderr


def test_every_way_of_waiting_and_the_fabric_for_the_engine_alone() -> None:
    said = json.loads(
        runner.invoke(app, ["calibrate", "--links", "all", "--wait", "all", "-o", "json"]).stdout
    )
    assert [(d["plane"], d["backend"], d["wait"]) for d in said] == [
        ("wired", "engine", "sleep"), ("fabric", "engine", "sleep"),
        ("wired", "engine", "adaptive"), ("fabric", "engine", "adaptive"),
        ("wired", "engine", "poll"), ("fabric", "engine", "poll"),
        ("wired", "netem", "sleep"),
    ]  # fmt: skip
    result = runner.invoke(app, ["calibrate", "--links", "netem", "--plane", "fabric"])
    assert result.exit_code == 2
    assert "the fabric is the engine's" in result.stderr


def test_planes_that_do_not_agree_are_a_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys.modules[__name__], "WRONG", ("fabric: packets go a c, and not a b c",))
    result = runner.invoke(app, ["calibrate"])
    assert result.exit_code == 1
    assert "Not so: fabric: packets go a c, and not a b c." in result.stdout
    assert "do not agree: fabric: packets go a c, and not a b c (1 in all)" in result.stderr
    assert (tmp_path / "calibration/fabric-adaptive-quick.json").exists()


def test_a_busy_machine_s_is_shown_and_not_kept_unless_forced(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    late = replace(ERRORS, p50_ns=6_200_000, p99_ns=9_000_000, max_ns=9_000_000)
    monkeypatch.setattr(sys.modules[__name__], "FAR", OneWay(10, 5_000_000, 10_000, "adaptive", late))
    path = tmp_path / "calibration/engine-adaptive-quick.json"
    result = runner.invoke(app, ["calibrate", "--plane", "wired"])
    assert result.exit_code == 1
    assert "6200.0" in result.stdout
    assert "is not kept: a stream over 10 links in a row" in " ".join(result.stderr.split())
    assert "--force" in result.stderr
    assert not path.exists()
    result = runner.invoke(app, ["calibrate", "--plane", "wired", "--force"])
    assert result.exit_code == 0, result.stderr
    assert "6.2 ms late at p50" in Calibration.from_json(path.read_text()).distrusted


def test_a_backend_that_does_not_work_is_an_error_and_no_other_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(NetemBackend, "probe", classmethod(lambda cls: Probe(False, "no sch_netem")))
    result = runner.invoke(app, ["calibrate", "--links", "netem"])
    assert result.exit_code == 1
    assert "no sch_netem" in result.stderr


def test_a_place_that_cannot_be_written_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ORBITMESH_STATE", str(tmp_path / "file"))
    result = runner.invoke(app, ["calibrate"])
    assert result.exit_code == 1
    assert "ORBITMESH_STATE" in result.stderr


def test_what_it_found_goes_to_an_ascii_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", out)
    say_what_can_be_said()
    calibrate._print(found("engine", "adaptive"))
    out.flush()
    said = out.buffer.getvalue().decode("ascii")  # type: ignore[attr-defined]
    assert "the two hosts' own share of what follows" in said
    assert " ?s " in said, "microseconds"
