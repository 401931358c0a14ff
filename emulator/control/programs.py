"""A program of the caller's in a node of a running mesh."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType

from ..plane.kernel.confined import PASSED, Confined
from ..plane.kernel.processes import spawn_in
from .client import Client

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
        with _terminal_kept():
            run = _privileged if privileged else _confined
            return run(client, fds, argv, environment)
    finally:
        for fd in fds:
            os.close(fd)


def _confined(client: Client, fds: tuple[int, int], argv: Sequence[str], env: Mapping[str, str]) -> int:
    program: Confined | None = None

    def tell(number: int, frame: FrameType | None) -> None:
        if program is not None:
            program.tell(number)

    # those that are ignored stay so (nohup, a background job), for the program too
    heard = [number for number in PASSED if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, tell) for number in heard}
    try:
        program = Confined(*fds, argv, env)
        if not _ended_first(program.fd, client):
            program.kill()
        return program.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _privileged(client: Client, fds: tuple[int, int], argv: Sequence[str], env: Mapping[str, str]) -> int:
    # Ctrl-C is for the program; a handler, since SIG_IGN would be inherited by it
    ignored = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        process: subprocess.Popen[bytes] = spawn_in(*fds, argv, env=env)
        pid_fd = os.pidfd_open(process.pid)
        if not _ended_first(pid_fd, client):
            process.kill()
        status = process.wait()
        os.close(pid_fd)
    finally:
        signal.signal(signal.SIGINT, ignored)
    return status if status >= 0 else 128 - status


def _ended_first(program_fd: int, client: Client) -> bool:
    """Wait for the program's end; False where the run's came before."""
    with selectors.DefaultSelector() as selector:
        selector.register(program_fd, selectors.EVENT_READ)
        selector.register(client.socket, selectors.EVENT_READ)
        return program_fd in {key.fd for key, _ in selector.select()}


@contextmanager
def _terminal_kept() -> Iterator[None]:
    """Where the terminal is this process group's, it is so again afterwards: a shell takes it for its own."""
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        yield
        return
    is_ours = os.tcgetpgrp(terminal) == os.getpgrp()
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # the terminal is gone
            if is_ours and os.tcgetpgrp(terminal) != os.getpgrp():
                mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTTOU])
                os.tcsetpgrp(terminal, os.getpgrp())
                signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.close(terminal)
