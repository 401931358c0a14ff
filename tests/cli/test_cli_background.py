"""A mesh in the background: it outlives its terminal; ``top``, ``contacts``, ``passes`` from its present."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from background_lab import Background, Terminal

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))
from e2e_lab import TOY


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Background]:
    """Started at a terminal that is closed once it is ready."""
    made = Background(tmp_path_factory.mktemp("background"))
    (made.folder / "toy.toml").write_text(TOY.read_text())
    terminal = Terminal(
        "run", "toy.toml", "--links", "fake", "--duration", "10min", "--detach", "--keep", cwd=made.folder
    )
    said = terminal.read_until(lambda text: b"orbitmesh down" in text).decode()
    assert "stays in the background until orbitmesh down" in said
    assert terminal.status() == 0
    terminal.close()
    (run,) = (made.folder / "runs").iterdir()
    made.run_id = run.name
    assert made.run_id in said
    yield made
    made.end()


def test_it_outlives_its_terminal_and_what_it_says_is_in_its_folder(mesh: Background) -> None:
    assert mesh.run_id in mesh("list", "-o", "csv").stdout
    assert json.loads(mesh("status", "-o", "json").stdout)["run_id"] == mesh.run_id
    assert (mesh.folder / "runs" / mesh.run_id / "run.log").is_file()
    (row,) = [row for row in json.loads(mesh("list", "-o", "json").stdout) if row["run_id"] == mesh.run_id]
    assert (row["ended"], row["scenario"]) == ("running", "toy")


@pytest.mark.parametrize(
    ("scenario", "status"), [("gone.toml", 2), ("wrong.toml", 2), ("toy.toml --out /proc/no", 1)]
)
def test_a_start_that_fails_ends_as_a_run_in_front(mesh: Background, scenario: str, status: int) -> None:
    (mesh.folder / "wrong.toml").write_text(TOY.read_text().replace("step = ", "stop = "))
    plain, behind = (mesh("run", *scenario.split(), "--links", "fake", *more) for more in ((), ("--detach",)))
    assert (plain.returncode, behind.returncode) == (status, status)
    last = [done.stderr.splitlines()[-1] for done in (plain, behind)]
    assert all(line.startswith("orbitmesh: ") for line in last)
    if status == 2:
        assert last[0] == last[1]
    assert behind.stdout == ""


def test_top_is_a_snapshot_where_there_is_no_terminal(mesh: Background) -> None:
    done = mesh("top")
    assert done.returncode == 0, done.stderr
    assert mesh.run_id in done.stdout
    assert "ticks late" in done.stdout


@pytest.mark.parametrize(("key", "status"), [(b"q", 0), (b"\x03", 0)])
def test_top_is_drawn_anew_until_a_key(mesh: Background, key: bytes, status: int) -> None:
    terminal = Terminal("top", "--run", mesh.run_id, cwd=mesh.folder)
    terminal.read_until(lambda text: text.count(b"ticks late") >= 2)
    os.write(terminal.fd, key)
    assert terminal.status() == status
    terminal.close()
    assert mesh("status").returncode == 0, "the mesh goes on"


def test_contacts_and_passes_begin_at_the_present_of_the_run(mesh: Background) -> None:
    before_ns = json.loads(mesh("status", "-o", "json").stdout)["elapsed_ns"]
    seen = json.loads(
        mesh("contacts", "gw-lima", "gw-tokyo", "--way", "--duration", "1s", "-o", "json").stdout
    )
    assert seen[0]["begin_ns"] == 0
    assert seen[-1]["end_ns"] == 10**9
    assert seen[0]["path"].startswith("gw-lima>")
    people = mesh("passes", "gw-lima").stdout
    minute = int(before_ns // 10**9 // 60)
    assert f"T00:{minute:02d}" in people or f"T00:{minute + 1:02d}" in people or "T01:" in people


def test_a_way_ahead_knows_what_is_failed_by_hand(mesh: Background) -> None:
    assert mesh("fail", "gw-lima").returncode == 0
    try:
        asked = ("contacts", "gw-lima", "gw-tokyo", "--way", "--duration", "1s", "-o", "json")
        assert [row["path"] for row in json.loads(mesh(*asked).stdout)] == [None]
    finally:
        assert mesh("restore", "--all").returncode == 0
