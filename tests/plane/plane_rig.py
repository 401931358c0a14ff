"""A small mesh in real namespaces, and datagrams that count what is lost in it."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from collections.abc import Callable

import plane_toys as toys

from orbitmesh.emulator.epoch import Epoch
from orbitmesh.emulator.plane.backend import LinkBackend
from orbitmesh.emulator.plane.engine import EngineBackend
from orbitmesh.emulator.plane.kernel import namespaces
from orbitmesh.emulator.plane.kernel.nodes import Namespaces
from orbitmesh.emulator.plane.wired.plane import Plane

SO_RCVBUFFORCE = 33  # asm-generic/socket.h; the socket module lacks it
MESH = toys.nodes(3, 4, 2)
NEAR, FAR = 12, 13  # the gateways
PAIRS = [*toys.torus(3, 4), (0, NEAR), (6, FAR)]


def now_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


class Rig:
    """A plane, and the epoch in force."""

    def __init__(self, make: Callable[[], LinkBackend] = EngineBackend, **scenario: object) -> None:
        self.plane = Plane(MESH, toys.scenario(**scenario), make())  # type: ignore[arg-type]
        self.plane.build()
        self.net = self.plane.net
        self.epoch: Epoch | None = None

    def step(self, pairs: list[tuple[int, int]]) -> None:
        new = toys.epoch(MESH, pairs, 0 if self.epoch is None else self.epoch.number + 1)
        change = self.plane.prepare(self.epoch, new)
        self.epoch = new
        self.plane.commit(change, now_ns())

    @property
    def kernel(self) -> Namespaces:
        assert isinstance(self.plane.kernel, Namespaces)
        return self.plane.kernel

    def wrong_routes(self) -> list[str]:
        """Nodes whose table, as /proc/net/route tells it, is not the epoch's."""
        assert self.epoch is not None
        routes, names, wrong = self.epoch.routes, self.plane.addresses, []
        interfaces = {}
        for entry in self.plane._ledger.entries.values():
            interfaces[entry.a, entry.b] = entry.interface_a
            interfaces[entry.b, entry.a] = entry.interface_b
        for node in range(len(MESH)):
            wanted = {
                names[to]: interfaces[node, int(routes.next_node[row, node])]
                for row, to in enumerate(routes.destinations.tolist())
                if routes.next_node[row, node] >= 0
            }
            if self.kernel.routes(node) != wanted:
                wrong.append(MESH.names[node])
        return wrong


def socket_in(rig: Rig, node: int) -> socket.socket:
    """A UDP socket of a node, for use in this process."""

    def make() -> socket.socket:
        namespaces.enter(rig.plane.netns_fd(node))
        return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    return namespaces.on_own_thread(make)


def refusals(source: Callable[[], socket.socket], target: str, count: int) -> int:
    """How many of so many datagrams to a port where nobody listens are answered, all sent at once."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(source()) for _ in range(count)]
        for sock in sockets:
            sock.connect((target, 9))
        for sock in sockets:
            sock.send(b"?")
        answered = 0
        for sock in sockets:
            sock.settimeout(2)
            try:
                sock.recv(1)
            except ConnectionRefusedError:
                answered += 1
            except TimeoutError:
                break  # one is enough to know
    return answered


class Stream:
    """Numbered datagrams from one node to another, 2,000 a second, and which of them came."""

    def __init__(self, rig: Rig, source: int, target: int, port: int) -> None:
        self.sent, self.came = 0, []
        self._stop = threading.Event()
        self._out, self._in = socket_in(rig, source), socket_in(rig, target)
        self._in.bind(("0.0.0.0", port))
        # for seconds: on a busy machine who reads is late, and what finds no room is lost by nobody's link
        self._in.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
        self._to = (rig.plane.addresses[target], port)
        self._threads = [threading.Thread(target=self._send), threading.Thread(target=self._receive)]
        for thread in self._threads:
            thread.start()

    def _send(self) -> None:
        while not self._stop.is_set():
            self._out.sendto(self.sent.to_bytes(8, "little"), self._to)
            self.sent += 1
            time.sleep(0.0005)

    def _receive(self) -> None:
        # long after the last was sent: the path takes milliseconds
        while select.select([self._in], [], [], 1.0)[0]:
            self.came.append(int.from_bytes(self._in.recv(64), "little"))

    def finish(self) -> set[int]:
        """Numbers of the datagrams that were lost."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._out.close()
        self._in.close()
        assert len(set(self.came)) == len(self.came)
        assert self.sent > 100
        return set(range(self.sent)) - set(self.came)


def hand_over(rig: Rig) -> list[set[int]]:
    """Move a gateway from satellite to satellite while datagrams fly to it and from it; what was lost."""
    torus = toys.torus(3, 4)
    rig.step([*torus, (0, NEAR), (6, FAR)])
    streams = [Stream(rig, FAR, NEAR, 9000), Stream(rig, NEAR, FAR, 9001)]
    for satellite in (5, 3, 0, 5):
        begun = time.monotonic()
        while time.monotonic() < begun + 0.25:
            rig.plane.settle(now_ns())
            time.sleep(0.02)
        rig.step([*torus, (satellite, NEAR), (6, FAR)])
    return [stream.finish() for stream in streams]
