"""``orbitmesh`` as a process of its own that has its imports behind it: forked from one that waits for that.

The imports of a call take a third of a second of a processor, of some verbs twice that, which in hundreds of
calls is minutes.  For those where what the verb does is tested; how the command itself starts is tested by
those that start it as people do (cli/test_cli_errors.py, cli/test_cli_output.py, cli/test_cli_help.py).
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import random
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

_MOST_BYTES = 1 << 20
#: what the verbs import when they are called
_BEFORE = (
    "orbitmesh.emulator.cli.main", "orbitmesh.emulator.control.client", "orbitmesh.emulator.record.results",
    "orbitmesh.emulator.geometry", "orbitmesh.emulator.run.emulation",
)  # fmt: skip


class _Waiting:
    """The process that waits for calls; it ends with this one."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", __file__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL,
            )  # fmt: skip

        atexit.register(self._end)

    def _end(self) -> None:
        self._socket.close()
        self._process.wait(10)

    def begin(self, call: bytes, fds: Sequence[int]) -> None:
        socket.send_fds(self._socket, [call], fds)


@cache
def _waiting(pid: int) -> _Waiting:
    return _Waiting()


def orbitmesh(
    arguments: Sequence[str], *, cwd: Path, environment: Mapping[str, str], timeout_s: float = 60
) -> subprocess.CompletedProcess[str]:
    """As ``subprocess.run`` of the command, with what it says captured; it reads nothing."""
    call = json.dumps([list(arguments), str(cwd), dict(environment)]).encode()
    out, err = os.pipe(), os.pipe()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    said: dict[int, bytes] = {out[0]: b"", err[0]: b""}
    with ours, theirs, selectors.DefaultSelector() as selector:
        try:
            _waiting(os.getpid()).begin(call, [out[1], err[1], theirs.fileno()])
        finally:
            os.close(out[1])
            os.close(err[1])
            theirs.close()
        try:
            ours.settimeout(timeout_s)
            pid = int(ours.recv(20))
            deadline_s = time.monotonic() + timeout_s
            for fd in said:
                selector.register(fd, selectors.EVENT_READ)
            while selector.get_map():
                for key, _ in selector.select(max(deadline_s - time.monotonic(), 0)):
                    if data := os.read(key.fd, 1 << 16):
                        said[key.fd] += data
                    else:
                        selector.unregister(key.fd)
                if time.monotonic() >= deadline_s:
                    os.kill(pid, signal.SIGKILL)
                    raise subprocess.TimeoutExpired(["orbitmesh", *arguments], timeout_s, *said.values())
            status = int(ours.recv(20))
        finally:
            for fd in said:
                os.close(fd)
    return subprocess.CompletedProcess(
        ["orbitmesh", *arguments], status, said[out[0]].decode(), said[err[0]].decode()
    )


# ---- the process that waits


def _wait(calls: socket.socket) -> None:
    for module in _BEFORE:
        importlib.import_module(module)
    gc.freeze()  # what is here now is not looked through in each
    signal.signal(
        signal.SIGCHLD, signal.SIG_IGN
    )  # of those that keep the commands nobody asks how they ended
    while True:
        call, fds, _, _ = socket.recv_fds(calls, _MOST_BYTES, 3)
        if not call:
            return
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            calls.close()
            _keep(json.loads(call), *fds)
            return
        for fd in fds:
            os.close(fd)


def _keep(call: tuple[list[str], str, dict[str, str]], out: int, err: int, told: int) -> None:
    """The command, and then how it ended."""
    pid = os.fork()
    if pid == 0:
        arguments, cwd, environment = call
        os.dup2(out, 1)
        os.dup2(err, 2)
        os.closerange(3, 100)
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115 - as the interpreter makes them
        sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
        os.chdir(cwd)
        os.environ.clear()
        os.environ.update(environment)
        random.seed()
        sys.argv = ["orbitmesh", *arguments]
        _command()
    os.close(out)
    os.close(err)
    with socket.socket(fileno=told) as caller:
        caller.send(str(pid).encode())
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        try:
            caller.send(str(status).encode())
        finally:
            os._exit(0)


def _command() -> None:
    """Without the interpreter's end, which takes as long as its start: all that was imported is let go."""
    from orbitmesh.emulator.cli.__main__ import start

    status: object = 0
    try:
        start()
    except SystemExit as end:
        status = end.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status if isinstance(status, int) else 0 if status is None else 1)


if __name__ == "__main__":
    _wait(socket.socket(fileno=int(sys.argv[1])))
