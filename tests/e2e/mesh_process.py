"""A run in a process of its own, and what a run must not leave behind."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from forked_command import Command, orbitmesh

from orbitmesh.emulator.plane.kernel.namespaces import enter, on_own_thread

COMMAND = [sys.executable, "-m", "orbitmesh.emulator.cli"]
TOY = Path(__file__).parent / "toy.toml"
GONE_TIMEOUT_S = 30.0
SO_NETNS_COOKIE = 71  # asm-generic/socket.h

COOKIE = "ORBITMESH_TEST_COOKIE"


class Traces:
    """What the runs of one test make of the machine: theirs by a cookie in the environment they inherit."""

    def __init__(self) -> None:
        self.cookie = f"{COOKIE}={secrets.token_hex(8)}"
        self.environment = os.environ | dict([self.cookie.split("=")])
        self.namespaces: set[tuple[str, int]] = set()  # by name and number
        self._names_before = self._names()

    def processes(self) -> dict[int, str]:
        """Process id and command line of all that carry the cookie."""
        found = {}
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if self.cookie.encode() in (process / "environ").read_bytes():
                    command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                    found[int(process.name)] = command
            except OSError:
                continue  # it ended while we looked
        return found

    def note_namespaces(self) -> None:
        """Remember the network namespaces that the runs hold now, by descriptor or by being inside."""
        ours = {name for name, _ in _namespaces_of(os.getpid())}
        for pid in self.processes():
            for name, link in _namespaces_of(pid):
                if name not in ours and (number := _number_of(link)) is not None:
                    self.namespaces.add((name, number))

    def left(self) -> dict[str, object]:
        """What is there that should not be; empty where nothing is."""
        noted = {name for name, _ in self.namespaces}
        held = {
            name
            for process in Path("/proc").glob("[0-9]*")
            for name, link in _namespaces_of(int(process.name))
            if name in noted and (name, _number_of(link)) in self.namespaces
        }
        left = {
            "processes": self.processes(),
            "namespaces": held,
            "names": self._names() - self._names_before,
        }
        return {what: found for what, found in left.items() if found}

    @staticmethod
    def _names() -> set[str]:
        """Interfaces of this namespace, shared memory, named namespaces, mounts."""
        folders = ("/sys/class/net", "/dev/shm", "/run/netns")
        mounts = Path("/proc/self/mounts").read_text().splitlines()
        return {str(path) for folder in folders for path in Path(folder).glob("*")} | set(mounts)


def _namespaces_of(pid: int) -> set[tuple[str, Path]]:
    """Names of the network namespaces that a process holds, and what leads to each."""
    found = set()
    links = [Path(f"/proc/{pid}/ns/net")]
    with contextlib.suppress(OSError):
        links += Path(f"/proc/{pid}/fd").iterdir()
    for link in links:
        with contextlib.suppress(OSError):
            found.add((str(link.readlink()), link))
    return {(name, link) for name, link in found if name.startswith("net:[")}


def _number_of(link: Path) -> int | None:
    """What the kernel gives once, where the name goes to another mesh once it is free; None: it is gone.

    0 where the kernel (before 5.14) numbers none.
    """
    try:
        fd = os.open(link, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None

    def ask() -> int:
        enter(fd)
        with socket.socket(socket.AF_UNIX) as sock:
            try:
                return int.from_bytes(sock.getsockopt(socket.SOL_SOCKET, SO_NETNS_COOKIE, 8), sys.byteorder)
            except OSError:
                return 0

    try:
        return on_own_thread(ask)
    finally:
        os.close(fd)


@pytest.fixture
def traces() -> Traces:
    return Traces()


@pytest.fixture
def nothing_left(traces: Traces) -> Iterator[Callable[[], None]]:
    """Checks, when called and at the end of the test, that nothing of the runs is left."""

    def check() -> None:
        deadline = time.monotonic() + GONE_TIMEOUT_S
        while (left := traces.left()) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not left, left  # no module of tests: pytest would not tell what

    yield check
    check()


class MeshProcess:
    """``orbitmesh run``, with its imports behind it (forked_command); ``children`` by what they are."""

    def __init__(self, out: Path, traces: Traces, *arguments: str, scenario: Path = TOY) -> None:
        self.out = out
        self._traces = traces
        self.log = out.with_suffix(".log").open("w+")
        self.process = Command(
            ["run", str(scenario), "--out", str(out), *arguments],
            cwd=out.parent, environment=traces.environment, out=self.log.fileno(), err=self.log.fileno(),
        )  # fmt: skip

    @property
    def run_id(self) -> str:
        return str(json.loads((self.out / "run.json").read_text())["run_id"])

    def orbitmesh(self, verb: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A verb against this run."""
        words = [verb, "--run", self.run_id, *arguments]
        return orbitmesh(words, cwd=Path.cwd(), environment=self._traces.environment)

    @property
    def pid(self) -> int:
        return self.process.pid

    def children(self) -> dict[str, list[int]]:
        """Process ids of the run's own processes, by kind."""
        found: dict[str, list[int]] = {}
        parents: dict[int, int] = {}  # of all that run the program of the node parent: nodes are its forks
        for process in Path("/proc").glob("[0-9]*"):
            try:
                command = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
                parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            kind = {
                "orbitmesh.emulator.run.ahead": "geometry",
                "orbitmesh.emulator.record.process": "recorder",
                "orbitmesh.nodes.parent": "node parent",
            }.get(command[3] if len(command) > 3 else "")
            if command[0].endswith("orbitmesh-engine"):
                kind = "engine"
            if kind == "node parent":
                parents[int(process.name)] = parent
            if kind and parent == self.pid:
                found.setdefault(kind, []).append(int(process.name))
        ours = found.get("node parent", [])  # another run's nodes are not ours to kill
        if nodes := [pid for pid, parent in parents.items() if parent in ours]:
            found["node"] = nodes
        return found

    def wait_for(self, condition: Callable[[], bool], what: str, timeout_s: float = 60.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert self.process.poll() is None, f"the run ended before {what}:\n{self.output()}"
            assert time.monotonic() < deadline, f"no {what} within {timeout_s} s:\n{self.output()}"
            time.sleep(0.05)
        self._traces.note_namespaces()

    def wait_for_samples(self) -> None:
        self.wait_for(lambda: any((self.out / "samples").glob("part-*.parquet")), "the first samples")

    def wait(self, timeout_s: float = 60.0) -> int:
        return self.process.wait(timeout_s)

    def output(self) -> str:
        self.log.seek(0)
        return self.log.read()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()


@pytest.fixture
def start_mesh(
    tmp_path: Path, traces: Traces, nothing_left: Callable[[], None]
) -> Iterator[Callable[..., MeshProcess]]:
    """Start a run of the toy scenario; it is ended, and checked for leftovers, after the test."""
    started: list[MeshProcess] = []

    def start(*arguments: str) -> MeshProcess:
        mesh = MeshProcess(tmp_path / f"run-{len(started)}", traces, *arguments)
        started.append(mesh)
        return mesh

    yield start
    for mesh in started:
        mesh.close()
