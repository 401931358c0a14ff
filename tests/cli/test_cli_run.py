"""``run`` in real namespaces, as a script would call it."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = [pytest.mark.netns, pytest.mark.beside]

SCENARIO = """name = "pair"
[constellation]
shells = [{ code = "D:1200:60:48/6/1" }]
[ground]
min-elevation = "10 deg"
stations = [{ name = "london", latitude = "51.5 deg", longitude = "-0.1 deg" }]
[compute]
satellites = 2
[compute.probes]
interval = "100 ms"
[run]
start = 2026-11-01T00:00:00Z
duration = "1 s"
step = "500 ms"
rate-scale = 0.001
"""


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "pair.toml").write_text(SCENARIO)
    return subprocess.run(
        [sys.executable, "-m", "orbitmesh.emulator.cli", "run", "pair.toml", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_summary_alone_is_on_stdout(tmp_path: Path) -> None:
    done = run(tmp_path, "-o", "json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["ended"] == "completed"
    assert summary["run_id"] in done.stderr
    record = tmp_path / "runs" / summary["run_id"]
    assert json.loads((record / "summary.json").read_text())["run_id"] == summary["run_id"]
    again = subprocess.run(
        [sys.executable, "-m", "orbitmesh.emulator.cli", "report", summary["run_id"], "-o", "csv"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert again.stdout.splitlines()[0].startswith("gateway,kind,"), again.stderr
    assert again.stdout.splitlines()[1].startswith("gw-london,")
    assert again.stderr == ""


def test_its_last_line_says_how_others_are_shown_it(tmp_path: Path) -> None:
    done = run(tmp_path, "--out", "a record")
    assert done.returncode == 0, done.stderr
    for_others, again = done.stderr.splitlines()[-1].split("; ")
    assert again == "orbitmesh web 'a record' shows it again, on the globe"
    words = shlex.split(
        for_others.removesuffix(" writes this for others, with figures").replace("FILE", "page.html")
    )
    subprocess.run(
        [sys.executable, "-m", "orbitmesh.emulator.cli", *words[1:]], cwd=tmp_path, check=True, timeout=60
    )
    assert (tmp_path / "page.html").read_text().startswith("<!DOCTYPE html>")


def test_a_folder_that_is_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "record").mkdir()
    (tmp_path / "record/notes.txt").write_text("mine")
    done = run(tmp_path, "--out", "record")
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert "record is not empty" in done.stderr
    assert [path.name for path in (tmp_path / "record").iterdir()] == ["notes.txt"]


def test_a_detached_run_ends_with_its_duration(tmp_path: Path) -> None:
    done = run(tmp_path, "--detach")
    assert done.returncode == 0, done.stderr
    run_id = done.stdout.strip()
    assert f"{run_id} stays in the background for its 1 s" in done.stderr
    record = tmp_path / "runs" / run_id
    deadline_s = time.monotonic() + 30
    while not (log := record / "run.log").is_file() or not re.search(r"ended +completed", log.read_text()):
        assert time.monotonic() < deadline_s, done.stderr
        time.sleep(0.1)
    assert json.loads((record / "summary.json").read_text())["ended"] == "completed"
