"""``compare`` on the command line: what is printed for whom, exit statuses, and each line of its document."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import html5lib
import pytest
from typer.testing import CliRunner, Result

from orbitmesh.emulator.cli.main import app

import sys  # isort: skip

sys.path.append(str(Path(__file__).parents[1] / "compare"))
from compare_fakes import Model, fewer_draws, run, with_answers

PAGE = Path(__file__).parents[2] / "docs/how-to/compare.md"


@pytest.fixture(scope="module", autouse=True)
def few() -> Iterator[None]:
    with fewer_draws(400):
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """runs/ with what the document names."""
    at = tmp_path_factory.mktemp("compared")
    (at / "runs").mkdir()
    with_answers(at / "runs/before", Model(samples=2000))
    with_answers(at / "runs/after", Model(samples=2000, noise=2, added_ms=3.0))
    run(at / "runs/before-2", Model(samples=2000, noise=3))
    run(at / "runs/before-3", Model(samples=2000, noise=4))
    run(at / "runs/other", Model(samples=2000, noise=5, seed=9))
    return at


@pytest.fixture
def orbitmesh(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(folder)
    return lambda *words: CliRunner().invoke(app, [*words])


def test_for_people_it_says_what_differs_and_how_it_was_reckoned(orbitmesh) -> None:
    done: Result = orbitmesh("compare", "runs/before", "runs/after")
    assert done.exit_code == 0, done.output
    (pair,) = re.findall(r"^udp pair .*$", done.stdout, re.MULTILINE)
    assert "+3.0" in pair
    assert " yes " in pair
    for words in ("paired by instant and pair", "blocks of", "Holm", "they were set up alike"):
        assert words in done.stdout


def test_for_programs_it_is_the_same(orbitmesh) -> None:
    told = json.loads(orbitmesh("compare", "runs/before", "runs/after", "runs/other", "-o", "json").stdout)
    assert [each["run"] for each in told["runs"]] == ["after", "other"]
    rows = list(csv.DictReader(io.StringIO(
        orbitmesh("compare", "runs/before", "runs/after", "runs/other", "-o", "csv").stdout)))  # fmt: skip
    assert len(rows) == sum(len(each["rows"]) for each in told["runs"])
    for row, same in zip(rows, (row for each in told["runs"] for row in each["rows"]), strict=True):
        assert row["more_than_noise"] == same["more_than_noise"]
        assert row["difference"] == ("" if same["difference"] is None else str(same["difference"]))
    assert told["runs"][1]["differs"] == [{"what": "seed", "base": "7", "other": "9"}]


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["p50 +1 %"], 1),
        (["p50 +90 %"], 0),
        (["udp pair +2 ms", "p50 +90 %"], 1),
        (["udp pair -2 ms"], 0),
        (["udp pair ±2 ms"], 1),
        (["udp pair +-2 ms"], 1),
        (["lost +5 %"], 0),
        (["lost +0.0001 %"], 0),  # not known, since 2,000 samples cannot exclude it
        (["availability -1 %"], 0),
        (["chat ttft p50 +1 ms"], 1),
        (["engine-lateness p99 +1 s"], 0),
    ],
)
def test_the_exit_status_goes_by_thresholds(orbitmesh, words: list[str], status: int) -> None:
    options = [word for each in words for word in ("--fail-if", each)]
    done = orbitmesh("compare", "runs/before", "runs/after", "-o", "csv", *options)
    assert done.exit_code == status, done.output
    assert ("beyond: " in done.stderr) == (status == 1)


def test_what_is_not_known_fails_where_that_is_asked(orbitmesh) -> None:
    words = ("compare", "runs/before", "runs/after", "--fail-if", "lost +0.0001 %", "--if-not-known")
    assert orbitmesh(*words, "pass").exit_code == 0
    done = orbitmesh(*words, "fail")
    assert done.exit_code == 1
    assert "not known" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["runs/before"], "one run is given"),
        (["runs/before", "runs/none"], "holds no run"),
        (["runs/before", "runs"], "holds no run"),
        (["runs/before", "runs/after", "--fail-if", "p99"], "is no threshold"),
        (["runs/before", "runs/after", "--fail-if", "+10 %"], "names no figure"),
        (["runs/before", "runs/after", "--fail-if", "p99 +10"], "is no threshold"),
        (["runs/before", "runs/after", "--fail-if", "p99 +1.2.3 ms"], "is not a number"),
        (["runs/before", "runs/after", "--fail-if", "p99 +10 km"], "has the unit 'km'"),
        (["runs/before", "runs/after", "--fail-if", "p98 +10 %"], "no row is of 'p98': did you mean 'p9"),
        (["runs/before", "runs/after", "--fail-if", "lost p99 +10 %"], "no row is of all of lost, p99"),
        (["runs/before", "runs/after", "--fail-if", "lost +1 ms"], "an hour has no duration"),
        (["runs/before", "runs/after", "--fail-if", "x" * 1000 + " +1 %"], "is no threshold"),
        (["runs/before", "runs/after", "--again", "runs/none"], "holds no run"),
    ],
)
def test_what_makes_no_sense_is_refused(orbitmesh, words: list[str], said: str) -> None:
    done = orbitmesh("compare", *words)
    assert done.exit_code == 2, done.output
    assert said in done.stderr


def test_the_page_stands_alone(orbitmesh, folder: Path) -> None:
    done = orbitmesh("compare", "runs/before", "runs/after", "--html", "page.html", "--fail-if", "p50 +1 %")
    assert done.exit_code == 1, done.output
    made = (folder / "page.html").read_text()
    html5lib.HTMLParser(strict=True).parse(made)
    assert not re.search(r"<(script|img|link|iframe)\b", made)
    assert 'http-equiv="Content-Security-Policy" content="default-src &#x27;none&#x27;' in made
    assert not re.search(r"https?:|url\(|@import", made)
    assert "beyond" in made
    again = orbitmesh("compare", "runs/before", "runs/after", "--html", "page.html")
    assert again.exit_code == 0, again.output
    (folder / "mine.txt").write_text("mine")
    for place, said in (("none/page.html", "there is no such folder"), ("mine.txt", "is there already"),
                        ("/dev/stdout", "is a link"), ("runs", "is a folder")):  # fmt: skip
        refused = orbitmesh("compare", "runs/before", "runs/after", "--html", place)
        assert refused.exit_code == 2, refused.output
        assert said in refused.stderr
    assert (folder / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize(
    "line",
    [
        line.removeprefix("$ ")
        for block in re.findall(r"```console\n(.*?)```", PAGE.read_text(), re.DOTALL)
        for line in block.splitlines()
        if line.startswith("$ orbitmesh compare")
    ],
)
def test_every_command_of_the_document_works(orbitmesh, line: str) -> None:
    done = orbitmesh(*shlex.split(line)[1:])
    # 3 ms more of some 30
    assert done.exit_code == (1 if "--fail-if" in line else 0), done.output
