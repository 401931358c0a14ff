"""Boots a guest, hands on what its command prints, ends it.

The guest is one process group, with a watcher in it (see keeper.py) that ends it when this process
is gone.  What comes from it: the command's stdout and stderr, each on a pipe; a control line; and the
kernel's own console, which goes to a file that nobody sees unless something fails.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import FailureError, GuestError, HostError
from . import init, keeper
from .host import find_kernel, memory_folder
from .machine import Job, Lines, Terminal, command_line, essence, guest_environment, init_script, tail

DEFAULT_MEMORY_BYTES = 1 << 30
BOOT_TIMEOUT_S = 60.0
# for what runs inside to end in order when it was told to: a run writes its record
END_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Order:
    """What to run in a guest, and in what guest."""

    argv: Sequence[str]
    cwd: Path = field(default_factory=Path.cwd)
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    writable: Sequence[Path] = ()  # folders that exist; what is written there stays
    memory_bytes: int = DEFAULT_MEMORY_BYTES
    kernel: Path | None = None  # None: the package's
    timeout_s: float | None = None  # of the command


class _Overdue(Exception):
    pass


def run(order: Order, on_ready: Callable[[float], None] = lambda seconds: None) -> int:
    """Boot a guest, run the order's command in it, power off: the command's exit status.

    ``on_ready`` hears how many seconds it took to boot.

    GuestError where the guest does not come up or breaks down; FailureError for a command that
    takes longer than it may; HostError where this machine lacks something.  When a signal or
    Ctrl-C breaks in, the command gets the same signal, and time to end.
    """
    kernel = find_kernel(order.kernel)
    memory = memory_folder(order.memory_bytes)
    try:
        folder = Path(tempfile.mkdtemp(prefix="orbitmesh-guest-"))
    except OSError as error:
        raise HostError(
            f"cannot make a temporary folder: {error.strerror}; set TMPDIR to a place with room"
        ) from error
    try:
        job = _prepare(folder, order, kernel.modules)
        with _Guest(folder, kernel.path, memory, order.memory_bytes, job) as guest:
            return guest.watch(order.timeout_s, on_ready)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _prepare(folder: Path, order: Order, modules: Path) -> Path:
    """Write what the guest finds when it starts: the path of its job."""
    for name in ("layer", "uml"):
        (folder / name).mkdir()
    job = folder / "job.json"
    job.write_text(
        Job(
            argv=tuple(order.argv),
            cwd=str(order.cwd.absolute()),
            environment=guest_environment(order.environment),
            writable=tuple(str(path.resolve()) for path in order.writable),
            layer=str(folder / "layer"),
            modules=str(modules),
            hostname=socket.gethostname(),
            random_hex=secrets.token_hex(64),
            n_files=1 << 16,
            terminal=_terminal(),
        ).to_json()
    )
    script = folder / "init"
    script.write_text(init_script(sys.executable, Path(init.__file__), job))
    script.chmod(0o700)
    return job


def _terminal() -> Terminal | None:
    fds = tuple(fd for fd in (1, 2) if os.isatty(fd))
    if not fds:
        return None
    size = os.get_terminal_size(fds[0])
    return Terminal(fds, (size.lines, size.columns))


class _Guest:
    """A guest from its start to its end; leaving the block leaves nothing of it."""

    def __init__(self, folder: Path, kernel: Path, memory: Path, memory_bytes: int, job: Path) -> None:
        self._folder = folder
        self._console = folder / "console.log"
        self._kernel, self._memory, self._memory_bytes = kernel, memory, memory_bytes
        self._heard = b""
        self._ready = False
        self._status: int | None = None

    def __enter__(self) -> _Guest:
        with contextlib.ExitStack() as theirs:

            def pipe() -> tuple[int, int]:
                read, write = os.pipe2(os.O_CLOEXEC)
                return read, write

            self._stdout, stdout = pipe()
            self._stderr, stderr = pipe()
            self._answers, control_out = pipe()
            control_in, self._orders = pipe()
            lifeline, self._lifeline = pipe()
            inherited = (stdout, stderr, control_out, control_in, lifeline)
            for fd in inherited:
                theirs.callback(os.close, fd)
            command = command_line(
                self._kernel, self._memory_bytes, self._folder, Lines(stdout, stderr, control_in, control_out)
            )
            console = theirs.enter_context(self._console.open("wb"))
            self._group = subprocess.Popen(
                [sys.executable, "-I", "-S", keeper.__file__, str(lifeline), str(self._folder), *command],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                pass_fds=inherited,
                # nothing of the caller's: the command gets that by its job
                env={"PATH": os.environ.get("PATH", os.defpath), "TMPDIR": str(self._memory), "HOME": "/"},
                start_new_session=True,
            )
            self._ended = os.pidfd_open(self._group.pid)
        return self

    def __exit__(self, *_: object) -> None:
        # before its leader is reaped: until then its number is nobody else's
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._group.pid, signal.SIGKILL)
        self._group.wait()
        for fd in (self._stdout, self._stderr, self._answers, self._orders, self._lifeline, self._ended):
            os.close(fd)

    def watch(self, timeout_s: float | None, on_ready: Callable[[float], None]) -> int:
        """Until it has powered off: the command's exit status."""
        began_s = time.monotonic()
        try:
            try:
                self._listen(began_s + BOOT_TIMEOUT_S, until=lambda: self._ready)
            except _Overdue:
                raise self._broken(f"did not boot within {BOOT_TIMEOUT_S:g} s") from None
            if not self._ready:
                raise self._broken("did not boot")
            on_ready(time.monotonic() - began_s)
            try:
                self._listen(None if timeout_s is None else time.monotonic() + timeout_s)
            except _Overdue:
                self._end(signal.SIGTERM)
                raise FailureError(
                    f"the command in the guest was still running after {timeout_s:g} s and was ended: "
                    "give it more with --timeout"
                ) from None
        except KeyboardInterrupt as error:
            if self._ready:
                self._end(getattr(error, "number", signal.SIGINT))
            raise
        if self._status is None:
            raise self._broken("broke down")
        return self._status

    def _end(self, number: int) -> None:
        """Ask the command to end, and hand on what it still says."""
        with contextlib.suppress(OSError, _Overdue):
            os.write(self._orders, f"signal {number}\n".encode())
            self._listen(time.monotonic() + END_TIMEOUT_S)

    def _listen(self, deadline_s: float | None, until: Callable[[], bool] = lambda: False) -> None:
        """Hand on what comes, until that, or until the guest has ended.  _Overdue at the deadline."""
        sinks = {self._stdout: 1, self._stderr: 2}
        with selectors.DefaultSelector() as selector:
            for fd in (*sinks, self._answers, self._ended):
                selector.register(fd, selectors.EVENT_READ)
            while not until():
                left_s = None if deadline_s is None else deadline_s - time.monotonic()
                if left_s is not None and left_s <= 0:
                    raise _Overdue
                events = {key.fd for key, _ in selector.select(left_s)}
                for fd in events & {*sinks, self._answers}:
                    data = os.read(fd, 1 << 16)
                    if not data:
                        selector.unregister(fd)
                    elif fd in sinks:
                        init.write_all(sinks[fd], data)
                    else:
                        self._hear(data)
                # its end counts once all that it said has been read
                if events == {self._ended}:
                    return

    def _hear(self, data: bytes) -> None:
        *lines, self._heard = (self._heard + data).split(b"\n")
        for line in lines:
            word, _, rest = line.decode(errors="replace").partition(" ")
            if word == "ready":
                self._ready = True
            elif word == "exit":
                self._status = int(rest)
            elif word == "failed":
                raise self._broken(f"could not be set up: {rest}")

    def _broken(self, how: str) -> GuestError:
        """The error, with the console's log moved to where it stays."""
        console = self._console.read_text(errors="replace")
        said = essence(console)
        if said is None:
            return GuestError(f"{self._kernel} {how}, and printed nothing: is it a User-mode Linux kernel?")
        kept = self._folder.with_suffix(".log")
        shutil.copyfile(self._console, kept)
        return GuestError(
            f"the guest kernel {self._kernel} {how}: it said {said!r} on its console, which is in {kept}",
            console_tail=tail(console),
        )
