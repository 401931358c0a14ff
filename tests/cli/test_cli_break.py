"""``fail``, ``set``, ``restore``, ``faults`` and ``watch`` on a mesh that runs, without a network."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from orbitmesh.emulator import Emulation
from orbitmesh.emulator.cli.main import app
from orbitmesh.emulator.feed.feed import Missed
from orbitmesh.emulator.geometry import Geometry
from orbitmesh.emulator.scenario.scenario import loads

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))
from e2e_lab import TOY, toy


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulation]:
    out = tmp_path_factory.mktemp("run") / "toy"
    with Emulation(toy(run={"duration": "10 min"}), links="fake", out=out) as mesh:
        yield mesh


@pytest.fixture
def orbitmesh(mesh: Emulation, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    monkeypatch.setenv("ORBITMESH_RUN", mesh.run_id)
    monkeypatch.setenv("SUDO_USER", "ada")

    def called(*arguments: str) -> Result:
        return CliRunner().invoke(app, arguments)

    yield called
    called("restore", "--all")


def test_what_is_failed_is_listed_and_its_links_are_gone_until_it_is_restored(mesh, orbitmesh) -> None:
    a, b = mesh.nodes.index["sat-0-0"], mesh.nodes.index["sat-0-1"]
    assert mesh.epoch.links.find(a, b) >= 0
    done = orbitmesh("fail", "sat-0-0:sat-0-1", "gw-lima")
    assert done.exit_code == 0, done.output
    assert "sat-0-0:sat-0-1 has failed: in force" in done.stderr
    assert mesh.epoch.links.find(a, b) < 0
    assert not (mesh.epoch.links.b == mesh.nodes.index["gw-lima"]).any()
    listed = json.loads(orbitmesh("faults", "-o", "json").stdout)
    assert [(each["what"], each["by"]) for each in listed] == [("sat-0-0:sat-0-1", "ada"), ("gw-lima", "ada")]
    number = str(listed[1]["intervention"])
    assert "gw-lima is restored" in orbitmesh("restore", number).stderr
    assert (mesh.epoch.links.b == mesh.nodes.index["gw-lima"]).any()
    assert orbitmesh("restore", "--all").exit_code == 0
    assert mesh.epoch.links.find(a, b) >= 0
    assert "nothing is failed" in orbitmesh("faults").stderr


def test_what_is_failed_again_at_once_does_not_end_the_ticks(mesh, orbitmesh) -> None:
    for words in (["fail", "sat-2-0:sat-2-1"], ["restore", "--all"], ["fail", "sat-2-0:sat-2-1", "sat-2-0"]):
        assert orbitmesh(*words).exit_code == 0
    json.loads(orbitmesh("faults", "-o", "json").stdout)  # which counts what each has cost
    before = len(mesh.ticks.cost_ns)
    deadline_s = time.monotonic() + 30
    while len(mesh.ticks.cost_ns) <= before:
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


def test_sets_are_failed_and_restored_whole_and_what_was_failed_of_them(mesh, orbitmesh) -> None:
    gateways = [mesh.nodes.index[name] for name in mesh.nodes.names if name.startswith("gw-")]
    done = orbitmesh("fail", "gw-*", "sat-0-*:sat-0-*")
    assert done.exit_code == 0, done.output
    assert "gw-* has failed: in force" in done.stderr
    assert "no such link" not in done.stderr  # some of them are there
    links, plane = mesh.epoch.links, mesh.nodes.plane
    assert not np.isin(links.b, gateways).any()
    assert not ((plane[links.a] == 0) & (plane[links.b] == 0)).any()
    orbitmesh("fail", "gw-lima", "gw-lima/antenna", "sat-1-0:gw-lima", "sat-0-1:sat-0-0", "sat-0-0")
    assert orbitmesh("restore", "gw-l*").stderr.startswith("gw-lima is restored")
    listed = json.loads(orbitmesh("faults", "-o", "json").stdout)
    assert [each["what"] for each in listed] == [
        "gw-*", "sat-0-*:sat-0-*", "gw-lima/antenna", "sat-1-0:gw-lima", "sat-0-1:sat-0-0", "sat-0-0",
    ]  # fmt: skip
    assert orbitmesh("restore", "sat-0-*:*", "gw-*/antenna", "gw-*").exit_code == 0
    listed = json.loads(orbitmesh("faults", "-o", "json").stdout)
    assert [each["what"] for each in listed] == ["sat-1-0:gw-lima", "sat-0-0"]
    orbitmesh("fail", "sat-1-*")
    for wrong, says in (
        ("gw-*", "'gw-*' has not been failed or changed; in force: sat-0-0, sat-1-*, sat-1-0:gw-lima"),
        ("gw-x*", "no node is called like 'gw-x*'"),
        ("sat-1-[01]", "'sat-1-[01]' is a part of 'sat-1-*': restore that"),
        ("sat-1-3", "'sat-1-3' is a part of 'sat-1-*': restore that"),
    ):
        done = orbitmesh("restore", wrong)
        assert done.exit_code == 2
        assert says in done.stderr
    orbitmesh("restore", "sat-1-*")
    assert "sat-[12]-* is changed" in orbitmesh("set", "sat-[12]-*", "--rate", "1Mbit/s").stderr
    links = mesh.epoch.links
    changed = np.isin(plane[links.a], [1, 2])
    assert changed.any()
    assert (links.rate_ab_bps[changed] == 10**6).all()


def test_of_a_link_that_is_not_there_it_is_said(orbitmesh) -> None:
    assert "sat-0-0:sat-3-3: no such link is up now" in orbitmesh("fail", "sat-0-0:sat-3-3").stderr
    again = orbitmesh("fail", "sat-0-1:sat-0-2", "sat-4-4")
    assert "no such link" not in again.stderr


def test_a_link_is_slowed_for_a_while(mesh, orbitmesh) -> None:
    a, b = mesh.nodes.index["sat-1-0"], mesh.nodes.index["sat-1-1"]
    done = orbitmesh("set", "sat-1-0:sat-1-1", "--rate", "3 Mbit/s", "--delay", "7ms", "--for", "1h")
    assert "sat-1-0:sat-1-1 is changed until" in done.stderr
    assert mesh.epoch.links.rate_ab_bps[mesh.epoch.links.find(a, b)] == 3_000_000
    assert "7" in orbitmesh("faults").stdout
    orbitmesh("set", "sat-1-0:sat-1-1", "--delay", "1ms", "--for", "50ms")
    time.sleep(0.1)
    assert len(json.loads(orbitmesh("faults", "-o", "json").stdout)) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fail", "sat-0-99"], "there is no node 'sat-0-99'"),
        (["fail", "plane-99"], "planes are plane-0 to plane-5"),
        (["fail", "sat-0-0", "--for", "0s"], "no time at all"),
        (["fail", "sat-0-0", "--for", "soon"], "is not a quantity"),
        (["fail", "gw-lima:gw-tokyo"], "is no link that can be"),
        (["fail", "\x1b[31mx"], r"no node is called like '\x1b[31mx'"),
        (["fail", "\x1b]31mx"], r"there is no node '\x1b]31mx'"),
        (["set", "sat-0-0"], "nothing is to change"),
        (
            ["set", "sat-0-0", "--rate", "0 bit/s"],
            "--rate: '0 bit/s': write more than 0 and at most 1000 Tbit/s",
        ),
        (["set", "sat-0-0", "--delay", "1h"], "--delay: '1h': at most 10 s can be added"),
        (["restore"], "name what is to be restored, or --all"),
        (["restore", "sat-3-3"], "has not been failed or changed; in force: nothing"),
        (["restore", "sat-3-3", "--all"], "name what is to be restored, or --all"),
    ],
)
def test_what_makes_no_sense_is_refused(orbitmesh, arguments: list[str], words: str) -> None:
    done = orbitmesh(*arguments)
    assert done.exit_code == 2, done.output
    assert words in done.stderr
    assert json.loads(orbitmesh("faults", "-o", "json").stdout) == []


def _blocks(kind: str) -> list[str]:
    page = (Path(__file__).parents[2] / "docs/how-to/faults.md").read_text()
    return re.findall(rf"```{kind}\n(.*?)```", page, re.DOTALL)


def test_the_document_s_commands_do_what_it_says(orbitmesh) -> None:
    (commands,) = _blocks("console")
    for line in commands.splitlines():
        done = orbitmesh(*shlex.split(line.removeprefix("$ sudo orbitmesh ")))
        assert done.exit_code == 0, (line, done.output)
    assert json.loads(orbitmesh("faults", "-o", "json").stdout) == []


def test_the_document_s_faults_are_those_of_a_scenario() -> None:
    (faults,) = _blocks("toml")
    longer = TOY.read_text().replace('duration = "5 s"', 'duration = "5 min"')
    found = Geometry(loads(longer + faults)).interventions
    assert [each.what for each in found.in_force(25 * 10**9)][:4] == [
        "sat-2-2:sat-2-3", "sat-0-0:sat-0-1", "plane-3", "gw-tokyo/antenna",
    ]  # fmt: skip


@pytest.mark.parametrize("output", ["json", "table"])
def test_events_are_printed_as_they_come(orbitmesh, output: str) -> None:
    argv = [sys.executable, "-m", "orbitmesh.emulator.cli", "watch", "-o", output]
    over = threading.Event()

    def breaks_and_mends() -> None:  # whenever it has begun to watch
        while not over.wait(0.2):
            orbitmesh("fail", "sat-4-4")
            orbitmesh("restore", "sat-4-4")

    breaking = threading.Thread(target=breaks_and_mends, daemon=True)
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        breaking.start()
        said = next(line for line in watching.stdout if "intervention" in line and "ended" not in line)
        over.set()
        watching.send_signal(signal.SIGINT)
        assert watching.wait(20) == 130
    breaking.join()
    if output == "json":
        event = json.loads(said)
        assert (event["event"], event["what"], event["by"]) == ("intervention", "sat-4-4", "ada")
    else:
        line = r"[\d.]+ s  intervention: sat-4-4 fails, by ada\n"
        assert re.fullmatch(line, said.lstrip()), said


def test_events_have_no_columns(orbitmesh) -> None:
    assert orbitmesh("watch", "-o", "csv").exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["fail", "sat-0-0", "--for", "1ms"], "1 ms is shorter than links can follow: at least 50 ms"),
        (
            ["set", "sat-0-0", "--rate", "0bit/s"],
            "--rate: '0bit/s': write more than 0 and at most 1000 Tbit/s",
        ),
        (["set", "sat-0-0", "--rate", "1001 Tbit/s"], "--rate: '1001 Tbit/s': write more than 0 and at most"),
        (["fail", "plane-\N{ARABIC-INDIC DIGIT THREE}"], "there is no"),
    ],
)
def test_what_cannot_be_in_force_is_refused_in_the_units_of_whoever_asks(orbitmesh, arguments, said) -> None:
    done = orbitmesh(*arguments)
    assert done.exit_code == 2
    assert said in done.stderr
    assert "nothing is failed" in orbitmesh("faults").stderr


def test_hundreds_that_fail_at_once_are_all_told_and_push_nothing_out_of_the_feed(mesh, orbitmesh) -> None:
    watching = mesh.feed.reader()
    names = [f"{mesh.nodes.names[a]}:{mesh.nodes.names[b]}" for a in range(48) for b in range(a + 1, 48)]
    assert len(names) > 1000
    assert mesh.feed.next_number > 0
    mesh.fail(*names)
    mesh.restore()
    told, missed = {"intervention": 0, "intervention ended": 0}, 0
    while (news := watching.read(0)) is not None:
        if isinstance(news, Missed):
            missed += len(news)
        elif news.kind == "event" and news.value["event"] in told:
            told[news.value["event"]] += news.value.get("n", 1)
    assert (told, missed) == ({"intervention": len(names), "intervention ended": len(names)}, 0)
    deadline_s = time.monotonic() + 20
    while (
        n := (mesh.out / "events.jsonl").read_text().count(names[-1])
    ) < 2 and time.monotonic() < deadline_s:
        time.sleep(0.1)
    assert n == 2
    assert (mesh.out / "events.jsonl").read_text().count('"intervention ended"') >= len(names)
