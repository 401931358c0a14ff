"""``clean`` removes what a run wrote and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orbitmesh.emulator.cli.main import app
from orbitmesh.emulator.record import remove

runner = CliRunner()


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """A folder as a run that was killed leaves it, and one that ended."""
    folder = tmp_path / "run"
    (folder / "samples").mkdir(parents=True)
    (folder / "samples/part-00000.parquet").write_bytes(b"PAR1")
    (folder / "samples/.part-00001.parquet.writing").write_bytes(b"")
    (folder / "run.json").write_text(json.dumps({"orbitmesh_run": 1, "run_id": "toy-1"}))
    for name in ("summary.json", "samples.parquet", "path-changes.parquet", "events.jsonl", "run.log"):
        (folder / name).write_text("")
    return folder


def test_a_record_goes_whole(record: Path) -> None:
    result = runner.invoke(app, ["clean", str(record)])
    assert result.exit_code == 0, result.output
    assert not record.exists()


def test_what_is_not_the_runs_stays(record: Path) -> None:
    (record / "notes.txt").write_text("mine")
    (record / "samples/notes.txt").write_text("mine too")
    result = runner.invoke(app, ["clean", str(record)])
    assert result.exit_code == 0, result.output
    assert sorted(str(p.relative_to(record)) for p in record.rglob("*") if p.is_file()) == [
        "notes.txt",
        "samples/notes.txt",
    ]


def test_a_folder_behind_a_link_is_not_emptied(record: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "part-00000.parquet").write_text("precious")
    (record / "path-changes").symlink_to(theirs)
    assert runner.invoke(app, ["clean", str(record)]).exit_code == 0
    assert (theirs / "part-00000.parquet").exists()


@pytest.mark.parametrize("text", ["{}", "not json", '{"run_id": "toy-1"}'])
def test_a_folder_that_is_no_run_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(text)
    result = runner.invoke(app, ["clean", str(tmp_path)])
    assert result.exit_code == 2
    assert result.stderr.startswith(f"orbitmesh: {tmp_path / 'run.json'}: ")
    assert (tmp_path / "run.json").read_text() == text


def test_a_run_under_way_is_not_cleaned(record: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remove, "find_runs", lambda: ["toy-1"])
    result = runner.invoke(app, ["clean", str(record)])
    assert result.exit_code == 2
    assert "toy-1 is under way" in result.stderr
    assert (record / "run.json").exists()
