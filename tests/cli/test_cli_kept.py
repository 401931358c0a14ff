"""A kept mesh from the front: what is said to the process behind it, and when it ends with its front."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from test_cli_screen import NOW

from orbitmesh.emulator.cli import kept
from orbitmesh.emulator.cli.ending import Interrupted
from orbitmesh.emulator.cli.settings import Settings
from orbitmesh.emulator.control import client as control
from orbitmesh.emulator.errors import FailureError, InputError
from orbitmesh.emulator.feed.feed import Feed, Reader

# stands in for the process behind: says what MODE wants, and writes down what it heard
BEHIND = f"""#!{sys.executable}
import json, os, socket, sys
arguments = sys.argv[1:]
front = socket.socket(fileno=int(arguments[arguments.index("--lifeline") + 1]))
say = lambda message: front.sendall(json.dumps(message).encode() + b"\\n")
out, mode = os.environ["OUT"], os.environ["MODE"]
open(out + "/arguments", "w").write(json.dumps(arguments))
say({{"progress": ["namespaces", 74, 74]}})
if mode == "silent":
    sys.exit("this is the last word")
if mode == "refused":
    say({{"error": "a.toml:3: run.step: is wrong", "exit_status": 2}})
    sys.exit(2)
say({{"ready": {{"run_id": "toy-1", "out": out, "built_s": 1.0, "duration_s": float(os.environ["DURATION_S"]),
               "plane_reason": "wired plane, as asked for",
               "example_nodes": ["gw-london", "gw-tokyo"]}}}})
if mode == "dies":
    say({{"error": "the recorder process died: signal 9", "exit_status": 1}})
    sys.exit(1)
heard = b""
while data := front.recv(64):
    heard += data
open(out + "/heard", "wb").write(heard)
"""


class FakeClient:
    def __enter__(self) -> FakeClient:
        return self

    def __exit__(self, *_: object) -> None: ...

    def status(self) -> dict[str, Any]:
        return NOW | {"dead_nodes": {}}

    def watching(self) -> Reader:
        feed = Feed()
        feed.put("status", self.status(), stands=True)
        return feed.reader(present=True)


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Starts a kept mesh whose process behind is BEHIND."""
    program = tmp_path / "behind"
    program.write_text(BEHIND)
    program.chmod(0o755)
    out = tmp_path / "runs/toy"
    (tmp_path / "runs").mkdir()
    out.mkdir()
    monkeypatch.setattr(kept.sys, "executable", str(program))
    monkeypatch.setattr(control.Client, "connect", classmethod(lambda cls, run_id: FakeClient()))
    monkeypatch.setattr(kept, "print_report", lambda folder, output: None)

    def run(mode: str, duration_s: float = 0.2, *, keep: bool = True, detach: bool = False) -> Path:
        monkeypatch.setenv("MODE", mode)
        monkeypatch.setenv("OUT", str(out))
        monkeypatch.setenv("DURATION_S", str(duration_s))
        settings = Settings("my scenario.toml", 2_000_000_000, "paced", 7, out, None, "wired")
        kept.start(settings, keep=keep, detach=detach)
        return out

    return run


def heard(out: Path) -> bytes:
    deadline = threading.Event()
    for _ in range(500):
        if (out / "heard").exists() and (text := (out / "heard").read_bytes()):
            return text
        deadline.wait(0.01)
    return (out / "heard").read_bytes()


def test_after_its_duration_the_mesh_stays(start: Any, capsys: pytest.CaptureFixture[str]) -> None:
    out = start("good")
    assert heard(out) == kept.KEEP
    said = capsys.readouterr().err
    assert "namespaces: 74" in said
    for next_step in ("orbitmesh exec gw-london -- ", "orbitmesh ping gw-london gw-tokyo", "orbitmesh down"):
        assert next_step in said
    arguments = json.loads((out / "arguments").read_text())
    assert arguments[arguments.index("run") :] == [
        "run", "--duration", "2000000000ns", "--clock", "paced", "--seed", "7", "--out", str(out),
        "--plane", "wired", "--lifeline", arguments[-4], "--keep", "--", "my scenario.toml",
    ]  # fmt: skip


@pytest.mark.parametrize("keep", [False, True])
def test_a_detached_run_is_left_once_it_is_built(
    start: Any, capsys: pytest.CaptureFixture[str], keep: bool
) -> None:
    out = start("good", duration_s=3600, keep=keep, detach=True)
    assert heard(out) == kept.KEEP
    said = capsys.readouterr()
    assert said.out == "toy-1\n"
    assert f"in the background {'until orbitmesh down' if keep else 'for its 3600 s'} (log: " in said.err
    assert ("--keep" in json.loads((out / "arguments").read_text())) is keep


@pytest.mark.parametrize("detach", [False, True])
def test_nodes_that_died_are_told_and_the_mesh_stays(
    start: Any, monkeypatch: pytest.MonkeyPatch, detach: bool
) -> None:
    monkeypatch.setattr(FakeClient, "status", lambda self: NOW | {"dead_nodes": {"sat-0-1": "signal 9"}})
    with pytest.raises(FailureError, match=r"^1 node process died: sat-0-1 \(signal 9\)$"):
        start("good", detach=detach)
    assert heard(Path(os.environ["OUT"])) == kept.KEEP


def test_ctrl_c_before_that_ends_it(start: Any, tmp_path: Path) -> None:
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(Interrupted):
        start("good", duration_s=60)
    assert (tmp_path / "runs/toy/heard").read_bytes() == b""
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["toy"]


def test_what_is_wrong_behind_is_told_in_front(start: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^a\.toml:3: run\.step: is wrong$"):
        start("refused")
    with pytest.raises(FailureError, match="the recorder process died"):
        start("dies", duration_s=60)
    with pytest.raises(FailureError, match="it said: this is the last word"):
        start("silent")
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["toy"], "a log was left behind"


def test_the_one_behind_ends_when_its_front_goes_without_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[tuple[int, int]] = []
    done = threading.Event()
    monkeypatch.setattr(kept.os, "kill", lambda pid, number: (killed.append((pid, number)), done.set()))
    front, behind = socket.socketpair()
    with behind:
        kept._Front(behind).watch()
        front.close()
        assert done.wait(10)
    assert killed == [(os.getpid(), signal.SIGTERM)]


def test_the_one_behind_stays_when_it_was_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[object] = []
    monkeypatch.setattr(kept.os, "kill", lambda *arguments: killed.append(arguments))
    front, behind = socket.socketpair()
    listener = kept._Front(behind)
    with front, behind:
        front.sendall(kept.KEEP)
        listener._listen()  # returns: it waits for nothing more
    assert killed == []


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to plant links as another user")
def test_no_log_is_written_behind_a_stranger_s_link(start: Any, tmp_path: Path) -> None:
    (tmp_path / "runs").rename(tmp_path / "theirs")
    (tmp_path / "runs").symlink_to(tmp_path / "theirs")
    os.lchown(tmp_path / "runs", 65534, 65534)
    with pytest.raises(FailureError, match=r"cannot write into .*: runs is a link that user 65534 made"):
        start("good")
    assert [path.name for path in (tmp_path / "theirs").iterdir()] == ["toy"]
