"""``orbitmesh list``: recorded runs by how they ended, damaged ones by name, and those that run."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from orbitmesh.emulator.cli.main import app
from orbitmesh.emulator.control.places import Announced
from orbitmesh.emulator.record import listing

sys.path.append(str(Path(__file__).parents[1] / "record"))
from record_fakes import facts, record


def called(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["list", *arguments])


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(listing, "find_runs", lambda: ["still-here"])
    monkeypatch.setattr("orbitmesh.emulator.control.places.announced", lambda: [])
    folder = tmp_path / "runs"
    folder.mkdir()
    record(folder / "good", facts())
    record(folder / "killed", None)
    (folder / "damaged").mkdir()
    (folder / "damaged/run.json").write_text('{"orbitmesh_run": 2, "run_id": 7}')
    (folder / "empty").mkdir()
    (folder / "elsewhere").symlink_to(tmp_path)
    (folder / "a file").write_text("")
    monkeypatch.chdir(tmp_path)
    return folder


def listed(*arguments: str) -> dict[str, dict[str, str]]:
    result = called(*arguments, "-o", "csv")
    assert result.exit_code == 0, result.output
    return {Path(row["path"]).name: row for row in csv.DictReader(io.StringIO(result.stdout))}


def test_each_by_how_it_ended_and_how_large_it_is(runs: Path) -> None:
    found = listed()
    assert {name: row["ended"] for name, row in found.items()} == {
        "good": "completed", "killed": "killed", "damaged": "damaged", "empty": "damaged",
    }  # fmt: skip
    size_bytes = sum(path.stat().st_size for path in (runs / "good").rglob("*") if path.is_file())
    assert int(found["good"]["size_bytes"]) == size_bytes > 1000
    assert found["good"]["scenario"] == "small"
    assert "run_id is 7" in found["damaged"]["reason"]
    assert "no run.json" in found["empty"]["reason"]
    assert list(found)[-2:] == ["empty", "damaged"] or list(found)[-2:] == ["damaged", "empty"]


def test_one_that_is_under_way_is_running(runs: Path) -> None:
    told = json.loads((runs / "killed/run.json").read_text())
    (runs / "killed/run.json").write_text(json.dumps(told | {"run_id": "still-here"}))
    assert listed()["killed"]["ended"] == "running"


def test_what_was_told_late_goes_before_the_summary(runs: Path) -> None:
    (runs / "good/ending.json").write_text(json.dumps({"ended": "failed", "reason": "the disk was full"}))
    row = listed()["good"]
    assert (row["ended"], row["reason"]) == ("failed", "the disk was full")
    (runs / "good/ending.json").write_text("{")
    assert listed()["good"]["ended"] == "damaged"


def test_a_table_for_people_and_a_folder_that_is_not_there(runs: Path) -> None:
    text = called("--runs", str(runs)).stdout
    assert "completed" in text
    assert "kB" in text
    missing = called("--runs", "nowhere")
    assert missing.exit_code == 2
    assert "nowhere: No such file or directory: name a folder of runs" in missing.stderr


def test_nothing_at_all_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orbitmesh.emulator.control.places.announced", lambda: [])
    monkeypatch.chdir(tmp_path)
    result = called()
    assert result.exit_code == 0
    assert "no mesh is running, and runs holds no run" in result.stderr


def test_one_that_may_not_be_read_hides_no_other(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reached = os.fwalk

    def refused(path: Path, **more: Any) -> Any:
        if path.name == "killed":
            raise PermissionError(errno.EACCES, "Permission denied", 5)
        return reached(path, **more)

    monkeypatch.setattr(listing.os, "fwalk", refused)
    found = listed()
    assert found["good"]["ended"] == "completed"
    assert found["killed"]["ended"] == "damaged"
    assert found["killed"]["reason"] == f"{Path('runs/killed')}: Permission denied"


def test_a_mesh_that_ends_while_it_is_asked_is_left_out(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = Announced("demo-20261127T194159Z-18a7", os.geteuid(), Path("/run/orbitmesh/0"))
    monkeypatch.setattr("orbitmesh.emulator.control.places.announced", lambda: [gone])
    result = called("-o", "json")
    assert result.exit_code == 0, result.output
    ids = [row["run_id"] for row in json.loads(result.stdout)]
    assert len(ids) == 4
    assert gone.run_id not in ids


def test_a_long_reason_ends_with_a_whole_word(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orbitmesh.emulator.cli.list._MOST_REASON", 30)
    said = " ".join(called().stdout.split())
    assert "is no run of …" in said
