"""``exec`` in a mesh elsewhere: this terminal, input, output and signals, by the control API."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import termios
import threading
import tty
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from .far import Far

if TYPE_CHECKING:
    from ..client import Program

_PIECE_BYTES = 1 << 16
_PASSED = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


def run_far(far: Far, node: str, argv: Sequence[str]) -> int:
    """Its exit status as a shell gives it.  With a terminal where input and output are this one."""
    has_terminal = os.isatty(0) and os.isatty(1)
    size = os.get_terminal_size() if has_terminal else None
    environment = {"TERM": os.environ.get("TERM", "dumb")} if has_terminal else {}
    terminal = None if size is None else (size.lines, size.columns)
    with (
        far.mesh.start(node, *argv, environment=environment, terminal=terminal) as program,
        _signals(program),
        _raw(program) if has_terminal else contextlib.nullcontext(),
    ):
        threading.Thread(target=_feed, args=(program,), name="input", daemon=True).start()
        for which, data in program.output():
            _write(1 if which == "output" else 2, data)
        assert program.exit_status is not None
        return program.exit_status


def _feed(program: Program) -> None:
    with contextlib.suppress(OSError):  # a terminal that is gone
        while data := os.read(0, _PIECE_BYTES):
            program.write(data)
    program.end_input()


def _write(fd: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(fd, left) :]


@contextlib.contextmanager
def _signals(program: Program) -> Iterator[None]:
    """Those that this process is sent are for the program; what is ignored stays so."""
    heard = [number for number in _PASSED if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, lambda n, _: program.signal(n)) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _raw(program: Program) -> Iterator[None]:
    """Keys go to the program's terminal as they are pressed, and its size follows this one's."""

    def resize(*_: object) -> None:
        size = os.get_terminal_size()
        program.resize(size.lines, size.columns)

    before, handler = termios.tcgetattr(0), signal.signal(signal.SIGWINCH, resize)
    tty.setraw(0)
    resize()  # it may have changed since the program was started with its size
    try:
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)
        signal.signal(signal.SIGWINCH, handler)
        sys.stdout.flush()
