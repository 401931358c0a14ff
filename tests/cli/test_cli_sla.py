"""``sla`` on the command line: exit statuses, formats, and the document's own rules and commands."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from orbitmesh.emulator.cli.main import app

sys.path.append(str(Path(__file__).parents[1] / "compare"))
from compare_fakes import Model, answers, run, with_answers

PAGE = (Path(__file__).parents[2] / "docs/how-to/compare.md").read_text()
(RULES,) = [block for block in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL) if "[[rules]]" in block]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    at = tmp_path_factory.mktemp("sla")
    (at / "runs").mkdir()
    with_answers(at / "runs/before", Model(samples=2000))
    (at / "rules.toml").write_text(RULES)
    return at


@pytest.fixture
def orbitmesh(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(folder)
    return lambda *words: CliRunner().invoke(app, [*words])


@pytest.mark.parametrize(
    "line",
    [
        line.removeprefix("$ ")
        for block in re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
        for line in block.splitlines()
        if line.startswith("$ orbitmesh sla")
    ],
)
def test_every_command_of_the_document_works(orbitmesh, folder: Path, line: str) -> None:
    done = orbitmesh(*shlex.split(line)[1:])
    assert done.exit_code == 0, done.output
    if "--junit" in line:
        told = json.loads(done.stdout)
        assert told["passes"]
        # of each gateway one of the third
        assert [each["each"] for each in told["results"]] == [None, None, "gw-london", "gw-tokyo", None]
        assert len(ET.parse(folder / "sla.xml").findall(".//testcase")) == 5


def test_a_rule_that_fails_is_told_and_is_the_exit_status(orbitmesh, folder: Path) -> None:
    (folder / "strict.toml").write_text(RULES.replace("120 ms", "1 ms"))
    for output in ("table", "json", "csv"):
        done = orbitmesh("sla", "runs/before", "strict.toml", "-o", output)
        assert done.exit_code == 1, done.output
        assert "1 of 5 rules fail" in done.stderr
        assert "London's tail" in done.stdout
    for place in ("none/sla.xml", "rules.toml"):
        done = orbitmesh("sla", "runs/before", "rules.toml", "--junit", place)
        assert done.exit_code == 2, done.output
    assert (folder / "rules.toml").read_text() == RULES
    assert [orbitmesh("sla", "runs/before", "rules.toml", "--junit", "x.xml").exit_code for _ in "12"] == [
        0,
        0,
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["runs/none", "rules.toml"], "holds no run"),
        (["runs/before", "none.toml"], "none.toml: there is no such file"),
        (["runs/before", "runs"], "this is a folder"),
        (["runs/before", "wrong.toml"], "wrong.toml:3: rules[0].of: 'upd' is not known here"),
    ],
)
def test_what_makes_no_sense_is_refused(orbitmesh, folder: Path, words: list[str], said: str) -> None:
    (folder / "wrong.toml").write_text('[[rules]]\nname = "a"\nof = "upd"\n')
    done = orbitmesh("sla", *words)
    assert done.exit_code == 2, done.output
    assert said in done.stderr


def test_names_move_no_cursor_and_are_no_formula(orbitmesh, folder: Path) -> None:
    at = run(folder / "runs/evil", Model(samples=400), run_id="=cmd()\x1b[2J")
    pq.write_table(answers(Model(samples=400), "=1+1\x1b[31m[red]"), at / "answers.parquet")
    (folder / "evil.toml").write_text(
        '[[rules]]\nname = "=cmd|\'/C calc\'!A0 [bold]x"\nof = "ttft"\nquantile = "p50"\nat-most = "1 s"\n'
        'each = "class"\n'
    )
    for output in ("table", "csv", "json"):
        done = orbitmesh("sla", "runs/evil", "evil.toml", "-o", output)
        assert done.exit_code == 0, done.output
        assert "\x1b" not in done.stdout
        assert "[bold]x" in done.stdout
        if output == "csv":
            assert not re.search(r"(^|,)\"?=", done.stdout, re.MULTILINE)
        compared = orbitmesh("compare", "runs/before", "runs/evil", "-o", output)
        assert compared.exit_code == 0, compared.output
        assert "\x1b" not in compared.stdout
        if output == "csv":
            assert not re.search(r"(^|,)\"?=", compared.stdout, re.MULTILINE)
