"""The first process inside the guest: makes a Linux of the host's files, runs one command, powers off.

Runs as a script (``python -I -S init.py JOB``) with nothing but the standard library, because the
project may be anything there: an editable checkout, a wheel.  Everything is done by system calls
from this one process: a fork costs milliseconds in User-mode Linux.

The job (see ``machine.Job``) is a JSON file.  Lines to the outside, on the control terminal:
``ready``, ``exit STATUS``, ``failed REASON``; from there: ``signal NUMBER``.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import re
import selectors
import signal
import socket
import struct
import sys
import termios
import time
import traceback
import tty
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

CONTROL_TTY, STDOUT_TTY, STDERR_TTY = "/dev/tty3", "/dev/tty1", "/dev/tty2"

# beside what is built in: for the links, for the layer over the host's files, and the classes beside netem
MODULES = ("overlay", "tun", "veth", "sch_netem", "sch_htb", "sch_tbf")

# linux/mount.h, linux/reboot.h, linux/random.h, linux/sockios.h, linux/if.h
_MS_RDONLY, _MS_NOSUID, _MS_MOVE = 1, 2, 8192
_RB_POWER_OFF = 0x4321FEDC
_RNDADDENTROPY = 0x40085203
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1
_FINIT_MODULE = 313  # x86-64, the only architecture the package is made for

_DRAIN_S = 0.5  # for what children of a command that has ended still say

_libc = ctypes.CDLL(None, use_errno=True)


# ---- pure


def load_order(modules_dep: str, wanted: Iterable[str]) -> list[str]:
    """Files below the modules' folder, each behind what it needs; from the text of modules.dep.

    A name that is not there is left out: it is built in, or what needs it will say so.
    """
    needs: dict[str, tuple[str, list[str]]] = {}
    for line in modules_dep.splitlines():
        path, _, rest = line.partition(":")
        name = re.sub(r"\.ko.*$", "", path.rpartition("/")[2]).replace("-", "_")
        needs[name] = (path, rest.split())
    order: list[str] = []
    for name in wanted:
        if name in needs:
            path, dependencies = needs[name]
            # modules.dep lists all, also the indirect ones, the deepest last
            order += [file for file in (*reversed(dependencies), path) if file not in order]
    return order


def exit_status(wait_status: int) -> int:
    """As a shell counts: 128 + the signal."""
    code = os.waitstatus_to_exitcode(wait_status)
    return code if code >= 0 else 128 - code


# ---- system calls


def _checked(result: int, what: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


def mount(source: str, target: str, kind: str | None, flags: int = 0, data: str | None = None) -> None:
    _checked(
        _libc.mount(
            source.encode(), os.fsencode(target), kind and kind.encode(), flags, data and os.fsencode(data)
        ),
        f"mount {kind or source} on {target}",
    )


def load_modules(folder: Path) -> None:
    """Those of MODULES that the package holds."""
    for file in load_order((folder / "modules.dep").read_text(), MODULES):
        with (folder / file).open("rb") as module:
            _checked(_libc.syscall(_FINIT_MODULE, module.fileno(), b"", 0), f"load {file}")


def seed_random(seed: bytes) -> None:
    """Give the kernel entropy of the host's, so that nobody waits for it."""
    with Path("/dev/urandom").open("wb", buffering=0) as random:
        fcntl.ioctl(random, _RNDADDENTROPY, struct.pack("ii", len(seed) * 8, len(seed)) + seed)


def raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh22x", b"lo", 0)
        flags = struct.unpack_from("16sh", fcntl.ioctl(any_socket, _SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", flags | _IFF_UP))


def power_off() -> None:
    os.sync()
    _libc.reboot(_RB_POWER_OFF)


# ---- what makes a Linux of it


def build_root(job: dict[str, Any], modules: Path) -> None:
    """The host's files under a private layer, as the root; then what programs expect on a running Linux."""
    mount("proc", "/proc", "proc")
    load_modules(modules)
    layer: str = job["layer"]
    mount("tmpfs", layer, "tmpfs", _MS_NOSUID, "mode=755")
    for name in ("upper", "work", "root"):
        Path(layer, name).mkdir()
    root = f"{layer}/root"
    # by a relative path: an overlay's options are split at commas and colons
    os.chdir(layer)
    mount("overlay", "root", "overlay", 0, "lowerdir=/,upperdir=upper,workdir=work")
    mount("proc", f"{root}/proc", "proc")
    mount("sysfs", f"{root}/sys", "sysfs")
    mount("devtmpfs", f"{root}/dev", "devtmpfs")
    mount("tmpfs", f"{root}/run", "tmpfs", _MS_NOSUID, "mode=755")
    for name in ("pts", "shm", "net"):
        Path(root, "dev", name).mkdir(exist_ok=True)
    mount("devpts", f"{root}/dev/pts", "devpts", _MS_NOSUID, "newinstance,ptmxmode=0666,mode=0620,gid=5")
    mount("tmpfs", f"{root}/dev/shm", "tmpfs", _MS_NOSUID, "mode=1777")
    for name, target in (
        ("ptmx", "pts/ptmx"),
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ):
        link = Path(root, "dev", name)
        link.unlink(missing_ok=True)
        link.symlink_to(target)
    for folder in job["writable"]:
        mount("hostfs", root + folder, "hostfs", 0, folder)
    os.chdir(root)
    mount(".", "/", None, _MS_MOVE)
    os.chroot(".")
    os.chdir("/")


def settle_in(job: dict[str, Any]) -> None:
    socket.sethostname(job["hostname"])
    raise_loopback()
    files = max(job["n_files"], 1024)
    Path("/proc/sys/fs/nr_open").write_text(str(max(files, 1 << 20)))
    import resource

    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))


# ---- the command


def open_terminal(path: str, flags: int, size: tuple[int, int] | None = None) -> int:
    """A line to the outside that changes no byte on its way; its number is above those of stdio."""
    opened = os.open(path, flags | os.O_NOCTTY | os.O_CLOEXEC)
    fd = fcntl.fcntl(opened, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(opened)
    tty.setraw(fd)
    if size is not None:
        fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
    return fd


class Command:
    """The job's command: its process, and the pipes that carry what it says where that is no terminal."""

    def __init__(self, job: dict[str, Any], terminals: dict[int, int]) -> None:
        self.carried: dict[int, int] = {}  # read end of a pipe → terminal
        ends = {}
        for number, terminal in terminals.items():
            if job["terminal"] is not None and number in job["terminal"]["fds"]:
                ends[number] = terminal
            else:
                read, write = os.pipe2(os.O_CLOEXEC)
                self.carried[read] = terminal
                ends[number] = fcntl.fcntl(write, fcntl.F_DUPFD_CLOEXEC, 10)
                os.close(write)
        self.pid = os.fork()
        if self.pid == 0:
            self._become(job, ends)
        for number, end in ends.items():
            if end != terminals[number]:
                os.close(end)

    @staticmethod
    def _become(job: dict[str, Any], ends: dict[int, int]) -> None:
        """In the child; never returns."""
        os.dup2(ends[2], 2)
        try:
            os.setsid()
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGINT, signal.SIGPIPE, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
            os.dup2(ends[1], 1)
            os.chdir(job["cwd"])
            os.execvpe(job["argv"][0], job["argv"], job["environment"])
        except OSError as error:
            os.write(2, f"orbitmesh: {job['argv'][0]}: {error.strerror}: is it on PATH?\n".encode())
            os._exit(127 if isinstance(error, FileNotFoundError) else 126)

    def signal(self, number: int) -> None:
        """To it and its children."""
        with contextlib.suppress(ProcessLookupError):  # it has just ended
            os.killpg(self.pid, number)


def run(job: dict[str, Any], control: int) -> int:
    """The command's exit status."""
    size = tuple(job["terminal"]["size"]) if job["terminal"] is not None else None
    terminals = {
        1: open_terminal(STDOUT_TTY, os.O_WRONLY, size),
        2: open_terminal(STDERR_TTY, os.O_WRONLY, size),
    }
    woken, waker = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(waker)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    command = Command(job, terminals)
    status: int | None = None
    orders = b""
    deadline_s = float("inf")
    with selectors.DefaultSelector() as selector:
        selector.register(woken, selectors.EVENT_READ)
        selector.register(control, selectors.EVENT_READ)
        for pipe in command.carried:
            selector.register(pipe, selectors.EVENT_READ)
        while status is None or (command.carried and time.monotonic() < deadline_s):
            left_s = None if status is None else max(deadline_s - time.monotonic(), 0)
            for key, _ in selector.select(left_s):
                if key.fd == woken:
                    os.read(woken, 1 << 12)
                    ended = _reap(command.pid)
                    if ended is not None:
                        status, deadline_s = ended, time.monotonic() + _DRAIN_S
                elif key.fd == control:
                    orders += os.read(control, 1 << 12)
                    *lines, orders = orders.split(b"\n")
                    for line in lines:
                        command.signal(int(line.split()[1]))
                elif not _carry(key.fd, command.carried[key.fd]):
                    selector.unregister(key.fd)
                    del command.carried[key.fd]
    for terminal in terminals.values():
        termios.tcdrain(terminal)
    return status


def _reap(wanted: int) -> int | None:
    """All that have ended: orphans are this process's children.  The status of the wanted one."""
    found = None
    while True:
        try:
            pid, wait_status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if pid == 0:
            return found
        if pid == wanted:
            found = exit_status(wait_status)


def _carry(source: int, sink: int) -> bool:
    """From a pipe to a terminal; False at the end."""
    data = os.read(source, 1 << 14)
    write_all(sink, data)
    return bool(data)


def write_all(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]


def main(job_path: str) -> None:
    say: Callable[[str], None] = lambda text: print(text, flush=True)  # noqa: E731 — until there is a control line
    try:
        job = json.loads(Path(job_path).read_text())
        seed_random(bytes.fromhex(job["random_hex"]))
        # the modules are of the host's files, below the layer and above it alike
        build_root(job, Path(job["modules"], os.uname().release))
        settle_in(job)
        control = open_terminal(CONTROL_TTY, os.O_RDWR)
        say = lambda text: write_all(control, text.encode() + b"\n")  # noqa: E731
        say("ready")
        say(f"exit {run(job, control)}")
        termios.tcdrain(control)
    except Exception as error:
        traceback.print_exc()
        say(f"failed {' '.join(str(error).split())}")
    finally:
        power_off()


if __name__ == "__main__":
    main(sys.argv[1])
