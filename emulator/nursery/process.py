"""The process that helpers are forked from.  It imports what they run, and does nothing else.

    to it    "start", with a memory file that has the request, the folder to work in, a pipe on which the
             helper waits for a byte, and what it is to have: stdin, stdout, stderr, and its own descriptors
    from it  the helper's pid, or in words why there is none

A helper is forked twice, and its parent ends at once: so it is a child of who asked, which is the nearest
of its ancestors that adopts orphans just then.  The nursery ends with the last that holds its socket.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import errno
import fcntl
import gc
import importlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from .request import MOST_ANSWER_BYTES, MOST_FDS, Request, read

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)
# BLAS threads would not live through a fork, and what helpers multiply is small: read when numpy is imported
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_COME_BEFORE = 2  # a folder and a pipe, before what the request numbers
# proc_pid_stat(5), whose first two end with the last ")": arg_start, arg_end, env_start, env_end
_ARGUMENTS_BEGIN = 48 - 3


def load(name: str) -> None:
    """A module that a helper runs, and what it says that it will import."""
    module = importlib.import_module(name)
    getattr(module, "load", lambda: None)()


def serve(control: socket.socket) -> tuple[Request, list[int]] | None:
    """In each fork what it is to be, with the descriptors it came with; in the nursery None, at its end."""
    while True:
        try:
            message, fds, _, _ = socket.recv_fds(control, 64, MOST_FDS)
        except ConnectionResetError:
            return None
        if not message:
            return None
        try:
            request, others = _understood(fds)
            load(request.module)
            gc.freeze()  # a collection in a fork would copy what all share
            pid = _fork_to_who_asked()
        except Exception as error:  # told to who asked, who says it
            answer = f"{type(error).__name__}: {error}"
        else:
            if pid == 0:
                control.close()
                os.close(fds[0])
                return request, others
            answer = str(pid)
        for fd in fds:
            os.close(fd)
        try:
            control.send(answer.encode()[:MOST_ANSWER_BYTES])
        except OSError:
            return None  # who asked has gone


def _understood(fds: Sequence[int]) -> tuple[Request, list[int]]:
    """OSError where not all descriptors came."""
    if not fds:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    request, others = read(fds[0]), list(fds[1:])
    if len(others) != _COME_BEFORE + len(request.fds):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    return request, others


def _fork_to_who_asked() -> int:
    """The pid of a process whose parent has ended; 0 in that process."""
    reads, writes = os.pipe()
    try:
        between = os.fork()
        if between == 0:
            try:
                pid = os.fork()
            except OSError as error:
                os.write(writes, str(-(error.errno or errno.EAGAIN)).encode())
                os._exit(0)
            if pid:
                os.write(writes, str(pid).encode())
                os._exit(0)
            return 0
        os.waitpid(between, 0)
        told = int(os.read(reads, 32) or -errno.EAGAIN)
    finally:
        os.close(reads)
        os.close(writes)
    if told < 0:
        raise OSError(-told, os.strerror(-told))
    return told


def become(request: Request, fds: Sequence[int]) -> NoReturn:
    """What was asked for, in this process, to its end."""
    os.setsid()
    gc.enable()
    folder, waits, *others = fds
    try:
        _wait_until_known(waits)
        os.fchdir(folder)
        os.close(folder)
        _place(others, request.fds)
        _open_streams()
    except OSError as error:
        sys.exit(f"{request.module} cannot begin: {error}")
    os.environ.clear()
    os.environ.update(request.environment)
    sys.argv = [request.module, *request.arguments]
    _show([*sys.orig_argv[:1], *request.command], request.environment)
    _end_as(_run(request.module))


def _place(fds: Sequence[int], numbers: Sequence[int]) -> None:
    """Give each of the descriptors its number, whatever has that now."""
    above = max([*fds, *numbers]) + 1
    held = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, above) for fd in fds]
    for fd in fds:
        os.close(fd)
    for fd, number in zip(held, numbers, strict=True):
        os.dup2(fd, number)
        os.close(fd)


def _open_streams() -> None:
    """As the interpreter makes them at its start: those of the nursery are of other files."""
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", buffering=1 if os.isatty(1) else -1, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115


def _show(command: Sequence[str], environment: Mapping[str, str]) -> None:
    """In /proc, for who looks at processes there: the nursery's command line and environment are no longer
    true.  What has no room in their place is cut off."""
    places = Path("/proc/self/stat").read_text().rpartition(")")[2].split()[_ARGUMENTS_BEGIN:]
    arguments_begin, arguments_end, environment_begin, environment_end = map(int, places[:4])
    variables = [f"{key}={value}" for key, value in environment.items()]
    _write_over(arguments_begin, arguments_end, command)
    _write_over(environment_begin, environment_end, variables)


def _write_over(begin: int, end: int, strings: Sequence[str]) -> None:
    room = end - begin
    text = b"\0".join(os.fsencode(word) for word in strings)[: max(room - 1, 0)]
    ctypes.memmove(begin, text.ljust(room, b"\0"), room)


def _wait_until_known(fd: int) -> None:
    """To who asked: who has gone, or never got the answer, closes the pipe."""
    if not os.read(fd, 1):
        os._exit(1)
    os.close(fd)


def _run(module: str) -> int:
    """Its exit status."""
    try:
        status = importlib.import_module(module).main()
    except SystemExit as end:
        status = end.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1
    if isinstance(status, str):
        print(status, file=sys.stderr)
        return 1
    return int(status or 0)


def _end_as(status: int) -> NoReturn:
    """Without taking all apart that was imported: that would copy what the forks share."""
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def main() -> None:
    control = socket.socket(fileno=int(sys.argv[1]))
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # also where it is stopped
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # it waits for what it forks
    os.environ |= dict.fromkeys(_THREADS, "1")
    gc.disable()  # hardly any of what is imported becomes garbage: to look takes a tenth of the time
    for module in filter(None, sys.argv[2].split(",")):
        with contextlib.suppress(Exception):  # it is told to who asks for it
            load(module)
    begun = serve(control)
    if begun is not None:
        become(*begun)


if __name__ == "__main__":
    main()
