"""Runs that cannot be or cannot go on, for want of a privilege, a device, a disk, a terminal, an orbit."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from test_cli_errors import FALLING

from orbitmesh.emulator.record.results import load_run

pytestmark = [pytest.mark.netns, pytest.mark.beside]

COMMAND = f"{sys.executable} -m orbitmesh.emulator.cli"
WITHOUT_PRIVILEGES = "setpriv --bounding-set=-all --inh-caps=-all --"
RING = """name = "ring"
[constellation]
shells = [{ %s }]
[compute]
satellites = 0
[run]
start = 2026-11-01T00:00:00Z
duration = "200 ms"
step = "100 ms"
rate-scale = 0.001
"""


@pytest.fixture(autouse=True)
def scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ring.toml").write_text(RING % 'code = "D:1200:60:12/1/0"')
    monkeypatch.chdir(tmp_path)


def shell(command: str) -> tuple[int, str, str]:
    """Exit status, stdout and stderr; without a traceback."""
    # under sudo a run gives its files to whoever called; that is not what is tried here
    env = {name: value for name, value in os.environ.items() if not name.startswith("SUDO_")}
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, env=env)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


def error(said: str) -> str:
    """The one sentence at the end; what stands before is progress."""
    *progress, last = said.splitlines()
    assert not any(line.startswith("orbitmesh: ") for line in progress), said
    assert last.startswith("orbitmesh: "), said
    return last.removeprefix("orbitmesh: ")


@pytest.mark.parametrize("keep", ["", "--keep"])
def test_without_privileges(keep: str) -> None:
    status, stdout, stderr = shell(f"{WITHOUT_PRIVILEGES} {COMMAND} run ring.toml {keep}")
    assert (status, stdout) == (1, "")
    assert (
        error(stderr) == "root lacks CAP_SYS_ADMIN and CAP_NET_ADMIN: run it with sudo, or in the Vagrant box"
    )
    assert list(Path("runs").iterdir()) == []


def test_links_that_carry_nothing_need_no_privileges() -> None:
    status, stdout, stderr = shell(f"{WITHOUT_PRIVILEGES} {COMMAND} run ring.toml --links fake -o json")
    assert status == 0, stderr
    assert '"backend": "fake"' in stdout


def test_without_tun_devices() -> None:
    status, stdout, stderr = shell(
        f"unshare --mount sh -c 'mount -t tmpfs none /dev/net && {COMMAND} run ring.toml --links engine'"
    )
    assert (status, stdout) == (1, "")
    assert error(stderr).startswith("/dev/net/tun is missing: load the module (modprobe tun)")


def test_a_disk_that_is_full_from_the_start(tmp_path: Path) -> None:
    status, stdout, stderr = shell(
        "mkdir small && unshare --mount bash -c 'mount -t tmpfs -o size=16k none small; "
        f"head -c 16k /dev/zero > small/theirs; {COMMAND} run ring.toml --out small/run; echo $?; ls small'"
    )
    assert (status, stdout) == (0, "1\ntheirs\n")
    assert f"cannot write {tmp_path}/small/run/run.json: No space left on device" in error(stderr)


@pytest.mark.parametrize("kib", [4, 12, 20])  # every size in between: record/test_record_ending.py
def test_a_disk_that_fills_up(kib: int) -> None:
    status, stdout, stderr = shell(
        f"mkdir small && unshare --mount bash -c 'mount -t tmpfs -o size={kib}k none small; "
        f"{COMMAND} run ring.toml --out small/run >/dev/null; echo $?; "
        f"[ ! -e small/run ] || {COMMAND} report small/run'"
    )
    assert status == 0
    assert stdout.startswith("1\n")
    assert "No space left on device" in stderr
    if kib == 4:  # less than run.json and the ending need
        assert stdout == "1\n"
        assert "orbitmesh: cannot write" in stderr
    elif stdout != "1\n":  # of 12 KiB it depends on what run.json needs
        assert re.search("ended +failed: cannot write", stdout)
    else:
        assert kib == 12


def test_a_disk_that_fills_up_under_a_run_in_the_background() -> None:
    """Nobody looks at its terminal: what it says is in its record, where its log may have no room."""
    toml = Path("ring.toml")
    toml.write_text(toml.read_text().replace("200 ms", "2 s", 1))
    status, stdout, stderr = shell(
        "mkdir small && unshare --mount bash -c 'mount -t tmpfs -o size=20k none small; "
        f"{COMMAND} run ring.toml --out small/run --detach; echo $?; "
        "head -c 1M /dev/zero > small/theirs; "
        'timeout 40 sh -c "until grep -q space small/run/ending.json; do sleep 0.1; done"; echo $?; '
        f"{COMMAND} report small/run'"
    )
    assert status == 0, stderr
    assert stdout.splitlines()[1:3] == ["0", "0"], (stdout, stderr)
    # a line of the table is broken where the folder's name is long
    assert re.search(
        "ended failed: cannot write .*small/run/.*No space left on device", " ".join(stdout.split())
    )


@pytest.mark.parametrize("out", ["theirs", "theirs/run"])
def test_a_file_in_the_place_of_the_folder(out: str) -> None:
    Path("theirs").write_text("mine")
    status, stdout, stderr = shell(f"{COMMAND} run ring.toml --out {out}")
    assert (status, stdout) == (1, "")
    assert f"cannot make the run's folder {out}: " in error(stderr)


def test_a_satellite_that_decays_during_the_run_is_told_before_it() -> None:
    Path("falling.tle").write_text(FALLING)
    Path("ring.toml").write_text(RING % 'tle = "falling.tle"')
    status, stdout, stderr = shell(f"{COMMAND} run ring.toml --duration 1h")
    assert (status, stdout) == (2, "")
    assert "falling.tle:2: satellite sat-0-0 (FALLING, catalogue number 79999) is not in orbit at" in error(
        stderr
    )
    assert "hosts" not in stderr, "it was built first"
    assert list(Path("runs").iterdir()) == []


def test_a_mesh_without_any_link() -> None:
    Path("ring.toml").write_text(RING % 'code = "D:1200:60:1/1/0"')
    status, stdout, stderr = shell(f"{COMMAND} run ring.toml -o json")
    assert status == 0, stderr
    assert '"ended": "completed"' in stdout


def test_a_terminal_that_is_closed_interrupts_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")  # one that is drawn on each second, wherever this runs
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [*COMMAND.split(), "run", "ring.toml", "--duration", "60s", "--out", "run"])
    said = b""
    while b"of 60 s" not in said:
        said += os.read(terminal, 4096)
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 129
    assert load_run("run").summary["ended"] == "interrupted"


def test_two_runs_into_one_folder() -> None:
    first = subprocess.Popen(
        [*COMMAND.split(), "run", "ring.toml", "--out", "run", "--duration", "1s"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not Path("run/run.json").exists():
            time.sleep(0.02)
        status, stdout, stderr = shell(f"{COMMAND} run ring.toml --out run")
        assert (status, stdout) == (2, "")
        assert error(stderr) == "run is not empty; name another folder with --out, or remove it"
    finally:
        assert first.wait(60) == 0


UNEVEN = """planes = [
    { altitude = "1200 km", inclination = "60 deg", raan = "0 deg", satellites = 5 },
    { altitude = "1200 km", inclination = "60 deg", raan = "120 deg", satellites = 4 },
]"""


def test_a_shell_whose_pattern_cannot_be_closed_is_named(tmp_path: Path) -> None:
    (tmp_path / "uneven.toml").write_text(RING % UNEVEN)
    status, _, stderr = shell(f"{COMMAND} run uneven.toml --links fake")
    assert status == 0, stderr
    (line,) = [line for line in stderr.splitlines() if "unequal sizes" in line]
    assert line.startswith("warning: shell 'shell-1': ")
    assert line.endswith("plane 0 (5) and plane 1 (4)")


@pytest.mark.parametrize("plane", ["wired", "fabric"])
def test_more_hosts_than_open_files_are_allowed_is_said_before_any_is_made(
    plane: str, tmp_path: Path
) -> None:
    (tmp_path / "hosts.toml").write_text(
        RING.replace("satellites = 0", "satellites = 12") % 'code = "D:1200:60:12/1/0"'
    )
    limited = "setpriv --bounding-set=-sys_resource --inh-caps=-sys_resource -- prlimit --nofile=150:150"
    status, stdout, stderr = shell(f"{limited} {COMMAND} run hosts.toml --plane {plane}")
    assert (status, stdout) == (1, "")
    said = error(stderr)
    assert said.startswith("12 nodes are to be hosts: ")
    assert "open files are needed, and at most 150 are allowed: raise the limit (ulimit -Hn " in said
    assert "hosts: 12" not in stderr  # the stage of the building
