"""What the tests and the benchmark of nodes share: anonymous namespaces, and a node parent under them."""

from __future__ import annotations

import ctypes
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from orbitmesh.wire import missed
from orbitmesh.wire.spec import NodeSpec, Sample

_CLONE_FS, _CLONE_NEWNS, _CLONE_NEWNET = 0x00000200, 0x00020000, 0x40000000
_MS_BIND, _MS_REC, _MS_PRIVATE = 0x1000, 0x4000, 1 << 18
_libc = ctypes.CDLL(None, use_errno=True)


def _on_own_thread(make: Callable[[], int]) -> int:
    """What it returns; on a thread that ends with it, since that thread cannot come back."""
    made: list[int | BaseException] = []

    def run() -> None:
        try:
            made.append(make())
        except BaseException as error:
            made.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if isinstance(made[0], BaseException):
        raise made[0]
    return made[0]


def _check(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def new_netns() -> int:
    """A descriptor of a new network namespace; it is gone with its last holder."""

    def make() -> int:
        _check(_libc.unshare(_CLONE_NEWNET))
        return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    return _on_own_thread(make)


def new_mntns(hosts: Path | None = None) -> int:
    """A descriptor of a new mount namespace, with the file seen as /etc/hosts inside."""

    def make() -> int:
        _check(_libc.unshare(_CLONE_NEWNS | _CLONE_FS))
        _check(_libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None))
        if hosts is not None:
            _check(_libc.mount(bytes(hosts), b"/etc/hosts", None, _MS_BIND, None))
        return os.open("/proc/thread-self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)

    return _on_own_thread(make)


def ip(netns_fd: int, *commands: str) -> None:
    """Run ip(8) commands in a namespace."""
    for command in commands:
        subprocess.run(
            ["nsenter", f"--net=/proc/self/fd/{netns_fd}", "ip", *command.split()],
            check=True,
            pass_fds=[netns_fd],
        )


def alive(pid: int) -> bool:
    """Whether the process runs (one that ended and was not yet waited for does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    """Wait until the condition holds; False where it does not in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


class RunningParent:
    """A node parent, its control socket and its samples."""

    def __init__(self, through: tuple[str, ...] = ()) -> None:
        """``through``: a command that runs the parent, instead of this process itself."""
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.samples_socket, samples_theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        fds = [theirs.fileno(), samples_theirs.fileno()]
        self.process = subprocess.Popen(
            [
                *through,
                *(sys.executable, "-P", "-m", "orbitmesh.nodes.parent"),
                *("--control-fd", str(fds[0]), "--samples-fd", str(fds[1])),
            ],
            pass_fds=fds,
        )
        theirs.close()
        samples_theirs.close()
        self.control.settimeout(10)
        self.events: list[dict[str, Any]] = []
        self.pids: dict[str, int] = {}

    def order(self, message: dict[str, Any], fds: tuple[int, ...] = ()) -> None:
        socket.send_fds(self.control, [json.dumps(message).encode()], fds)

    def start(self, spec: NodeSpec, netns_fd: int, mntns_fd: int) -> None:
        self.order({"op": "start", "spec": json.loads(spec.to_json())}, (netns_fd, mntns_fd))

    def event(self) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(self.control.recv(65536))
        self.events.append(event)
        if event["event"] == "ready":
            self.pids[event["name"]] = event["pid"]
        return event

    def datagrams(self, seconds: float) -> Iterator[bytes]:
        """What arrives from the nodes until the time is over."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.samples_socket.settimeout(left)
            try:
                yield self.samples_socket.recv(65536)
            except TimeoutError:
                return

    def samples(self, seconds: float) -> Iterator[Sample]:
        for datagram in self.datagrams(seconds):
            if missed.MARK not in datagram:  # what was left out is told beside the samples
                yield Sample.from_json(datagram)

    def first_sample(self, wanted: Callable[[Sample], bool], seconds: float = 10) -> Sample:
        """The first that is wanted; AssertionError where none comes."""
        seen = []
        for sample in self.samples(seconds):
            if wanted(sample):
                return sample
            seen.append(sample)
        raise AssertionError(f"not among the {len(seen)} samples of {seconds} s: the last are {seen[-3:]}")

    def close(self) -> None:
        self.control.close()
        self.samples_socket.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


@contextmanager
def running_parent(through: tuple[str, ...] = ()) -> Iterator[RunningParent]:
    parent = RunningParent(through)
    try:
        yield parent
    finally:
        parent.close()
