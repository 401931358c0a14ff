"""The nursery from the side of who starts helpers: it is begun once, kept while needed, asked for forks."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence

from ..errors import ProcessDied
from ..stopped import is_stopped
from .request import MOST_ANSWER_BYTES, Request, written

_PR_SET_CHILD_SUBREAPER, _PR_GET_CHILD_SUBREAPER = 36, 37
_PROGRAM = "orbitmesh.emulator.nursery.process"
#: the command line of a fork is written over that of the nursery, which this makes longer
_PADDING = " " * 600
_ANSWERS_WITHIN_S, _LOOKS_EVERY_S = 30.0, 1.0
#: below ``orbitmesh``: where the modules lie that are forked
ROOMS = ("emulator", "nodes")
_STDIN, _STDOUT, _STDERR = 0, 1, 2

_libc = ctypes.CDLL(None, use_errno=True)


class Forked:
    """A child of this process that the nursery forked; as a ``subprocess.Popen`` of it would be."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._turn = threading.Lock()

    def poll(self) -> int | None:
        with self._turn:
            if self.returncode is None:
                try:
                    pid, status = os.waitpid(self.pid, os.WNOHANG)
                except ChildProcessError:  # who ignores SIGCHLD is not told how children end
                    self.returncode = 0
                else:
                    self.returncode = os.waitstatus_to_exitcode(status) if pid else None
            return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """subprocess.TimeoutExpired where it takes longer."""
        deadline_s = None if timeout is None else time.monotonic() + timeout
        pause_s = 0.0005
        while (status := self.poll()) is None:
            left_s = pause_s if deadline_s is None else deadline_s - time.monotonic()
            if left_s <= 0:
                raise subprocess.TimeoutExpired(f"pid {self.pid}", timeout or 0.0)
            pause_s = min(2 * pause_s, 0.05)
            time.sleep(min(pause_s, left_s))
        return status

    def kill(self) -> None:
        with self._turn:
            if self.returncode is None:  # else the number may be another's by now
                with contextlib.suppress(ProcessLookupError):  # others of this program may wait for any child
                    os.kill(self.pid, signal.SIGKILL)


class Room:
    """One process that others are forked from.  It begins when it is first asked; one that died, again."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._control: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | Forked | None = None

    def begin(self, modules: Sequence[str]) -> None:
        with self._turn:
            if self._control is None:
                self._begin(modules)

    def adopt(self, control: socket.socket, process: subprocess.Popen[bytes] | Forked) -> None:
        control.settimeout(_LOOKS_EVERY_S)
        self._control, self._process = control, process

    def _begin(self, modules: Sequence[str]) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-P", "-m", _PROGRAM, str(theirs.fileno()), ",".join(modules), _PADDING]
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()], start_new_session=True
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        self.adopt(ours, process)

    def start(self, request: Request, folder_fd: int, fds: Sequence[int]) -> Forked:
        """``folder_fd``: where it works; ``fds``: as the request numbers them."""
        with self._turn, _closed_after(written(request)) as told:
            for is_last in (False, True):
                if self._process is not None and is_stopped(self._process.pid):
                    self._end()
                if self._control is None:
                    self._begin([request.module])
                try:
                    return self._ask([told, folder_fd], fds)
                except OSError as error:  # it was killed, say: another one may do
                    self._end()
                    if is_last:
                        raise ProcessDied(f"the process that others are forked from: {error}") from error
        raise AssertionError("unreachable")

    def _ask(self, before: Sequence[int], fds: Sequence[int]) -> Forked:
        """What is forked waits until it is known here: where the answer was lost it ends."""
        assert self._control is not None
        waits, goes = os.pipe()
        with _closed_after(goes):
            with _closed_after(waits), _adopting():
                socket.send_fds(self._control, [b"start"], [*before, waits, *fds])
                answer = self._answer()
            if not answer.isdecimal():
                raise ProcessDied(f"no process could be forked: {answer}")
            os.write(goes, b"\0")
        return Forked(int(answer))

    def _answer(self) -> str:
        assert self._control is not None
        assert self._process is not None
        deadline_s = time.monotonic() + _ANSWERS_WITHIN_S
        while True:
            try:
                answer = self._control.recv(MOST_ANSWER_BYTES)
            except TimeoutError:
                if is_stopped(self._process.pid) or time.monotonic() > deadline_s:
                    raise
            else:
                if not answer:
                    raise ConnectionResetError(errno.ECONNRESET, "it ended")
                return answer.decode(errors="replace")

    def close(self) -> None:
        with self._turn:
            self._end()

    def _end(self) -> None:
        """At once: it has nothing of its own."""
        control, process = self._control, self._process
        self._control = self._process = None
        if control is not None:
            control.close()
        if process is not None:
            process.kill()
            process.wait()


class Nursery:
    """Two processes, one for what moves the mesh and one for what runs in its nodes: what is imported for
    one is memory of each fork, and of nodes there may be thousands."""

    def __init__(self) -> None:
        self._rooms: dict[str, Room] = {name: Room() for name in ROOMS}

    def begin(self, *modules: str) -> None:
        """Import these now: they will be asked for."""
        for name, room in self._rooms.items():
            if ours := [module for module in modules if _room_of(module) == name]:
                room.begin(ours)

    def adopt(self, room: str, control: socket.socket, process: Forked) -> None:
        """A process that waits already (``process.serve``), a child of this one."""
        self._rooms[room].adopt(control, process)

    def start(self, module: str, arguments: Sequence[str], fds: Sequence[int]) -> Forked:
        """A child of this process that runs the module's ``main`` in a session of its own, with nothing to
        read, with our stdout and stderr, and with these descriptors under the same numbers.

        ProcessDied, with why, where there is none.
        """
        numbers = (_STDIN, _STDOUT, _STDERR, *fds)
        request = Request(module, tuple(arguments), numbers, dict(os.environ))
        room = self._rooms[_room_of(module)]
        with (
            _closed_after(os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)) as folder,
            _closed_after(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)) as nothing,
        ):
            return room.start(request, folder, [nothing, _STDOUT, _STDERR, *fds])

    def close(self) -> None:
        """What was forked goes on."""
        for room in self._rooms.values():
            room.close()


@contextlib.contextmanager
def _closed_after(fd: int) -> Iterator[int]:
    try:
        yield fd
    finally:
        os.close(fd)


def _room_of(module: str) -> str:
    return module.split(".")[1]


_adopts = threading.Lock()


@contextlib.contextmanager
def _adopting() -> Iterator[None]:
    """What is forked twice becomes a child of ours: we hear how it ends.

    The whole process does, so it is one thread at a time; other orphans of these moments are ours too.
    """
    was = ctypes.c_int(0)
    with _adopts:
        _libc.prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(was), 0, 0, 0)
        _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        try:
            yield
        finally:
            _libc.prctl(_PR_SET_CHILD_SUBREAPER, was.value, 0, 0, 0)


class _Kept:
    """The nursery of a process, and how many need it."""

    def __init__(self) -> None:
        self.pid, self.times, self.nursery = os.getpid(), 0, Nursery()


_turn = threading.Lock()
_kept = _Kept()


def _of_this_process() -> _Kept:
    global _kept
    if _kept.pid != os.getpid():  # a fork has none of its own: what came of ours would not be its child
        _kept = _Kept()
    return _kept


@contextlib.contextmanager
def kept() -> Iterator[Nursery]:
    """Helpers that this process starts inside are forked from one nursery; one kept already goes on."""
    with _turn:
        here = _of_this_process()
        here.times += 1
    try:
        yield here.nursery
    finally:
        with _turn:
            here.times -= 1
            if here.times == 0 and here.pid == os.getpid():
                here.nursery.close()


def kept_here() -> Nursery | None:
    """The one that is kept just now."""
    here = _of_this_process()
    return here.nursery if here.times else None
