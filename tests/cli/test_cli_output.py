"""Data on stdout is pure: JSON parses whole, CSV has its columns and nothing else."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orbitmesh.emulator.cli.main import app
from orbitmesh.emulator.cli.options import Format
from orbitmesh.emulator.cli.output import print_rows, say, say_what_can_be_said
from orbitmesh.emulator.scenario.scenario import SHIPPED_FOLDER

sys.path.append(str(Path(__file__).parents[1] / "record"))
from record_fakes import facts, record

runner = CliRunner()
ROWS = [("gw-a", 1.5, None), ("[red]b[/red]", 2, "x,y")]


def test_json_is_a_list_of_objects(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(("name", "value", "note"), ROWS, Format.JSON)
    assert json.loads(capsys.readouterr().out) == [
        {"name": "gw-a", "value": 1.5, "note": None},
        {"name": "[red]b[/red]", "value": 2, "note": "x,y"},
    ]


def test_csv_has_one_heading_and_empty_fields_for_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(("name", "value", "note"), ROWS, Format.CSV)
    assert capsys.readouterr().out == 'name,value,note\ngw-a,1.5,\n[red]b[/red],2,"x,y"\n'


def test_a_table_shows_what_it_is_given_and_nothing_is_markup(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(("name", "value", "note"), ROWS, Format.TABLE)
    out = capsys.readouterr().out
    assert "[red]b[/red]" in out
    assert "1.500" in out


def test_a_number_that_json_cannot_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        print_rows(("value",), [(float("nan"),)], Format.JSON)


def test_scenarios() -> None:
    listed = json.loads(runner.invoke(app, ["scenarios", "-o", "json"]).stdout)
    assert {"demo", "starlink-shell1", "ai1-pilot"} <= {scenario["name"] for scenario in listed}
    as_csv = list(csv.DictReader(io.StringIO(runner.invoke(app, ["scenarios", "-o", "csv"]).stdout)))
    assert as_csv == listed
    assert "demo" in runner.invoke(app, ["scenarios"]).stdout


def test_a_reader_who_has_had_enough_causes_no_noise() -> None:
    program = f"{sys.executable} -m orbitmesh.emulator.cli scenarios -o json | head -c 1"
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stdout == "["
    assert done.stderr == ""


@pytest.mark.parametrize("encoding", ["ascii", "iso-8859-1", "utf-8"])
@pytest.mark.parametrize(
    "verb", [["doctor"], ["scenarios"], ["status"], ["plan", "pocket", "--pair", "gw-a:gw-b"]]
)
def test_an_output_of_any_encoding(verb: list[str], encoding: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "orbitmesh.emulator.cli", *verb],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": encoding, "LC_ALL": "C"},
        timeout=60,
    )
    assert done.returncode in (0, 1, 2)
    assert b"Traceback" not in done.stderr
    (done.stdout + done.stderr).decode(encoding)


@pytest.mark.parametrize("encoding", ["ascii", "iso-8859-1"])
@pytest.mark.parametrize("verb", ["report", "run", "calibrate"])
def test_what_is_not_ascii_goes_to_an_output_that_lacks_it(verb: str, encoding: str, tmp_path: Path) -> None:
    """A title of other letters in a record; run and calibrate are refused what they are asked."""
    title = "Zürich – Łódź 東京 µs"
    if verb == "report":
        record(tmp_path / "run", facts())
        for name in ("run.json", "summary.json"):
            value = json.loads((tmp_path / "run" / name).read_bytes())
            value["scenario"]["title"] = title
            (tmp_path / "run" / name).write_text(json.dumps(value))
    text = (SHIPPED_FOLDER / "pocket.toml").read_text().replace("\ntitle = ", f'\ntitle = "{title}" # ')
    (tmp_path / "łódź.toml").write_text(text, encoding="utf-8")
    arguments = {
        "report": ["run"],
        "run": ["łódź.toml", "--links", "fake", "--duration", "1s", "--clock", "µ"],
        "calibrate": ["--out", "łódź/µ.json", "--µ"],
    }
    done = subprocess.run(
        [sys.executable, "-m", "orbitmesh.emulator.cli", verb, *arguments[verb]],
        capture_output=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "1"},
        timeout=60,
    )
    assert done.returncode == (0 if verb == "report" else 2), done.stderr
    assert b"Traceback" not in done.stderr
    said = (done.stdout + done.stderr).decode(encoding)
    assert {"report": "rich", "run": "--clock", "calibrate": "orbitmesh"}[verb] in said


@pytest.mark.netns
@pytest.mark.beside
def test_a_run_s_screen_and_report_on_an_ascii_terminal(tmp_path: Path) -> None:
    """One that succeeds, with a title of other letters."""
    text = (SHIPPED_FOLDER / "pocket.toml").read_text().replace("\ntitle = ", '\ntitle = "Łódź 東京 µs" # ')
    (tmp_path / "p.toml").write_text(text, encoding="utf-8")
    locale = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "orbitmesh.emulator.cli",
            "run",
            "p.toml",
            "--links",
            "fake",
            "--duration",
            "1s",
        ],
        capture_output=True,
        cwd=tmp_path,
        env={**os.environ, **locale},
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr
    assert "?" in done.stdout.decode("ascii")
    assert "ending; writing the record" in done.stderr.decode("ascii")


def test_what_an_encoding_lacks_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    say_what_can_be_said()
    print("3 µs", flush=True)
    assert raw.getvalue() == b"3 ?s\n"


def test_what_is_said_to_a_person_moves_no_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    say("positions: \x1b[31ma\u202e by SGP4\n  a second line µ")
    assert capsys.readouterr().err == "positions: \\x1b[31ma\\u202e by SGP4\n  a second line µ\n"
