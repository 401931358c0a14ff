"""Cells of CSV that no spreadsheet computes."""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path

import pytest

from orbitmesh.emulator.cli.options import Format
from orbitmesh.emulator.cli.output import print_rows
from orbitmesh.emulator.record.export import to_csv
from orbitmesh.emulator.record.results import load_run
from orbitmesh.emulator.spreadsheet import cell

sys.path.append(str(Path(__file__).parent / "record"))
from record_fakes import facts, record


@pytest.mark.parametrize(
    "name",
    ["=cmd|' /C calc'!A0", "=1+1", "+1+1", "-2+3+cmd", "@SUM(A1)", "\t=1", "\r=1", " =1",
     "＝1+1", "gw;=1+1", "gw\n=1", "-inf"],
)  # fmt: skip
def test_no_name_is_a_formula(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(["name", "value"], [[name, 1]], Format.CSV)
    said = capsys.readouterr().out
    for separator in ",;":  # what Excel parts cells by depends on where its user lives
        for row in csv.reader(io.StringIO(said), delimiter=separator):
            assert not [each for each in row if each.strip()[:1] in tuple("=+-@＝")], row


def test_no_name_is_a_command_to_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(["na\x1b[2Jme"], [["a\x1b]52;c;aGk=\x07b\x9bc\u202ed\n\te"]], Format.CSV)
    said = capsys.readouterr().out
    assert said == 'na\\x1b[2Jme\n"a\\x1b]52;c;aGk=\\x07b\\x9bc\\u202ed\n\te"\n'


@pytest.mark.parametrize(
    "value", ["-1", "+2.5e-3", "-.5", -1.25, None, "gw-london", "sat-0-1>sat-0-2", "a=b"]
)
def test_numbers_and_ordinary_names_stay_as_they_are(value: object) -> None:
    assert cell(value) == value


def test_a_report_s_names_are_none(tmp_path: Path) -> None:
    record(tmp_path / "run", facts())
    results = load_run(tmp_path / "run")
    results.summary["gateways"][0]["gateway"] = "=cmd|' /C calc'!A0"
    first = next(csv.reader(io.StringIO(to_csv(results).split("\n", 1)[1])))
    assert first[0] == "'=cmd|' /C calc'!A0"
