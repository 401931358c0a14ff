"""A program of the caller's in a node of a running mesh."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from types import FrameType

from ..plane.kernel.confined import PASSED, Confined
from ..plane.kernel.processes import spawn_in
from .client import Client
from .terminal import Terminal, terminal_kept

# a node has no way out to a proxy; a client there would wait for one in vain
_PROXIES = frozenset({"http_proxy", "https_proxy", "all_proxy", "ftp_proxy", "no_proxy"})


def without_proxies(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.lower() not in _PROXIES}


def run_in_node(
    client: Client, node: str, argv: Sequence[str], *, privileged: bool = False, keep_proxy: bool = False
) -> int:
    """Run a program in a node with this terminal; its exit status as a shell gives it (128 + signal).

    ``privileged``: as one of the machine's processes, with all capabilities of this one; ``keep_proxy``:
    with its proxy variables.  When the run ends first, what still runs in the node is killed.
    """
    environment = dict(os.environ) if keep_proxy else without_proxies(os.environ)
    fds = client.enter(node)
    try:
        with terminal_kept() as terminal:
            run = _privileged if privileged else _confined
            return run(client, fds, argv, environment, terminal)
    finally:
        for fd in fds:
            os.close(fd)


def _confined(
    client: Client, fds: tuple[int, int], argv: Sequence[str], env: Mapping[str, str], terminal: Terminal
) -> int:
    program: Confined | None = None

    def tell(number: int, frame: FrameType | None) -> None:
        if program is not None:
            program.tell(number)

    # those that are ignored stay so (nohup, a background job), for the program too
    heard = [number for number in PASSED if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, tell) for number in heard}
    try:
        program = Confined(*fds, argv, env)
        terminal.go_on = program.go_on
        if not _ended_first(program.fd, program.hear, client, terminal):
            program.kill()
        return program.wait()
    finally:
        terminal.go_on = _nothing
        for number, handler in before.items():
            signal.signal(number, handler)


def _privileged(
    client: Client, fds: tuple[int, int], argv: Sequence[str], env: Mapping[str, str], terminal: Terminal
) -> int:
    # Ctrl-C is for the program; a handler, since SIG_IGN would be inherited by it
    ignored = signal.signal(signal.SIGINT, lambda *_: None)
    came, into = socket.socketpair()
    into.setblocking(False)
    wakeup = signal.set_wakeup_fd(into.fileno(), warn_on_full_buffer=False)
    changed = signal.signal(signal.SIGCHLD, lambda *_: None)
    with came, into:
        try:
            process: subprocess.Popen[bytes] = spawn_in(*fds, argv, env=env)
            terminal.go_on = lambda: _go_on(process)

            def hear() -> tuple[bool, bool]:
                came.recv(4096)  # numbers of signals
                if process.poll() is not None:
                    return True, False
                with contextlib.suppress(ChildProcessError):  # it has ended since
                    return False, os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOHANG) is not None
                return False, False

            if not _ended_first(came.fileno(), hear, client, terminal):
                process.kill()
            status = process.wait()
        finally:
            terminal.go_on = _nothing
            signal.set_wakeup_fd(wakeup)
            signal.signal(signal.SIGCHLD, changed)
            signal.signal(signal.SIGINT, ignored)
    return status if status >= 0 else 128 - status


def _nothing() -> None: ...


def _go_on(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):  # it has ended
        os.killpg(os.getpgid(process.pid), signal.SIGCONT)


def _ended_first(
    program_fd: int, hear: Callable[[], tuple[bool, bool]], client: Client, terminal: Terminal
) -> bool:
    """Wait for the program's end; False where the run's came before."""
    with selectors.DefaultSelector() as selector:
        selector.register(program_fd, selectors.EVENT_READ)
        selector.register(client.socket, selectors.EVENT_READ)
        while True:
            ready = {key.fd for key, _ in selector.select()}
            if program_fd not in ready:
                return False
            has_ended, has_stopped = hear()
            if has_ended:
                return True
            if has_stopped:
                terminal.suspend()
