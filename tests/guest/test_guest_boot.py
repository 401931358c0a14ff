"""A guest from its start to its end, for real."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orbitmesh.emulator.errors import GuestError
from orbitmesh.emulator.guest import boot

ROOT = Path(__file__).parents[2]
ORBITMESH = [sys.executable, "-m", "orbitmesh.emulator.cli"]
GONE_TIMEOUT_S = 10.0


@pytest.fixture(autouse=True)
def _a_kernel() -> None:
    if os.environ.get("ORBITMESH_GUEST"):
        pytest.skip("needs a machine: no guest runs inside a guest")
    if shutil.which("linux.uml") is None:
        pytest.skip("needs User-mode Linux: vagrant/provision.sh --guest")


class Place:
    """A temporary folder of one test's own, so that what a guest leaves can be told from others'."""

    def __init__(self, root: Path) -> None:
        # short, and open to others: one test runs as another user
        self.tmp = root
        self.environment = os.environ | {"TMPDIR": str(root)}

    def guest(self, *arguments: str | Path, **more: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*ORBITMESH, "guest", *map(str, arguments)],
            capture_output=True, text=True, timeout=240, env=self.environment, **more,
        )  # type: ignore[call-overload,no-any-return]  # fmt: skip

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*ORBITMESH, "guest", *arguments], stdout=subprocess.PIPE, text=True, env=self.environment
        )

    def left(self) -> list[str]:
        """Folders, and processes by their command lines: a guest's name its folder."""
        found = [str(path) for path in self.tmp.iterdir()]
        for process in Path("/proc").glob("[0-9]*"):
            try:
                command = (process / "cmdline").read_bytes()
            except OSError:
                continue  # it ended while we looked
            if str(self.tmp / "orbitmesh-guest-").encode() in command:
                found.append(command.decode().replace("\0", " "))
        return found

    def check_nothing_left(self) -> None:
        deadline_s = time.monotonic() + GONE_TIMEOUT_S
        while (left := self.left()) and time.monotonic() < deadline_s:
            time.sleep(0.05)
        assert not left


@pytest.fixture
def place() -> Iterator[Place]:
    with tempfile.TemporaryDirectory(prefix="orbitmesh test ") as folder:  # spaces must do no harm
        Path(folder).chmod(0o755)
        yield Place(Path(folder))


def test_the_hosts_files_a_private_layer_and_a_folder_that_stays(place: Place, tmp_path: Path) -> None:
    out, cwd = tmp_path / "out, with: marks", tmp_path / "here"
    out.mkdir()
    cwd.mkdir()
    mark = secrets.token_hex(8)
    (cwd / "given").write_text(f"{mark}\n")
    script = """
        id -u; pwd; cat given; echo "$0" "$MARK"
        uname -r; hostname; python -c 'import sys; print(sys.prefix)'; test -t 1 || echo no terminal
        echo to stderr >&2
        echo changed > given; echo new > new; echo kept > "$1/kept"; cat given
        exit 7
    """
    place.environment |= {"MARK": "a b\tc", "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = place.guest("exec", "--write", out, "--", "sh", "-ec", script, "na me", out, cwd=cwd)
    assert done.returncode == 7, done.stderr
    assert done.stderr == "to stderr\n"
    uid, pwd, given, words, release, hostname, prefix, terminal, changed = done.stdout.splitlines()
    assert (uid, pwd, terminal, changed) == ("0", str(cwd), "no terminal", "changed")
    assert given == mark
    assert words == "na me a b\tc"
    assert release != os.uname().release
    assert hostname == os.uname().nodename
    assert prefix == sys.prefix
    assert (cwd / "given").read_text() == f"{mark}\n"
    assert [path.name for path in cwd.iterdir()] == ["given"]
    assert (out / "kept").read_text() == "kept\n"
    place.check_nothing_left()


def test_every_byte_arrives_at_a_slow_reader(place: Place) -> None:
    with place.start("exec", "--", "seq", "1", "100000") as process:
        assert process.stdout is not None
        time.sleep(4)
        assert process.stdout.read() == "".join(f"{n}\n" for n in range(1, 100_001))
    assert process.returncode == 0


def test_a_signal_reaches_the_command_and_nothing_is_left(place: Place) -> None:
    script = "trap 'echo ending; exit 0' INT; echo up; while :; do sleep 0.05; done"
    with place.start("exec", "--", "bash", "-c", script) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == "ending\n"
    assert process.returncode == 130
    place.check_nothing_left()


@pytest.mark.parametrize("up", [False, True], ids=["while it boots", "while it runs"])
def test_nothing_is_left_by_sigkill(place: Place, up: bool) -> None:
    with place.start("exec", "--", "sh", "-c", "sleep 99 & echo up; while :; do :; done") as process:
        assert process.stdout is not None
        if up:
            assert process.stdout.readline() == "up\n"
        else:
            while not any("linux" in line for line in place.left()):
                time.sleep(0.01)
        process.kill()
    place.check_nothing_left()


def one_sentence(done: subprocess.CompletedProcess[str], status: int) -> str:
    """The last line, which is the sentence; before it may stand the end of the console."""
    assert done.returncode == status, done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("orbitmesh: ")
    return last.removeprefix("orbitmesh: ")


def test_a_command_that_hangs_or_is_not_there(place: Place) -> None:
    said = one_sentence(place.guest("exec", "--timeout", "1s", "--", "sleep", "99"), 1)
    assert said.startswith("the command in the guest was still running after 1 s")
    assert "--timeout" in said
    done = place.guest("exec", "--", "no-such-program")
    assert "no-such-program: No such file or directory" in one_sentence(done, 127)
    place.check_nothing_left()


def test_a_guest_that_breaks_down_shows_the_end_of_its_console(place: Place) -> None:
    done = place.guest("exec", "--", "sh", "-c", "echo c > /proc/sysrq-trigger")
    said = one_sentence(done, 1)
    assert "Kernel panic - not syncing: sysrq triggered crash" in said
    assert len(done.stderr.splitlines()) > 3
    (log,) = place.tmp.iterdir()
    assert str(log) in said
    assert "Kernel panic" in log.read_text(errors="replace")


def test_a_program_that_is_no_kernel(place: Place, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "lib").mkdir()
    (tmp_path / "bin/linux.uml").symlink_to("/bin/true")
    kernel = tmp_path / "bin/kernel"
    kernel.write_text("#!/bin/sh\necho no room on this machine\n")
    kernel.chmod(0o755)
    (tmp_path / "lib/uml/modules/1").mkdir(parents=True)
    (tmp_path / "lib/uml/modules/1/modules.dep").write_text("")
    said = one_sentence(place.guest("exec", "--kernel", kernel, "--", "true"), 1)
    assert "did not boot: it said 'no room on this machine'" in said


def test_a_guest_that_takes_too_long(
    monkeypatch: pytest.MonkeyPatch, place: Place, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(boot, "BOOT_TIMEOUT_S", 0.05)
    monkeypatch.setattr(tempfile, "tempdir", str(place.tmp))
    with pytest.raises(GuestError, match=r"did not boot within 0\.05 s"):
        boot.run(boot.Order(["true"]))
    for log in place.tmp.glob("*.log"):
        log.unlink()
    place.check_nothing_left()


def as_nobody(folder: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a Python program as a user without any rights, with this project on its path."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("needs root and setpriv, to become somebody else")
    packages = folder / "packages/orbitmesh"
    packages.mkdir(parents=True)
    (packages / "emulator").symlink_to(ROOT / "emulator")

    def run(python: str, program: str) -> subprocess.CompletedProcess[str]:
        command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", python, "-c", program]
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(packages.parent)}
        return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, cwd="/")

    return run


def test_a_user_without_root_is_root_inside(place: Place) -> None:
    """By a Python that this user may execute: the one of the tests may be in somebody's home."""
    run = as_nobody(place.tmp)
    probe = "import os, sys, orbitmesh.emulator; assert sys.version_info >= (3, 11); os.stat(sys.executable)"
    for python in (sys.executable, "/usr/bin/python3"):
        if run(python, probe).returncode == 0:
            break
    else:
        pytest.skip("needs a Python >= 3.11, and a checkout, that others may read")
    out = place.tmp / "out"
    out.mkdir()
    out.chmod(0o777)
    script = f"id -u; tc qdisc add dev lo root netem delay 1ms; unshare --net true; echo x >'{out}/x'"
    program = (
        "from orbitmesh.emulator.guest.boot import Order, run; from pathlib import Path\n"
        f"raise SystemExit(run(Order(['sh', '-ec', {script!r}], writable=[Path({str(out)!r})])))"
    )
    done = run(python, program)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "0\n"
    assert (out / "x").stat().st_uid == 65534


@pytest.mark.timeout(300)  # several Python processes on one slow CPU
def test_a_run_brings_its_record_out(place: Place, tmp_path: Path) -> None:
    out, scenario = tmp_path / "record", tmp_path / "small.toml"
    toy = (ROOT / "tests/e2e/toy.toml").read_text()
    scenario.write_text(toy.replace("satellites = 8", "satellites = 1").replace(":48/6/1", ":24/4/1"))
    done = place.guest(
        "run",
        scenario,
        "--duration",
        "1s",
        "--links",
        "engine",
        "--out",
        out,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "guest kernel up in" in done.stderr
    assert {"run.json", "summary.json", "samples.parquet"} <= {path.name for path in out.iterdir()}
    assert str(out) in done.stdout
    place.check_nothing_left()


@pytest.mark.timeout(300)
def test_tests_run_inside(place: Place) -> None:
    done = place.guest("test", "-q", "tests/guest/test_guest_inside.py", "tests/guest/test_guest_machine.py")
    assert done.returncode == 0, done.stdout
    assert "11 passed, " in done.stdout
    assert "deselected" in done.stdout
    place.check_nothing_left()
