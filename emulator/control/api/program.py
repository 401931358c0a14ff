"""A program in a node on behalf of a caller of the API: in a fork of the starter, from its start to its end.

By a socket the server says which signals to pass on, a byte each, and is told in lines of JSON how it went:
``{"started": true}`` and ``{"status": N}``, or ``{"error": …}``.  When the socket closes, the caller has
gone, and the program ends as one whose terminal is gone.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import selectors
import signal
import socket
import termios
from collections.abc import Sequence
from types import FrameType
from typing import Any, NoReturn

from ...errors import InputError, OrbitmeshError
from ...plane.kernel.confined import PASSED, Confined
from ...shown import plain
from ..client import Client
from ..messages import encode
from ..programs import without_proxies


def serve(run_id: str, request: dict[str, Any], fds: Sequence[int]) -> NoReturn:
    """``fds``: standard input, output and errors, and the socket to the server."""
    caller = socket.socket(fileno=os.dup(fds[3]))
    os.setsid()
    for standard, fd in enumerate(fds[:3]):
        os.dup2(fd, standard)
    if request["terminal"]:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    for fd in fds:
        os.close(fd)
    try:
        with Client.connect(run_id) as client:
            _run(client, request, caller)
    except (OrbitmeshError, OSError) as error:
        status = getattr(error, "exit_status", 1)
        _say(caller, {"error": str(error), "exit_status": status, "kind": type(error).__name__})
    os._exit(0)


def _run(client: Client, request: dict[str, Any], caller: socket.socket) -> None:
    program: Confined | None = None

    def tell(number: int, frame: FrameType | None) -> None:
        if program is not None:
            program.tell(number)

    for each in PASSED:  # of the terminal, to all that have it
        signal.signal(each, tell)
    namespaces = client.enter(request["node"])
    if where := request["working_directory"]:
        try:
            os.chdir(where)
        except OSError as error:
            raise InputError(f"working_directory: {plain(where)}: {error.strerror}") from None
    program = Confined(*namespaces, request["argv"], without_proxies(os.environ) | request["environment"])
    _say(caller, {"started": True})
    with selectors.DefaultSelector() as selector:
        for source in (program.fd, caller, client.socket):
            selector.register(source, selectors.EVENT_READ)
        while True:
            ready = {key.fd for key, _ in selector.select()}
            if program.fd in ready and program.hear()[0]:
                break
            if client.socket.fileno() in ready:  # the run has ended
                program.kill()
                break
            if caller.fileno() in ready:
                if not (numbers := caller.recv(64)):
                    os._exit(0)  # which the program's first process takes for a hang-up
                for number in numbers:
                    if number in PASSED:
                        program.tell(number)
    _say(caller, {"status": program.wait()})


def _say(caller: socket.socket, words: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):  # it has gone
        caller.sendall(encode(words))
