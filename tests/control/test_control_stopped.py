"""A run whose process is stopped is told of soon, whatever was asked of it; a busy one is waited for."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from orbitmesh.emulator.control import client
from orbitmesh.emulator.control.client import Client
from orbitmesh.emulator.errors import FailureError

# takes a call, and answers its first line after a while
RUN = """
import socket, sys, time
with socket.socket(socket.AF_UNIX) as door:
    door.bind(sys.argv[1])
    door.listen()
    print("listens", flush=True)
    connection, _ = door.accept()
    connection.recv(65536)
    time.sleep(float(sys.argv[2]))
    connection.sendall(b'{"hosts": [], "links": [], "news": [], "next": 1, "at_end": false}\\n')
    connection.recv(65536)
"""
ANSWER = {"hosts": [], "links": [], "news": [], "next": 1, "at_end": False}
Calling = Callable[[float], tuple[Client, int]]


@pytest.fixture
def calling(tmp_path: Path) -> Iterator[Calling]:
    processes: list[subprocess.Popen[str]] = []

    def call(answers_after_s: float) -> tuple[Client, int]:
        place = str(tmp_path / "door")
        command = [sys.executable, "-c", RUN, place, str(answers_after_s)]
        processes.append(run := subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        assert run.stdout is not None
        assert run.stdout.readline() == "listens\n"
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(place)
        return Client("toy-1", connection), run.pid

    yield call
    for run in processes:
        run.kill()
        run.communicate()


@pytest.mark.parametrize(
    "ask",
    [
        lambda it: it.enter("sat-0-0"),
        lambda it: it.path("gw-a", "gw-b"),
        lambda it: it.intervene(["sat-0-0"]),  # has two minutes to be in force
        lambda it: it.step(10**9),  # as long as it takes
        lambda it: it.down(),
    ],
)
def test_a_stopped_one_is_told_of_within_the_time_of_a_look(
    calling: Calling, ask: Callable[[Client], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert client.LOOK_S <= 3
    monkeypatch.setattr(client, "LOOK_S", 0.3)
    asking, pid = calling(0.0)
    os.kill(pid, signal.SIGSTOP)
    began_s = time.monotonic()
    with asking, pytest.raises(FailureError, match=rf"process \(pid {pid}\) is stopped; .* kill -CONT {pid}"):
        ask(asking)
    assert time.monotonic() - began_s < client.ANSWER_S / 2


def test_one_that_is_only_slow_is_waited_for(calling: Calling, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "LOOK_S", 0.3)
    asking, _ = calling(1.0)
    with asking:
        assert asking.net() == ANSWER


def test_who_serves_others_waits_for_one_that_is_stopped_and_has_what_comes_then(
    calling: Calling, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "LOOK_S", 0.1)
    asking, pid = calling(0.0)
    asking.waits_while_stopped = True
    os.kill(pid, signal.SIGSTOP)
    with subprocess.Popen(["sh", "-c", f"sleep 1; kill -CONT {pid}"]), asking:  # ten times the look
        assert asking.watch(0, 0.0) == ANSWER
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(FailureError, match="is stopped"):  # what is asked beside is told all the same
            asking.net()


def test_one_that_goes_on_in_time_answers(calling: Calling) -> None:
    asking, pid = calling(0.0)
    os.kill(pid, signal.SIGSTOP)
    with subprocess.Popen(["sh", "-c", f"sleep 0.5; kill -CONT {pid}"]), asking:
        assert asking.net() == ANSWER
