"""What the end-to-end tests share: the toy scenario with changes, what is commanded, and ways into a node."""

from __future__ import annotations

import json
import re
import select
import socket
import struct
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from orbitmesh.emulator import Emulation, Scenario
from orbitmesh.emulator.epoch import NS_PER_S, Epoch
from orbitmesh.emulator.geometry import Geometry
from orbitmesh.emulator.plane.kernel.namespaces import enter, on_own_thread
from orbitmesh.emulator.plane.wired.plane import Plane
from orbitmesh.emulator.run.clock import RealClock

T = TypeVar("T")

HERE = Path(__file__).parent
TOY = HERE / "toy.toml"
PATIENCE_S = 30.0
SO_TIMESTAMPNS = 35  # asm-generic/socket.h; the socket module lacks these two
SO_RCVBUFFORCE = 33


def toy(**changes: dict[str, Any]) -> Scenario:
    """The toy scenario, with some keys of some sections replaced: ``toy(run={"step": "1 s"})``."""
    raw = tomllib.loads(TOY.read_text())
    for section, keys in changes.items():
        raw.setdefault(section, {}).update(keys)
    return Scenario.model_validate(raw)


#: where what is measured is not the point: nodes that probe five times a second, and the record of it, keep
#: two fifths of a processor for as long as the mesh is there
RARELY = {"probes": {"interval": "60 s", "gateways": 2}, "tasks": []}


def quiet(**changes: dict[str, Any]) -> Scenario:
    """As ``toy``, and hardly anything is measured: for meshes that are asked, and for what stays up long."""
    return toy(**changes | {"compute": RARELY | changes.get("compute", {})})


def quiet_text() -> str:
    """The same as a file."""
    text = re.sub(r"\[\[compute\.tasks\]\]\n(?:.+\n)+\n", "", TOY.read_text()).replace('"200 ms"', '"60 s"')
    assert Scenario.model_validate(tomllib.loads(text)) == quiet()
    return text


def until(condition: Callable[[], bool], what: str, patience_s: float = PATIENCE_S) -> None:
    """Wait for something that must come; how long it takes is not the point."""
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, f"waited {patience_s} s in vain: {what}"
        time.sleep(0.005)


# ---- what is commanded, worked out again beside the run


class Commanded:
    """The epochs of a scenario, computed here, with routes between all nodes."""

    def __init__(self, scenario: Scenario, n_epochs: int) -> None:
        geometry = Geometry(scenario)
        geometry.set_destinations(range(len(geometry.nodes)))
        self.nodes, self.hosting = geometry.nodes, geometry.hosting
        self.step_ns = scenario.run.step_ns
        series = geometry.epochs(0, self.step_ns)
        self.epochs: list[Epoch] = [next(series) for _ in range(n_epochs)]

    def row_at(self, sim_ns: int) -> int:
        return min(max(sim_ns // self.step_ns, 0), len(self.epochs) - 1)

    def names(self, path: Sequence[int] | None) -> tuple[str, ...] | None:
        return None if path is None else tuple(self.nodes.names[node] for node in path)

    def path(self, row: int, source: int, destination: int) -> tuple[int, ...] | None:
        return self.epochs[row].path(source, destination)

    def least_delay_ns(self, u: int, v: int, sim_ns: int) -> float:
        """Of the link at an instant: the lesser of the epoch's in force and the one's before it.

        A tick comes into force a little after its instant; until then the
        delay goes on by the slope of the epoch before.
        """
        row = self.row_at(sim_ns)
        return min(self.epochs[r].path_delay_ns((u, v), sim_ns) for r in {row, max(row - 1, 0)})


class HeldClock(RealClock):
    """The machine's clock, except that emulated time stands still until ``release``.

    What is to happen at an emulated instant is then ready before it, however
    long the building took.
    """

    name = "held"

    def __init__(self) -> None:
        super().__init__()
        self._start_sim_ns = 0
        self._released = threading.Event()

    def start(self, sim_ns: int) -> None:
        self._start_sim_ns = sim_ns
        super().start(sim_ns)

    def sim_ns(self) -> int:
        return super().sim_ns() if self._released.is_set() else self._start_sim_ns

    def wait(self, sim_ns: int, stop: threading.Event) -> int | None:
        while not self._released.wait(0.02):
            if stop.is_set():
                return None
        return super().wait(sim_ns, stop)

    def release(self) -> None:
        super().start(self._start_sim_ns)
        self._released.set()


# ---- into a node


def inside(plane: Plane, node: int, work: Callable[[], T]) -> T:
    """Do it on a thread that is in the node's namespace."""

    def run() -> T:
        enter(plane.netns_fd(node))
        return work()

    return on_own_thread(run)


def udp_socket(plane: Plane, node: int) -> socket.socket:
    """Bound to the node's address; arrivals are stamped by the kernel."""
    sock = inside(plane, node, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    sock.settimeout(PATIENCE_S)
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    sock.bind((plane.addresses[node], 0))
    return sock


def stamp_unix_ns(ancillary: Sequence[tuple[int, int, bytes]]) -> int:
    """The kernel's time stamp of what recvmsg() returned."""
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
            seconds, nanoseconds = struct.unpack("=qq", data)
            return int(seconds * NS_PER_S + nanoseconds)
    raise AssertionError("the kernel stamped no time on this packet")


def wait_for_stamps(sock: socket.socket, make_traffic: Callable[[], object]) -> None:
    """Wait until the kernel stamps packets as they pass: it begins some time after it was asked to.

    Until then it stamps a packet when it is read, which is after it has waited here.
    """
    waited_ns = 2_000_000

    def is_stamped() -> bool:
        make_traffic()
        assert select.select([sock], [], [], PATIENCE_S)[0], "no packet came"
        time.sleep(waited_ns / 1e9)
        reading_unix_ns = time.time_ns()
        return stamp_unix_ns(sock.recvmsg(1 << 16, 4096)[1]) < reading_unix_ns - waited_ns // 2

    until(is_stamped, "time stamps")


def unix_minus_mono_ns() -> tuple[int, int]:
    """CLOCK_REALTIME minus CLOCK_MONOTONIC, and how uncertain that is: the tightest of many readings."""
    found = []
    for _ in range(50):
        before_ns = time.monotonic_ns()
        unix_ns = time.time_ns()
        after_ns = time.monotonic_ns()
        found.append((after_ns - before_ns, unix_ns - (before_ns + after_ns) // 2))
    width_ns, offset_ns = min(found)
    return offset_ns, width_ns


def received_bytes(plane: Plane, node: int, interface: str) -> tuple[int, int]:
    """IP bytes that the node's kernel received there, and when that was read (CLOCK_MONOTONIC)."""

    def read() -> tuple[str, int]:
        before_ns = time.monotonic_ns()
        text = Path("/proc/thread-self/net/dev").read_text()
        return text, (before_ns + time.monotonic_ns()) // 2

    text, mono_ns = inside(plane, node, read)
    for line in text.splitlines():
        name, _, numbers = line.partition(":")
        if name.strip() == interface:
            return int(numbers.split()[0]), mono_ns
    raise AssertionError(f"no interface {interface}")


class Conversation:
    """Two programs in two nodes that send each other numbered datagrams; see e2e_stream.py."""

    PORT = 9100

    def __init__(self, mesh: Emulation, one: str, two: str, *, count: int, interval_us: int) -> None:
        self.programs: list[subprocess.Popen[bytes]] = []
        for here, there in ((one, two), (two, one)):
            # both directions are to be routed before the first is sent
            mesh.path(here, there)
            argv = [sys.executable, str(HERE / "e2e_stream.py"), mesh.net.get(there).IP()]
            argv += map(str, (self.PORT, count, interval_us))
            self.programs.append(
                mesh.net.get(here).popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            )
        for program in self.programs:
            assert program.stdout is not None
            assert program.stdout.readline() == b"bound\n"

    def begin(self) -> None:
        for program in self.programs:
            assert program.stdin is not None
            program.stdin.write(b"\n")
            program.stdin.flush()

    def result(self) -> list[dict[str, Any]]:
        """Of each: ``sent_mono_ns`` by number, and ``came``: [number, mono_ns] in order of arrival."""
        found = []
        for program in self.programs:
            out, _ = program.communicate(timeout=60)
            assert program.returncode == 0, out
            found.append(json.loads(out))
        return found


def lost(sender: dict[str, Any], receiver: dict[str, Any]) -> set[int]:
    """Numbers of the datagrams that did not come; none may come twice."""
    numbers = [number for number, _ in receiver["came"]]
    assert len(set(numbers)) == len(numbers)
    return set(range(len(sender["sent_mono_ns"]))) - set(numbers)


def quantiles_us(values_ns: Sequence[float]) -> str:
    p50, p99 = np.quantile(values_ns, [0.5, 0.99]) / 1e3
    return (
        f"least {min(values_ns) / 1e3:.1f}, p50 {p50:.1f}, p99 {p99:.1f}, most {max(values_ns) / 1e3:.1f} us"
    )
