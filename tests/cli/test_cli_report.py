"""``report --html``, ``--markdown``, ``--json``: files that are written whole, and over nothing of others."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from orbitmesh.emulator.cli.main import app

sys.path.insert(0, str(Path(__file__).parents[1] / "record"))
from record_fakes import facts, record


@pytest.fixture
def run(tmp_path: Path) -> Path:
    record(tmp_path / "run", facts())
    return tmp_path / "run"


def call(*argv: object) -> Result:
    return CliRunner().invoke(app, ["report", *map(str, argv)])


def refusal(result: Result) -> str:
    assert result.exit_code != 0
    return " ".join(result.stderr.split())


def test_all_three_are_written_at_once_and_again(run: Path, tmp_path: Path) -> None:
    page, text, data = (tmp_path / name for name in ("r.html", "r.md", "r.json"))
    for _ in range(2):
        done = call(run, "--html", page, "--markdown", text, "--json", data)
        assert done.exit_code == 0, done.output
    assert page.read_text().startswith("<!DOCTYPE html>")
    assert text.read_text().startswith("<!-- orbitmesh report -->\n# Run report: small")
    assert json.loads(data.read_text())["orbitmesh_report"] == 1
    assert "wrote" in done.stderr
    assert done.stdout == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.html", "r.json", "r.md", "run"]


def test_a_dash_is_stdout_and_no_file(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = call(run, "--json", "-")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["orbitmesh_report"] == 1
    assert "two of the files have one name" in refusal(call(run, "--json", "-", "--markdown", "-"))
    compared = CliRunner().invoke(app, ["compare", str(run), str(run), "--html", "-"])
    assert "- is stdout elsewhere" in refusal(compared)
    assert not (tmp_path / "-").exists()
    assert call(run, "--json", "./-").stdout == ""
    assert json.loads((tmp_path / "-").read_text())["orbitmesh_report"] == 1


def test_a_file_of_something_else_is_not_replaced(run: Path, tmp_path: Path) -> None:
    other = tmp_path / "letter.html"
    other.write_text("<p>Dear")
    assert "letter.html is there already, and is no report of orbitmesh" in refusal(
        call(run, "--html", other)
    )
    assert other.read_text() == "<p>Dear"


@pytest.mark.parametrize("leads_to", ["there.html", "nowhere"])
def test_no_link_is_written_through(run: Path, tmp_path: Path, leads_to: str) -> None:
    call(run, "--html", tmp_path / "there.html")
    before = (tmp_path / "there.html").read_bytes()
    (tmp_path / "r.html").symlink_to(tmp_path / leads_to)
    assert "r.html is a link: name a file of its own" in refusal(call(run, "--json", tmp_path / "r.html"))
    assert (tmp_path / "there.html").read_bytes() == before
    assert not (tmp_path / "nowhere").exists()


def test_what_is_no_place_for_a_file_is_said(run: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, why in (
        (tmp_path, "is a folder"),
        (tmp_path / "pipe", "is no regular file: name a file of its own"),
        (tmp_path / "no" / "r.html", "there is no such folder"),
    ):
        assert why in refusal(call(run, "--markdown", path))
    assert "two of the files have one name" in refusal(
        call(run, "--html", tmp_path / "r", "--json", tmp_path / "r")
    )
    assert "leave --of and -o away" in refusal(call(run, "--html", tmp_path / "r", "-o", "json"))


def test_without_matplotlib_the_page_says_how_to_get_it_and_the_others_are_written(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    said = refusal(call(run, "--html", tmp_path / "r.html"))
    assert "matplotlib is not installed" in said
    assert "-m pip install matplotlib, or write --markdown or --json" in said
    assert not (tmp_path / "r.html").exists()
    assert call(run, "--markdown", tmp_path / "r.md", "--json", tmp_path / "r.json").exit_code == 0


def test_a_folder_without_a_run_json_is_read_as_far_as_it_can_be(run: Path, tmp_path: Path) -> None:
    (run / "run.json").unlink()
    (run / "summary.json").unlink()
    assert call(run, "--json", tmp_path / "r.json").exit_code == 0
    assert "holds no run" in refusal(call(tmp_path / "none", "--json", tmp_path / "s.json"))


def test_a_name_moves_no_cursor_where_it_is_told(run: Path, tmp_path: Path) -> None:
    done = call(run, "--json", tmp_path / "r\x1b[2J.json")
    assert done.exit_code == 0
    assert "r\\x1b[2J.json" in "".join(done.stderr.split())
    assert "\x1b[2J" not in done.stderr
