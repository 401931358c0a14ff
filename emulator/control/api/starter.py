"""The process beside the one that serves gRPC: it starts that one, and, for it, programs in nodes.

Small, with one thread, and without gRPC: it may fork.  Each program is in the care of a fork of it
(program.py), each question that takes long of another (ahead.py).  It ends with the run, or the server.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from ..messages import close_all
from . import settings

#: of a request to start something: what a socket takes at once
MOST_BYTES = 128 << 10
MOST_FDS = 4
#: in order: those who are served are served to their end
END = b"end"

_LOOK_EVERY_S = 1.0
_END_S = 4.0


def main() -> int:
    parser = argparse.ArgumentParser()
    for name in ("--control-fd", "--settings-fd", "--unix-fd", "--place-fd", "--folder-fd"):
        parser.add_argument(name, type=int, required=True)
    parser.add_argument("--tcp-fd", type=int)
    arguments = parser.parse_args()
    # Ctrl-C and a closed terminal are for the run, which then tells us to end; programs have it as anywhere
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    return _Starter(arguments).run()


class _Starter:
    def __init__(self, arguments: argparse.Namespace) -> None:
        self._control, self._settings_fd = arguments.control_fd, arguments.settings_fd
        self._server = self._start_server(arguments)
        for fd in (arguments.unix_fd, arguments.tcp_fd, arguments.place_fd, arguments.folder_fd):
            if fd is not None:
                os.close(fd)  # a program that lives on must not keep them
        # what programs need, imported while the server starts
        from . import program  # noqa: F401

        self._run_id = settings.read(self._settings_fd).run_id

    def _start_server(self, arguments: argparse.Namespace) -> subprocess.Popen[bytes]:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        fds = {
            "--starter-fd": theirs.fileno(),
            "--settings-fd": self._settings_fd,
            "--place-fd": arguments.place_fd,
            "--folder-fd": arguments.folder_fd,
            "--unix-fd": arguments.unix_fd,
            "--tcp-fd": arguments.tcp_fd,
        }
        given = {name: fd for name, fd in fds.items() if fd is not None}
        with theirs:
            return subprocess.Popen(
                [sys.executable, "-P", "-m", "orbitmesh.emulator.control.api.process",
                 *(word for name, fd in given.items() for word in (name, str(fd)))],
                stdin=subprocess.DEVNULL, pass_fds=list(given.values()),
                # else strangers who call write on the run's terminal, a line each
                env={"GRPC_VERBOSITY": "NONE", **os.environ},
            )  # fmt: skip

    def run(self) -> int:
        with selectors.DefaultSelector() as selector:
            selector.register(self._control, selectors.EVENT_READ)
            selector.register(self._socket, selectors.EVENT_READ)
            while True:
                ready = {key.fd for key, _ in selector.select(_LOOK_EVERY_S)}
                self._reap()
                if self._socket.fileno() in ready and not self._request():
                    break  # the server has gone
                if self._control in ready:  # the run has, or is about to
                    with contextlib.suppress(OSError):
                        self._socket.send(END)
                    break
        self._socket.close()
        return self._end_server()

    def _end_server(self) -> int:
        try:
            status = self._server.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._server.kill()
            status = self._server.wait()
        return status if status >= 0 else 128 - status

    def _reap(self) -> None:
        """Of the forks; the server's own end is found when it is waited for."""
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
                if ended.si_pid == self._server.pid:
                    return
                os.waitpid(ended.si_pid, 0)

    def _request(self) -> bool:
        """Start what the server asks for; False where it has gone."""
        try:
            data, fds, flags, _ = socket.recv_fds(self._socket, MOST_BYTES + 1, MOST_FDS)
        except ConnectionError:
            return False
        try:
            if not data:
                return False
            if not flags & (socket.MSG_CTRUNC | socket.MSG_TRUNC) and fds:
                self._fork(json.loads(data), fds)
            return True
        finally:
            close_all(fds)

    def _fork(self, request: dict[str, Any], fds: Sequence[int]) -> None:
        if os.fork():
            return
        try:
            kept = {*fds, self._settings_fd}
            for fd in sorted({self._control, self._socket.fileno()} - kept):
                os.close(fd)  # who waits for this process's end waits for the starter's alone
            if request["do"] == "exec":
                from .program import serve

                os.close(self._settings_fd)
                serve(self._run_id, request, fds)
            else:
                from .ahead import answer

                answer(settings.read(self._settings_fd), request, fds[0])
        except BaseException as error:
            sys.stderr.write(f"orbitmesh: {request.get('do')}: {error!r}\n")
            os._exit(1)
        os._exit(0)
