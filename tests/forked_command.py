"""``orbitmesh`` as a process of its own that has its imports behind it, forked from a nursery.

The imports of a call take a third of a second of a processor, of some verbs twice that, and those of a run's
helpers a second; in hundreds of calls that is minutes.  For those where what the verb does is tested; how the
command itself starts is tested by those that start it as people do (cli/test_cli_errors.py,
cli/test_cli_output.py, cli/test_cli_help.py, cli/test_cli_faults.py).
"""

from __future__ import annotations

import atexit
import os
import random
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from orbitmesh.emulator.nursery import ROOMS, Forked, Request, Room, kept, process
from orbitmesh.emulator.run import programs

#: what the verbs import when they are called
_BEFORE = (
    "orbitmesh.emulator.cli.main", "orbitmesh.emulator.control.client", "orbitmesh.emulator.record.results",
    "orbitmesh.emulator.geometry", "orbitmesh.emulator.run.emulation",
)  # fmt: skip
_ROOM_FOR_ENVIRONMENT = {"ORBITMESH_TESTS_PADDING": " " * 4096}  # what a call has more than this process


@cache
def _room(pid: int) -> Room:
    folder = str(Path(__file__).parent)
    before = dict(os.environ)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [folder, before.get("PYTHONPATH")]))
    os.environ |= _ROOM_FOR_ENVIRONMENT
    try:
        room = Room()
        room.begin([__name__])
    finally:
        os.environ.clear()
        os.environ.update(before)
    atexit.register(room.close)
    return room


class Command(Forked):
    """A call that runs, as a ``subprocess.Popen`` of it would be."""

    def __init__(
        self, arguments: Sequence[str], *, cwd: Path, environment: Mapping[str, str], out: int, err: int
    ) -> None:
        request = Request(__name__, tuple(arguments), (0, 1, 2), dict(environment))
        folder = os.open(cwd, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        try:
            super().__init__(_room(os.getpid()).start(request, folder, [nothing, out, err]).pid)
        finally:
            os.close(folder)
            os.close(nothing)

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


def orbitmesh(
    arguments: Sequence[str], *, cwd: Path, environment: Mapping[str, str], timeout_s: float = 60
) -> subprocess.CompletedProcess[str]:
    """As ``subprocess.run`` of the command, with what it says captured; it reads nothing."""
    out, err = os.pipe(), os.pipe()
    said: dict[int, bytes] = {out[0]: b"", err[0]: b""}
    deadline_s = time.monotonic() + timeout_s
    with selectors.DefaultSelector() as selector:
        try:
            try:
                command = Command(arguments, cwd=cwd, environment=environment, out=out[1], err=err[1])
            finally:
                os.close(out[1])
                os.close(err[1])
            for fd in said:
                selector.register(fd, selectors.EVENT_READ)
            while selector.get_map():
                for key, _ in selector.select(max(deadline_s - time.monotonic(), 0)):
                    if data := os.read(key.fd, 1 << 16):
                        said[key.fd] += data
                    else:
                        selector.unregister(key.fd)
                if time.monotonic() >= deadline_s:
                    command.kill()
                    raise subprocess.TimeoutExpired(["orbitmesh", *arguments], timeout_s, *said.values())
            status = command.wait(max(deadline_s - time.monotonic(), 1.0))
        finally:
            for fd in said:
                os.close(fd)
    return subprocess.CompletedProcess(
        ["orbitmesh", *arguments], status, said[out[0]].decode(), said[err[0]].decode()
    )


# ---- in the nursery, and in what is forked from it


def load() -> None:
    for module in (*_BEFORE, *programs.ALL):
        process.load(module)


def main() -> None:
    """The command.  A run's own helpers are forked from here, where all is loaded."""
    random.seed()
    if sys.argv[1:2] == ["run"] and "--keep" not in sys.argv and "--detach" not in sys.argv:
        nursery = kept().__enter__()  # to the end of this process
        others: list[socket.socket] = []
        for name in ROOMS:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            pid = os.fork()
            if pid == 0:
                for other in (ours, *others):
                    other.close()
                os.setsid()
                begun = process.serve(theirs)
                if begun is None:
                    os._exit(0)
                process.become(*begun)
            theirs.close()
            others.append(ours)
            nursery.adopt(name, ours, Forked(pid))
    sys.argv[0] = "orbitmesh"
    from orbitmesh.emulator.cli.__main__ import start

    start()
