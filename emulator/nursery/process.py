"""The process that helpers are forked from.  It imports what they run, and does nothing else.

    to it    "start", with a memory file that has the request, the folder to work in, and what the helper
             is to have: stdin, stdout, stderr, and its own descriptors
    from it  the helper's pid, or -errno

A helper is forked twice, and its parent ends at once: so it is a child of who asked, which is the nearest
of its ancestors that adopts orphans just then.  The nursery ends with the last that holds its socket.
"""

from __future__ import annotations

import atexit
import ctypes
import errno
import fcntl
import gc
import importlib
import os
import socket
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from .request import MOST_FDS, Request, read

# BLAS threads would not live through a fork, and what helpers multiply is small: read when numpy is imported
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_ADOPTED_WITHIN_S = 10.0
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
        request_fd, *others = fds
        request = read(request_fd)
        try:
            load(request.module)
            gc.freeze()  # a collection in a fork would copy what all share
            pid = _fork_to_who_asked()
        except OSError as error:
            answer = -(error.errno or errno.EAGAIN)
        else:
            if pid == 0:
                control.close()
                return request, others
            answer = pid
        for fd in others:
            os.close(fd)
        control.send(str(answer).encode())


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
    folder, *others = fds
    os.fchdir(folder)
    os.close(folder)
    _place(others, request.fds)
    _open_streams()
    os.environ.clear()
    os.environ.update(request.environment)
    sys.argv = [request.module, *request.arguments]
    _show([*sys.orig_argv[:1], *request.command], request.environment)
    _wait_for_parent(request.parent_pid)
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


def _wait_for_parent(pid: int) -> None:
    deadline_s = time.monotonic() + _ADOPTED_WITHIN_S
    while os.getppid() != pid:
        if time.monotonic() > deadline_s:
            sys.exit(f"pid {pid}, which asked for this process, has gone")
        time.sleep(0.0002)


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
    os.environ |= dict.fromkeys(_THREADS, "1")
    for module in filter(None, sys.argv[2].split(",")):
        load(module)
    begun = serve(control)
    if begun is not None:
        become(*begun)


if __name__ == "__main__":
    main()
