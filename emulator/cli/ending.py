"""How a verb ends: errors become one sentence and an exit status, signals become 128 + their number."""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, ParamSpec, TypeVar

import typer

from ..errors import FailureError, OrbitmeshError
from ..shown import sentence

P = ParamSpec("P")

T = TypeVar("T")

INTERRUPTED_STATUS = 128 + signal.SIGINT

_STEPS = {
    errno.ENOSPC: "make room there, or write it elsewhere",
    errno.EDQUOT: "make room there, or write it elsewhere",
    errno.EROFS: "write it elsewhere",
    errno.EACCES: "name another place, or call as a user who may",
    errno.EMFILE: "allow more open files (ulimit -n)",
}
_OF_OUTPUT = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


class Interrupted(KeyboardInterrupt):
    """A signal asked the program to end; unwinds like Ctrl-C."""

    def __init__(self, number: int) -> None:
        super().__init__(f"signal {number}")
        self.number = number


@contextmanager
def interruptible() -> Iterator[None]:
    """Within the block SIGTERM and SIGHUP unwind as Ctrl-C does, each with an exit status of its own.

    Only the first signal unwinds, so that none breaks off the cleaning up that it began; the
    third ends the program at once (the kernel takes back all that a run holds).
    """
    count = 0
    on_terminal = [fd for fd in (1, 2) if os.isatty(fd)]  # a closed one can no longer say that it was one

    def unwind(number: int, frame: FrameType | None) -> None:
        nonlocal count
        count += 1
        if number == signal.SIGHUP:  # what is still to be said finds no terminal, and must not fail for that
            to_nowhere(on_terminal)
        if count == 1:
            raise Interrupted(number)
        if count > 2:
            os._exit(128 + number)
        complain("ending already; once more ends it at once, with what has been recorded until now")

    before = {}
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup, a background job: as the caller wants it
            before[number] = signal.signal(number, unwind)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run_interruptibly(work: Coroutine[Any, Any, T]) -> T:
    """asyncio.run within ``interruptible``: a signal cancels what runs, where that waits.

    Raised anywhere in a loop's own callbacks it breaks off what they had begun, as the end of a connection,
    which is then waited for in vain.
    """
    import asyncio

    came: list[int] = []
    before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}

    async def cancelled_by_signals() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.ensure_future(work)

        def end(number: int) -> None:
            if not came:
                task.cancel()
            came.append(number)
            handler = before[signal.Signals(number)]
            with contextlib.suppress(KeyboardInterrupt):  # it counts, and says that the end is under way
                if callable(handler):
                    handler(number, None)

        for number, handler in before.items():
            if callable(handler):
                loop.add_signal_handler(number, end, number)
        return await task

    try:
        return asyncio.run(cancelled_by_signals())
    except asyncio.CancelledError:
        if not came:
            raise
        raise Interrupted(came[0]) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def guarded(verb: Callable[P, None]) -> Callable[P, None]:
    """The verb with its ways to end: see the module.  ORBITMESH_DEBUG=1 shows tracebacks."""

    @functools.wraps(verb)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with in_words():
            verb(*args, **kwargs)

    return run


@contextmanager
def in_words() -> Iterator[None]:
    """Whatever ends the block becomes a sentence and ``typer.Exit``.  At its end all has been written."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        to_nowhere([1])  # `orbitmesh plan … | head`: whoever read has had enough, and nothing failed
        raise typer.Exit(0) from None
    except Interrupted as error:
        raise typer.Exit(128 + error.number) from None
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED_STATUS) from None
    except OrbitmeshError as error:
        if _debugging():
            raise
        complain(str(error))
        raise typer.Exit(error.exit_status) from None
    except OSError as error:
        # a full disk, a lost terminal: the machine's, not a defect of ours
        if _debugging():
            raise
        place, step = error.filename, _STEPS.get(error.errno or 0)
        if place is None and error.errno in _OF_OUTPUT:
            to_nowhere([1])  # what was not written would fail once more, as the interpreter ends
            place = "the output"
        if place is None and error.errno == errno.ENOENT and not _has_working_directory():
            place, step = "the working directory", "it was removed: change to another one (cd)"
        said = ": ".join(str(part) for part in (place, error.strerror or error, step) if part is not None)
        complain(f"{said} (ORBITMESH_DEBUG=1 shows where)")
        raise typer.Exit(1) from None


def refuse_losses(summary: dict[str, Any]) -> None:
    """FailureError for a run without some of its nodes; ``summary``, or a status."""
    dead = summary.get("dead_nodes")
    if dead:
        named = ", ".join(f"{name} ({how})" for name, how in list(dead.items())[:5])
        raise FailureError(f"{len(dead)} node process{'es' if len(dead) > 1 else ''} died: {named}")


def complain(message: str) -> None:
    """One line on stderr, or none where that cannot be written either."""
    with contextlib.suppress(OSError):
        print(f"orbitmesh: {sentence(message)}", file=sys.stderr, flush=True)


def _has_working_directory() -> bool:
    try:
        Path.cwd()
    except OSError:
        return False
    return True


def _debugging() -> bool:
    return os.environ.get("ORBITMESH_DEBUG", "") not in ("", "0")


def stand_in_for_closed() -> None:
    """Open /dev/null where the caller closed stdin, stdout or stderr (`>&-`).

    Otherwise the next files and sockets that are opened take their numbers.
    """
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(fd, True)
    os.close(fd)
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115


def to_nowhere(fds: Iterable[int]) -> None:
    """Nothing more can be written there, and whatever tries succeeds, the interpreter's end included."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for fd in fds:
        os.dup2(nowhere, fd)
    os.close(nowhere)
