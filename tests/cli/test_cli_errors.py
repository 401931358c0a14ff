"""Whatever is wrong: one sentence on stderr, the right exit status, no traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer

from orbitmesh.emulator.cli import ending
from orbitmesh.emulator.errors import HostError, ScenarioError

GOOD = """name = "one"
[constellation]
shells = [{ code = "S:780:86.4:66/6/1" }]
[run]
start = 2026-11-01T00:00:00Z
"""


def orbitmesh(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "orbitmesh.emulator.cli", *map(str, arguments)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def one_sentence(done: subprocess.CompletedProcess[str], status: int) -> str:
    assert done.returncode == status, done.stderr
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("orbitmesh: ")
    return lines[0].removeprefix("orbitmesh: ")


@pytest.mark.parametrize("verb", [["plan", "--pair", "gw-a:gw-b"], ["run"]])
def test_a_wrong_scenario_names_file_line_and_key(verb: list[str], tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(GOOD + 'step = "1 s"\ndurration = "60 s"\n')
    said = one_sentence(orbitmesh(verb[0], path, *verb[1:]), 2)
    assert said.startswith(f"{path}:7: run.durration: ")
    assert "duration" in said.removeprefix(f"{path}:7: run.durration: ")


def test_a_scenario_that_is_not_there() -> None:
    assert "no-such-scenario" in one_sentence(orbitmesh("run", "no-such-scenario"), 2)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "demo", "--duration", "60"], "--duration: '60' has no unit"),
        (["plan", "demo", "--pair", "gw-london"], "--pair: 'gw-london' is not a pair"),
        (["plan", "demo", "--pair", "gw-london:gw-tokyo", "--start", "noon"], "--start: 'noon'"),
        (["report", "no-such-run"], "no-such-run holds no run"),
        (["clean", "no-such-run"], "no-such-run holds no run"),
    ],
)
def test_a_wrong_option_names_itself(arguments: list[str], said: str) -> None:
    assert one_sentence(orbitmesh(*arguments), 2).startswith(said)


@pytest.mark.parametrize(
    "verb", [["status"], ["down"], ["exec", "gw-london", "--", "true"], ["ping", "a", "b"]]
)
def test_a_mesh_that_is_not_running(verb: list[str]) -> None:
    said = one_sentence(orbitmesh(verb[0], "--run", "no-such-run", *verb[1:]), 2)
    assert "no-such-run" in said


def test_debugging_shows_the_traceback() -> None:
    done = orbitmesh("run", "no-such-scenario", ORBITMESH_DEBUG="1")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "ScenarioError" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run"], "missing argument 'SCENARIO'; see: orbitmesh run --help"),
        (["fly"], "no such command 'fly'; see: orbitmesh --help"),
        (["plan", "pocket"], "--pair: no pair of nodes is given, and the scenario has no [[customers]]"),
        (["scenarios", "-o", "xml"], "invalid value for '--output' / '-o': 'xml' is not one of"),
        (["status", "--quickly"], "no such option: --quickly"),
    ],
)
def test_a_wrong_command_line(arguments: list[str], said: str) -> None:
    assert one_sentence(orbitmesh(*arguments), 2).startswith(said)


PLANE = """name = "faulty"
[constellation]
shells = [{ %s }]
[ground]
min-elevation = "10 deg"
[[ground.stations]]
name = "pole"
latitude = "90 deg"
longitude = "0 deg"
[run]
start = 2026-11-01T01:00:00Z
"""
# at 140 km, with a drag that brings it down within minutes of its epoch, 2026-11-01T00:00:00Z
FALLING = """FALLING
1 79999U 26001A   26305.00000000  .00000000  00000-0  50000-1 0  9994
2 79999  70.0000   0.0000 0001000   0.0000  28.6479 16.49749215    18
"""


@pytest.mark.parametrize(
    ("shell", "key", "said"),
    [
        ('code = "D:550:30:24/3/1"', "faulty.toml:6: ground.stations[0]", "station 'pole' never sees"),
        ('tle = "wrong.tle"', "wrong.tle:2", "columns 21 to 32 hold '05.00000000 '"),
        ('tle = "falling.tle"', "falling.tle:2", "satellite sat-0-0 (FALLING, catalogue number 79999) is"),
        ('tle = "gone.tle"', "faulty.toml:3: constellation.shells[0].tle", "there is no file"),
    ],
)  # fmt: skip
def test_elements_and_stations_that_cannot_be(shell: str, key: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "faulty.toml").write_text(PLANE % shell)
    (tmp_path / "falling.tle").write_text(FALLING)
    (tmp_path / "wrong.tle").write_text(FALLING.replace("26001A  ", "26001A "))
    done = orbitmesh(
        "plan", tmp_path / "faulty.toml", "--pair", "pole:sat-0-0", "--duration", "1s", "-o", "csv"
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert f"{tmp_path}/{key}: {said}" in done.stderr.splitlines()[-1]


def test_a_reader_that_has_had_enough() -> None:
    plan = "plan demo --pair gw-london:gw-tokyo --duration 20s --step 10ms -o csv"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {sys.executable} -m orbitmesh.emulator.cli {plan} | head -2"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.startswith("t_ns,src,dst,rtt_ns,hops,path\n0,gw-london,gw-tokyo,")
    assert done.returncode == 0, "nothing failed"
    said = "lasers across planes: polar nearest: 0 slots from plane to plane\nground links: nearest\n"
    assert done.stderr == said


@pytest.mark.parametrize("arguments", [["--help"], ["plan", "--help"], ["--version"], ["scenarios"]])
def test_a_full_disk_behind_stdout(arguments: list[str]) -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run(
            [sys.executable, "-m", "orbitmesh.emulator.cli", *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.stderr.startswith("orbitmesh: the output: No space left on device: make room there, or")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)


def test_a_full_disk_behind_stderr() -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123
        argv = [sys.executable, "-m", "orbitmesh.emulator.cli", "plan", "no-such"]
        assert subprocess.run(argv, stderr=full).returncode == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["report", "./" + "x" * 5000], "xxx…"),
        (["plan", "y" * 5000, "--pair", "a:b"], "yyy"),
        (["plan", "pocket", "--pair", "a:b", "--duration", "٣s"], "'٣s' is not a quantity"),
        (["plan", "pocket", "--pair", "a:b", "--duration", "1e٣s"], "has the unit"),
        (["ping", "a", "b", "-c", "1000001"], "less than or equal to 1000000"),
        (["exec", "a", "--", ""], "the name of the program is empty"),
    ],
)
def test_what_is_repeated_is_short(arguments: list[str], said: str) -> None:
    sentence = one_sentence(orbitmesh(*arguments), 2)
    assert said in sentence
    assert len(sentence) < 600


def test_no_stdout_at_all() -> None:
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m orbitmesh.emulator.cli scenarios <&- >&-"],
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")


# ---- the guard itself


def status_of(error: BaseException) -> int:
    def verb() -> None:
        raise error

    with pytest.raises(typer.Exit) as caught:
        ending.guarded(verb)()
    return int(caught.value.exit_code)


def test_errors_become_exit_statuses(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ORBITMESH_DEBUG", raising=False)
    assert status_of(ScenarioError("is wrong", path="a.toml", line=3, key="run.step")) == 2
    assert status_of(HostError("two\nlines")) == 1
    assert status_of(OSError(28, "No space left on device", "/there")) == 1
    assert capsys.readouterr().err.splitlines() == [
        "orbitmesh: a.toml:3: run.step: is wrong",
        "orbitmesh: two lines",
        "orbitmesh: /there: No space left on device: make room there, or write it elsewhere "
        "(ORBITMESH_DEBUG=1 shows where)",
    ]
    assert status_of(KeyboardInterrupt()) == 130
    assert status_of(ending.Interrupted(signal.SIGTERM)) == 143


def test_a_defect_is_not_hidden() -> None:
    def verb() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ending.guarded(verb)()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_unwinds_and_the_second_does_not_break_off_the_cleaning(
    number: signal.Signals,
) -> None:
    handlers = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    cleaned = False

    def unwound() -> None:
        nonlocal cleaned
        with ending.interruptible():
            try:
                os.kill(os.getpid(), number)
                time.sleep(5)
            finally:
                os.kill(os.getpid(), number)
                time.sleep(0.01)
                cleaned = True

    with pytest.raises(ending.Interrupted) as caught:
        unwound()
    assert caught.value.number == number
    assert cleaned
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == handlers
