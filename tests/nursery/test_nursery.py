"""What is forked from a nursery is as if it had been started by an interpreter of its own, and is ours."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from orbitmesh.emulator.errors import ProcessDied
from orbitmesh.emulator.nursery import Forked, Nursery, Request, holder, kept, kept_here
from orbitmesh.emulator.nursery.request import written

TOY = "nursery_toy"


@pytest.fixture
def nursery(monkeypatch: pytest.MonkeyPatch) -> Iterator[Nursery]:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    monkeypatch.setattr(holder, "_room_of", lambda module: "emulator")
    ours = Nursery()
    yield ours
    ours.close()


def told(nursery: Nursery, *words: str, fds: tuple[int, ...] = ()) -> dict[str, Any]:
    reads, writes = os.pipe()
    child = nursery.start(TOY, ["tell", str(writes), *words], [writes, *fds])
    os.close(writes)
    with os.fdopen(reads) as file:
        said: dict[str, Any] = json.load(file)
    assert said["pid"] == child.pid
    assert child.wait(10) == 0
    return said


def room_pid(nursery: Nursery) -> int:
    process = nursery._rooms["emulator"]._process
    assert process is not None
    return process.pid


def ends(pid: int) -> bool:
    deadline_s = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline_s:
        time.sleep(0.01)
    return not Path(f"/proc/{pid}").exists()


def test_it_has_what_it_was_given_and_nothing_else(
    nursery: Nursery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    nursery.begin(TOY)  # with this environment, which changes
    monkeypatch.setenv("NEW", "of late")
    monkeypatch.delenv("HOME", raising=False)
    high = 300
    with (tmp_path / "given").open("w") as file:
        os.dup2(file.fileno(), high)
        try:
            said = told(nursery, "a word", "", fds=(given_fd := file.fileno(), high))
        finally:
            os.close(high)
    assert said["arguments"][1:] == ["a word", ""]
    assert said["cwd"] == str(tmp_path)
    assert said["environment"]["NEW"] == "of late"
    assert "HOME" not in said["environment"]
    assert said["parent_pid"] == os.getpid()
    assert said["session"] == said["pid"]
    assert said["stdin"] == ""
    given = {int(fd): path for fd, path in said["fds"].items() if int(fd) > 2}
    pipe = int(said["arguments"][0])
    assert set(given) == {pipe, given_fd, high}
    assert given[high] == given[given_fd] == str(tmp_path / "given")


def test_what_it_says_comes_where_ours_does(nursery: Nursery, capfd: pytest.CaptureFixture[str]) -> None:
    assert nursery.start(TOY, ["say and end", "a last word"], []).wait(10) == 1
    assert nursery.start(TOY, ["raise", "what went wrong"], []).wait(10) == 1
    said = capfd.readouterr().err
    assert "a last word\n" in said
    assert "ValueError: what went wrong" in said


@pytest.mark.parametrize(("words", "status"), [(["end", "7"], 7), (["kill itself"], -9), (["end", "0"], 0)])
def test_we_hear_how_it_ends(nursery: Nursery, words: list[str], status: int) -> None:
    child = nursery.start(TOY, words, [])
    assert child.wait(10) == status
    assert child.poll() == status
    child.kill()  # which it no longer feels, nor another by its number
    with pytest.raises(ChildProcessError):
        os.waitpid(child.pid, os.WNOHANG)


def test_it_runs_until_it_is_killed(nursery: Nursery) -> None:
    child = nursery.start(TOY, ["wait"], [])
    assert child.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(0.05)
    command = Path(f"/proc/{child.pid}/cmdline")
    deadline_s = time.monotonic() + 10
    while b"wait" not in command.read_bytes() and time.monotonic() < deadline_s:
        time.sleep(0.01)
    words = command.read_bytes().rstrip(b"\0").decode().split("\0")
    assert words[1:] == ["-P", "-m", TOY, "wait"]
    nursery.close()
    assert child.poll() is None  # what was forked goes on
    child.kill()
    assert child.wait(10) == -signal.SIGKILL


def test_its_environment_is_shown_as_it_is(nursery: Nursery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLOUR", "red")
    nursery.begin(TOY)
    monkeypatch.setenv("COLOUR", "sky")
    child = nursery.start(TOY, ["wait"], [])
    try:
        shown = Path(f"/proc/{child.pid}/environ")
        deadline_s = time.monotonic() + 10
        while b"COLOUR=sky" not in shown.read_bytes() and time.monotonic() < deadline_s:
            time.sleep(0.01)
        assert b"COLOUR=sky\0" in shown.read_bytes()
        assert b"COLOUR=red" not in shown.read_bytes()
    finally:
        child.kill()
        child.wait()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_one_that_was_killed_or_stopped_has_a_successor(nursery: Nursery, number: signal.Signals) -> None:
    nursery.begin(TOY)
    before = room_pid(nursery)
    os.kill(before, number)
    assert told(nursery)["parent_pid"] == os.getpid()
    assert room_pid(nursery) != before
    assert ends(before)


def test_what_cannot_be_loaded_is_told(nursery: Nursery, capfd: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):  # and the nursery goes on
        with pytest.raises(ProcessDied, match="No module named 'nobody_wrote_it'"):
            nursery.start("nobody_wrote_it", [], [])
    assert told(nursery)["parent_pid"] == os.getpid()
    assert "Traceback" not in capfd.readouterr().err


def test_a_start_that_fails_leaves_nothing_open(nursery: Nursery) -> None:
    nursery.begin(TOY)
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(ProcessDied):
        nursery.start("nobody_wrote_it", [], [])
    nursery.start(TOY, ["end", "0"], []).wait(10)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_what_was_forked_and_is_not_known_ends(nursery: Nursery, tmp_path: Path) -> None:
    """As where the nursery is killed before it has answered."""
    nursery.begin(TOY)
    room = nursery._rooms["emulator"]
    assert room._control is not None
    with (tmp_path / "file").open("w") as file:
        request = Request(TOY, ("wait",), (0, 1, 2), dict(os.environ))
        request_fd, folder = written(request), os.open(".", os.O_PATH)
        waits, goes = os.pipe()
        with holder._adopting():
            socket.send_fds(
                room._control, [b"start"], [request_fd, folder, waits, file.fileno(), *[file.fileno()] * 2]
            )
            child = Forked(int(room._answer()))
    for fd in (request_fd, folder, waits):
        os.close(fd)
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(0.2)
    os.close(goes)
    assert child.wait(10) == 1


def test_two_rooms_asked_at_once_leave_the_process_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    monkeypatch.setattr(holder, "_room_of", lambda module: names[threading.get_ident()])
    names: dict[int, str] = {}
    ours = Nursery()

    def ask(room: str) -> None:
        names[threading.get_ident()] = room
        for _ in range(40):
            assert ours.start(TOY, ["end", "0"], []).wait(10) == 0

    try:
        threads = [threading.Thread(target=ask, args=(room,)) for room in ("emulator", "nodes")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        ours.close()
    adopts = ctypes.c_int(-1)
    assert ctypes.CDLL(None).prctl(37, ctypes.byref(adopts), 0, 0, 0) == 0  # PR_GET_CHILD_SUBREAPER
    assert adopts.value == 0


def test_one_that_is_stopped_while_it_is_asked_has_a_successor_soon(nursery: Nursery) -> None:
    nursery.begin(TOY)
    before = room_pid(nursery)
    stopper = threading.Thread(target=lambda: (time.sleep(0.05), os.kill(before, signal.SIGSTOP)))
    began_s = time.monotonic()
    stopper.start()
    while room_pid(nursery) == before and time.monotonic() - began_s < 15:
        assert nursery.start(TOY, ["end", "0"], []).wait(10) == 0
    stopper.join()
    assert room_pid(nursery) != before
    assert ends(before)


def test_threads_may_ask_at_once(nursery: Nursery) -> None:
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda i=i: found.append(nursery.start(TOY, ["end", str(i)], []).wait(10)))
        for i in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == list(range(8))


_HOLDER = """
import os, sys
from orbitmesh.emulator.nursery import kept
with kept() as nursery:
    nursery.begin("orbitmesh.emulator.memory_files", "orbitmesh.nodes.kernel")
    for module in ("orbitmesh.emulator.memory_files", "orbitmesh.nodes.kernel"):
        nursery.start(module, [], []).wait()  # it has no main: but the nursery waits by then
    print(*(room._process.pid for room in nursery._rooms.values()), flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("is_stopped", [False, True], ids=["", "stopped"])
@pytest.mark.parametrize("end", [lambda p: p.kill(), lambda p: p.stdin.close()], ids=["killed", "in order"])
def test_it_ends_with_who_keeps_it(end: Callable[[Any], None], is_stopped: bool) -> None:
    holder_process = subprocess.Popen(
        [sys.executable, "-c", _HOLDER],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    with holder_process:
        assert holder_process.stdout is not None
        pids = [int(word) for word in holder_process.stdout.readline().split()]
        assert len(pids) == 2
        for pid in pids if is_stopped else ():
            os.kill(pid, signal.SIGSTOP)
        end(holder_process)
        holder_process.wait(10)
    assert all(ends(pid) for pid in pids)


def test_it_is_kept_while_anybody_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holder, "_kept", holder._Kept())
    assert kept_here() is None
    with kept() as first:
        with kept() as second:
            assert second is first
        assert kept_here() is first
        with contextlib.suppress(ProcessDied):
            first.begin("orbitmesh.emulator.memory_files")
        pid = room_pid(first)
    assert kept_here() is None
    assert ends(pid)


def test_a_fork_has_none() -> None:
    with kept():
        pid = os.fork()
        if pid == 0:
            os._exit(0 if kept_here() is None else 1)
        assert os.waitpid(pid, 0)[1] == 0
