"""A program in a node, among processes of its own: the machine's are out of its sight and reach.

Its namespace of processes has a first one, as each must: a fork of the caller, which starts the program,
reaps what loses its parent there, and passes signals on.  It says how the program ended, and stays for as
long as something that the program left behind does: a server that went into the background lives on.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import math
import os
import selectors
import shutil
import signal
import socket
import struct
import sys
import time
from collections.abc import Mapping, Sequence, Set
from typing import NoReturn

from ...errors import HostError
from ...shown import plain
from . import capabilities, hidden, namespaces, sockets

#: what the caller of a program may be sent on its behalf
PASSED = (
    signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2,
)  # fmt: skip

# A terminal, and whoever signals a group of processes, reaches the caller and the program alike: what the
# caller tells counts where the first process was not sent the same at that time.
_SAME_TIME_S = 0.02
_LAST_S = 2.0  # from the hang-up to the kill
_MOST_WORDS_BYTES = 4096
_PR_SET_DUMPABLE = 4
# what the first process says: the program has stopped; "=" and its exit status; "!" and why there is none
_STOPPED = b"s"

_libc = ctypes.CDLL(None, use_errno=True)


class Confined:
    """A program with a container's capabilities; ``fd`` is readable when it has ended.

    It has standard input, output, error, terminal and working directory of the caller, and no other file.
    """

    def __init__(self, netns_fd: int, mntns_fd: int, argv: Sequence[str], env: Mapping[str, str]) -> None:
        """HostError where this kernel makes no such namespace."""
        cwd = os.getcwd()  # noqa: PTH109 - no object needed
        self.fd, said = os.pipe()
        told, self._tell = os.pipe()
        self._heard = b""
        sys.stdout.flush()
        sys.stderr.flush()
        own_pids = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, PASSED)  # the child answers them in its own way
        try:
            namespaces.unshare_children_pids()
            self._pid = os.fork()
            if self._pid == 0:
                _First(said, told).run(netns_fd, mntns_fd, argv, env, cwd, mask)
            namespaces.enter_children_pids(own_pids)
        except BaseException:
            os.close(self.fd)
            os.close(self._tell)
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            for fd in (said, told, own_pids):
                os.close(fd)

    def tell(self, number: int) -> None:
        """A signal for the program, where it has not got it with the caller."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self._tell, bytes([number]))

    def kill(self) -> None:
        """With all that it has started."""
        os.kill(self._pid, signal.SIGKILL)

    def hear(self) -> tuple[bool, bool]:
        """Whether it has ended, and whether it has stopped since last time; waits for either."""
        came = os.read(self.fd, _MOST_WORDS_BYTES)
        self._heard += came
        words = self._heard.lstrip(_STOPPED)
        has_stopped, self._heard = len(words) < len(self._heard), words
        return not came or bool(words), has_stopped

    def go_on(self) -> None:
        """It, and its group, where it was stopped."""
        self.tell(signal.SIGCONT)

    def wait(self) -> int:
        """Its exit status as a shell gives it (128 + signal); HostError where it could not be started."""
        has_ended = False
        while not (has_ended or self._heard):
            has_ended, _ = self.hear()
        if self._heard[:1] == b"!":
            while came := os.read(self.fd, _MOST_WORDS_BYTES):
                self._heard += came
        os.close(self.fd)
        os.close(self._tell)
        os.waitpid(self._pid, os.WNOHANG)  # the first process may stay
        if self._heard[:1] == b"!":
            words = self._heard[1:].decode(errors="replace")
            raise HostError(f"{words}; --privileged starts it among the machine's processes")
        return self._heard[1] if len(self._heard) == 2 else 128 + signal.SIGKILL


class _First:
    """Process 1, from the fork to its end."""

    def __init__(self, said: int, told: int) -> None:
        self._said, self._told = said, told
        self._program = 0
        self._got_s: dict[int, float] = {}  # signals of its own, by number
        self._kill_s = math.inf  # when all that is here is killed
        self._due: list[tuple[float, int]] = []  # signals that the caller told of

    def run(
        self,
        netns_fd: int,
        mntns_fd: int,
        argv: Sequence[str],
        env: Mapping[str, str],
        cwd: str,
        mask: Set[int],
    ) -> NoReturn:
        try:
            came = self._listen()
            namespaces.enter(netns_fd)
            namespaces.enter(mntns_fd)
            os.close(namespaces.unshare_mounts())
            hidden.hide_machine()
            os.chdir(cwd)
            sockets.keep_networks_apart()
            capabilities.confine()
            _libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)  # not to be looked into by the program
            self._close_others(came)
            self._start(argv, env, mask)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            self._stay(came)
        except BaseException as error:
            words = str(error) if isinstance(error, HostError | OSError) else repr(error)
            os.write(self._said, b"!" + words.encode(errors="replace")[: _MOST_WORDS_BYTES - 1])
            os._exit(1)
        os._exit(0)

    def _listen(self) -> socket.socket:
        """Where the numbers of signals arrive.  With handlers, since process 1 is sent no others."""
        came, into = socket.socketpair()
        into.setblocking(False)
        signal.set_wakeup_fd(into.detach(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in PASSED:
            if signal.getsignal(number) is not signal.SIG_IGN:  # the program is to ignore it too
                signal.signal(number, lambda *_: None)
        return came

    def _close_others(self, came: socket.socket) -> None:
        """All files but the program's three and what is needed here, which no program inherits."""
        wakeup = signal.set_wakeup_fd(-1)
        signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
        kept = sorted({2, self._said, self._told, came.fileno(), wakeup})
        for low, high in zip(kept, [*kept[1:], 1 << 20], strict=True):
            os.closerange(low + 1, high)

    def _start(self, argv: Sequence[str], env: Mapping[str, str], mask: Set[int]) -> None:
        """As a shell does: by PATH, a script without #! by sh; 127 where there is none, or 126."""

        def spawn(words: list[str]) -> int:
            python_s = (signal.SIGPIPE, signal.SIGXFSZ)  # which Python ignores
            return os.posix_spawnp(words[0], words, env, setsigmask=mask, setsigdef=python_s)

        try:
            try:
                self._program = spawn(list(argv))
            except OSError as error:
                if error.errno != errno.ENOEXEC:
                    raise
                self._program = spawn(["/bin/sh", shutil.which(argv[0]) or argv[0], *argv[1:]])
        except OSError as error:
            is_missing = error.errno == errno.ENOENT
            why = "there is no such program" if is_missing else error.strerror
            words = f"orbitmesh: cannot start {plain(argv[0])}: {why}\n"
            os.write(2, words.encode(errors="backslashreplace"))
            self._say_ended(127 if is_missing else 126)
        # who reads the program's output waits for its end alone
        nowhere = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        for fd in (0, 1, 2):
            os.dup2(nowhere, fd)

    def _say_ended(self, status: int) -> None:
        self._say(struct.pack("cB", b"=", status))

    def _say(self, word: bytes) -> None:
        with contextlib.suppress(BrokenPipeError):  # nobody waits for it any more
            os.write(self._said, word)

    def _stay(self, came: socket.socket) -> None:
        """Until nothing is left here."""
        with selectors.DefaultSelector() as selector:
            selector.register(came, selectors.EVENT_READ)
            selector.register(self._told, selectors.EVENT_READ)
            while self._reaped():
                next_s = min(self._kill_s, self._due[0][0] if self._due else math.inf)
                wait_s = None if next_s == math.inf else max(0.0, next_s - time.monotonic())
                ready = {key.fd for key, _ in selector.select(wait_s)}
                now_s = time.monotonic()
                if now_s >= self._kill_s:
                    os.kill(-1, signal.SIGKILL)
                if came.fileno() in ready:
                    self._got_s.update(dict.fromkeys(came.recv(4096), now_s))
                if self._told in ready:
                    numbers = os.read(self._told, 4096)
                    self._due += [(now_s + _SAME_TIME_S, number) for number in numbers]
                    if not numbers:  # the caller has gone
                        selector.unregister(self._told)
                        self._hang_up()
                while self._due and self._due[0][0] <= time.monotonic():
                    self._pass(*self._due.pop(0))

    def _hang_up(self) -> None:
        """A program whose caller was killed ends as one whose terminal is gone, with all that it started."""
        if self._program == 0:
            return  # it has ended, and what it left behind lives on
        for number in (signal.SIGHUP, signal.SIGCONT):
            os.kill(-1, number)
        self._kill_s = time.monotonic() + _LAST_S

    def _reaped(self) -> bool:
        """Take leave of those that have ended; False where none is left."""
        while True:
            try:
                pid, how = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if os.WIFSTOPPED(how):
                if pid == self._program:
                    self._say(_STOPPED)
            elif pid == self._program:
                self._program = 0
                status = os.waitstatus_to_exitcode(how)
                self._say_ended(status if status >= 0 else 128 - status)

    def _pass(self, due_s: float, number: int) -> None:
        if self._program == 0:
            return
        if number == signal.SIGCONT:  # a shell has jobs of other groups, which it lets go on itself
            os.killpg(os.getpgid(self._program), number)
            return
        has_it = self._got_s.get(number, 0.0) > due_s - 3 * _SAME_TIME_S
        # a shell with job control has made a group of its own
        if has_it and os.getpgid(self._program) == os.getpgid(0):
            return
        os.kill(self._program, number)
