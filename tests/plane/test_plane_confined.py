"""What a program of ``exec`` sees and reaches of the machine, and how signals and its end go to and fro."""

from __future__ import annotations

import errno
import fcntl
import os
import pty
import signal
import socket
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from orbitmesh.emulator.plane.kernel import namespaces
from orbitmesh.emulator.stopped import is_stopped

pytestmark = [pytest.mark.netns, pytest.mark.beside]
CALLER = str(Path(__file__).with_name("confined_caller.py"))
SHELL = str(Path(__file__).with_name("confined_shell.py"))

COUNTS = """
import pathlib, signal, sys, time
got = []
signal.signal(signal.SIGINT, lambda *_: got.append("INT"))
signal.signal(signal.SIGTERM, lambda *_: got.append("TERM"))
print("up", flush=True)
until = time.monotonic() + 20
while not got and time.monotonic() < until:
    time.sleep(0.01)
time.sleep(0.3)
print(*got)
sys.exit(5)
"""


class Node:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.netns_fd = namespaces.on_own_thread(namespaces.unshare_net)
        self.mntns_fd = namespaces.on_own_thread(self._mounts)

    def _mounts(self) -> int:
        """With another /proc, and a file that leads to the machine's network, as `ip netns add` makes one."""
        fd = namespaces.unshare_mounts()
        (self.folder / "proc").mkdir()
        (self.folder / "machine").touch()
        namespaces.mount("proc", str(self.folder / "proc"), "proc")
        machine = f"/proc/{os.getpid()}/ns/net"
        namespaces.mount(machine, str(self.folder / "machine"), None, namespaces.MS_BIND)
        return fd

    def start(self, *argv: str, **popen: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, CALLER, str(self.netns_fd), str(self.mntns_fd), *argv],
            pass_fds=[self.netns_fd, self.mntns_fd],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            cwd=self.folder,
            **popen,
        )

    def __call__(self, *argv: str) -> tuple[int, str, str]:
        with self.start(*argv) as process:
            out, err = process.communicate(timeout=30)
        return process.returncode, out, err


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    node = Node(tmp_path_factory.mktemp("node"))
    yield node
    os.close(node.netns_fd)
    os.close(node.mntns_fd)


def test_it_sees_its_own_processes_alone(node: Node) -> None:
    status, out, err = node("sh", "-c", "echo $$; cd /proc; echo [0-9]*; readlink /proc/self; pwd")
    assert (status, err) == (0, "")
    assert out.splitlines() == ["2", "1 2", "3", "/proc"]
    assert node("sh", "-c", "ls /proc/1/root /proc/1/fd/0 || ls -A proc")[:2] == (0, "")


def test_no_device_of_its_network_becomes_the_machine_s(node: Node) -> None:
    assert node("ip", "tuntap", "add", "probe0", "mode", "tun")[0] == 0
    for home in ("2", str(os.getpid()), str(node.folder / "machine"), f"{node.folder}/proc/1/ns/net"):
        status, _, err = node("ip", "link", "set", "probe0", "netns", home)
        # number 2 is the program itself: a device stays where it is
        assert (status != 0) == (home != "2"), (home, err)
    assert node("nsenter", "--net=/proc/1/ns/net", "true")[0] != 0
    assert node("ip", "tuntap", "del", "probe0", "mode", "tun")[0] == 0


def test_the_kernel_s_switches_are_read_only_but_for_its_network_s(node: Node) -> None:
    # opened, and nothing written: a test that fails must not crash the machine
    code = (
        "import os, sys\n"
        "for path in sys.argv[1:]:\n"
        "    try: os.close(os.open(path, os.O_WRONLY))\n"
        "    except OSError as error: print(error.strerror)\n"
        "    else: print('open')\n"
    )
    places = [
        "/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern", "/proc/sys/vm/drop_caches",
        "/sys/kernel/uevent_helper", "/sys/power/state", "/sys/kernel/mm/transparent_hugepage/enabled",
    ]  # fmt: skip
    places = [place for place in places if os.path.exists(place)]  # noqa: PTH110 - a kernel may have few
    assert "/proc/sys/kernel/core_pattern" in places
    status, out, _ = node(sys.executable, "-c", code, *places, "/proc/sys/net/ipv4/ip_forward")
    assert (status, out.splitlines()) == (0, ["Read-only file system"] * len(places) + ["open"])
    assert node("mknod", str(node.folder / "disk"), "b", "254", "0")[0] != 0


@pytest.mark.parametrize(
    ("program", "status"), [("exit 7", 7), ("kill -TERM $$", 143), ("kill -9 $$", 137), ("true", 0)]
)
def test_its_exit_status_is_as_a_shell_gives_it(node: Node, program: str, status: int) -> None:
    assert node("sh", "-c", program) == (status, "", "")


def test_what_cannot_be_started_is_named(node: Node) -> None:
    assert node("no-such-program") == (
        127, "", "orbitmesh: cannot start no-such-program: there is no such program\n",
    )  # fmt: skip
    assert node("/etc/passwd") == (126, "", "orbitmesh: cannot start /etc/passwd: Permission denied\n")
    script = node.folder / "script"
    script.write_text("exit 4\n")  # without #!
    script.chmod(0o755)
    assert node(str(script))[0] == 4


def test_what_the_caller_ignores_it_ignores_and_no_other(node: Node) -> None:
    shown = f"exec {sys.executable} {CALLER} {node.netns_fd} {node.mntns_fd} grep SigIgn /proc/self/status"
    masks = []
    for before in ("", "trap '' HUP CHLD; "):
        done = subprocess.run(
            ["sh", "-c", before + shown],
            pass_fds=[node.netns_fd, node.mntns_fd],
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert (done.returncode, done.stderr) == (0, "")
        masks.append(int(done.stdout.split()[1], 16) & 0x7FFF_FFFF)  # 32 and 33 are the C library's own
    assert [bin(mask) for mask in masks] == ["0b0", "0b1"], "SIGHUP is 1; by CHLD programs are reaped"


@pytest.mark.parametrize(
    ("send", "got"),
    [
        (lambda pid: os.kill(pid, signal.SIGINT), "INT"),
        (lambda pid: os.kill(pid, signal.SIGTERM), "TERM"),
        (lambda pid: os.killpg(pid, signal.SIGINT), "INT"),  # as a terminal does
        (lambda pid: (os.kill(pid, signal.SIGTERM), os.killpg(pid, signal.SIGTERM)), "TERM"),  # timeout(1)
    ],
)
def test_a_signal_reaches_it_once(node: Node, send: Callable[[int], object], got: str) -> None:
    with node.start(sys.executable, "-c", COUNTS) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        send(process.pid)
        assert process.stdout.read() == f"{got}\n"
        assert process.wait(timeout=30) == 5


def test_what_it_leaves_in_the_background_lives_on_and_holds_no_output(node: Node) -> None:
    done = node.folder / "done"
    go = node.folder / "go"
    status, out, _ = node(
        "sh", "-c", f"(while ! test -e {go}; do sleep 0.02; done; touch {done}) >/dev/null 2>&1 & echo begun"
    )
    assert (status, out) == (0, "begun\n")
    go.touch()
    until_s = time.monotonic() + 20
    while not done.exists():
        assert time.monotonic() < until_s
        time.sleep(0.02)


def test_the_run_s_end_is_the_end_of_all_that_it_started(node: Node) -> None:
    up, word = node.folder / "up", f"{node.folder}/only-here"
    program = f"sh -c 'while :; do sleep 0.05; done' {word} & touch {up}; wait"
    assert node("--run-ends-when", str(up), "sh", "-c", program)[0] == 137
    until_s = time.monotonic() + 10
    while _pids_of(word):
        assert time.monotonic() < until_s
        time.sleep(0.02)


def _pids_of(word: str) -> list[int]:
    pids = [name for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208
    return [int(pid) for pid in pids if word.encode() in _words(pid)]


def _words(pid: str) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return []


def test_a_socket_that_it_is_given_leads_to_no_network(node: Node) -> None:
    """By SIOCGSKNS it would: and a device of the node's could be moved there."""
    asks = "import fcntl\ntry: fcntl.ioctl(0, 0x894C)\nexcept OSError as error: print(error.errno)"
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert fcntl.ioctl(theirs, 0x894C) > 0  # who is not confined
        with node.start(sys.executable, "-c", asks, stdin=theirs) as process:
            out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, f"{errno.EPERM}\n", "")


@pytest.mark.parametrize("trap", ["", "trap '' HUP TERM; "])
def test_who_kills_its_caller_ends_it(node: Node, trap: str) -> None:
    with node.start("sh", "-c", trap + "echo up; sleep 60; echo on") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        process.kill()
        began_s = time.monotonic()
        assert process.stdout.read() == ""  # nobody holds it open any more
        assert time.monotonic() - began_s < 30


TAKES_THE_TERMINAL = """
import os, signal, sys
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
os.setpgid(0, 0)
os.tcsetpgrp(0, os.getpgrp())
os.kill(os.getpid(), signal.SIGSTOP)
sys.exit(5 if os.tcgetpgrp(0) == os.getpgrp() else 6)
"""


@pytest.mark.parametrize("how", ["confined", "privileged"])
def test_one_that_has_the_terminal_and_stops_is_a_job_of_the_caller_s_shell(node: Node, how: str) -> None:
    ours, theirs = pty.openpty()
    caller = [sys.executable, CALLER, str(node.netns_fd), str(node.mntns_fd)]
    option = ["--privileged"] * (how == "privileged")
    shell = subprocess.Popen(
        [sys.executable, SHELL, *caller, *option, sys.executable, "-c", TAKES_THE_TERMINAL],
        stdin=theirs,
        stderr=subprocess.PIPE,
        text=True,
        pass_fds=[node.netns_fd, node.mntns_fd],
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )  # fmt: skip
    os.close(theirs)
    try:
        _, said = shell.communicate(timeout=30)
    finally:
        shell.kill()
        os.close(ours)
    assert said.splitlines() == ["stopped SIGTSTP", "ended 5"], "it had hung, and has the terminal again"


def test_one_that_stops_without_a_terminal_of_its_own_waits_for_who_lets_it_go_on(node: Node) -> None:
    program = "echo up; kill -STOP $$; exit 5"
    with node.start("sh", "-c", program) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        until_s = time.monotonic() + 20
        while not (stopped := [pid for pid in _pids_of(program) if is_stopped(pid)]):
            assert time.monotonic() < until_s
            time.sleep(0.02)
        assert process.poll() is None
        assert not is_stopped(process.pid)
        os.kill(stopped[0], signal.SIGCONT)
        assert process.wait(timeout=30) == 5
