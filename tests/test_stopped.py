"""A process that is stopped is known to be, and goes on when it is let."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest

from orbitmesh.emulator.stopped import is_stopped, let_go_on


@pytest.fixture
def sleeper() -> Iterator[int]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process.pid
        process.kill()


def until(pid: int, *, stopped: bool) -> None:
    until_s = time.monotonic() + 20
    while is_stopped(pid) != stopped:
        assert time.monotonic() < until_s
        time.sleep(0.005)


def test_it_is_seen_and_let_go_on_once(sleeper: int) -> None:
    assert not is_stopped(sleeper)
    assert not let_go_on(sleeper)
    os.kill(sleeper, signal.SIGSTOP)
    until(sleeper, stopped=True)
    assert let_go_on(sleeper)
    until(sleeper, stopped=False)


@pytest.mark.parametrize("pid", [0, -1, 2**22 + 1])
def test_what_is_no_process_is_not_stopped(pid: int) -> None:
    assert not is_stopped(pid)
    assert not let_go_on(pid)
