"""The engine in fabric mode: it forwards from pipe to pipe, and each host has one device at it."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Sequence
from enum import IntEnum
from typing import Protocol, Unpack

import numpy as np
from numpy.typing import NDArray

from ...epoch import Int64
from ...errors import BackendError, ProcessDied
from ..backend import Carrier, LinkEnd
from ..engine import tun
from ..engine.carrier import EngineCarrier, EngineOptions
from ..engine.process import Operation
from ..engine.stamps import Stamps
from ..fake import CarriesNothing
from ..kernel.namespaces import on_own_thread
from .table import FabricTable

#: of a pipe as the engine has it in force
READ = np.dtype(
    [
        ("t0_mono_ns", np.int64), ("delay_ns", np.uint32), ("slope_ns_per_s", np.float32),
        ("rate_bps", np.float32), ("word", np.uint32),
        ("background_ratio", np.float32), ("loss_ratio", np.float32),
    ]
)  # fmt: skip


class Mirrored(IntEnum):
    PIPE = 0
    NODE = 1


class FabricCarrier(Carrier, Protocol):
    """What a fabric plane needs; unlike other carriers it may be called from any thread."""

    #: what hosts put onto their devices, where this kernel has it
    stamps: Stamps | None

    def published(self) -> None:
        """An epoch has been published."""

    def bind(self, nodes: Sequence[int], ends: Sequence[LinkEnd]) -> None:
        """Give each node an interface, up, in its namespace.  On failure none of them has one."""

    def unbind(self, node: int) -> None:
        """Take a node's interface away."""

    def read(self, pipes: Int64) -> NDArray[np.void]:
        """(n,) READ: pipes as they are in force, by the engine's word."""

    def mirror(self, what: Mirrored, index: int, fd: int) -> None:
        """Copy packets into a file behind the head of a pcapng, until ``end_mirror``; one file for each."""

    def end_mirror(self, what: Mirrored, index: int) -> None: ...


class FabricEngine(EngineCarrier):
    """See FabricCarrier."""

    def __init__(
        self,
        table: FabricTable,
        **options: Unpack[EngineOptions],
    ) -> None:
        super().__init__(table, "--fabric-fd", **options)
        self._lock = threading.Lock()
        self._ports: dict[int, tuple[int, int]] = {}  # by node: its port, and our duplicate of the device
        self._free: list[int] = []  # a heap: the lowest port first
        self._fresh = 0  # ports from here on were never used

    def published(self) -> None:
        with self._lock:
            self._running().ping()  # it may be asleep until a packet comes

    def bind(self, nodes: Sequence[int], ends: Sequence[LinkEnd]) -> None:
        made: list[int] = []
        with self._lock:
            process = self._running()
            ports = [self._take_port() for _ in nodes]
            try:
                self._allow_descriptors(len(nodes), self._fresh, f"{len(nodes)} more hosts")
                on_own_thread(lambda: tun.make(ends, made))
                process.request(Operation.PORT_ADD, np.array(ports, np.uint32)[:, None], made)
                pairs = np.column_stack([ports, nodes]).astype(np.uint32)
                process.request(Operation.FABRIC_BIND, pairs)
            except BaseException as error:
                if not isinstance(error, ProcessDied):
                    self._undo(ports)
                tun.remove(made)
                for port in ports:
                    heapq.heappush(self._free, port)
                raise
            self._ports.update(zip(nodes, zip(ports, made, strict=True), strict=True))

    def unbind(self, node: int) -> None:
        with self._lock:
            port, fd = self._ports.pop(node)
            try:
                self._running().request(Operation.FABRIC_UNBIND, np.array([[port]], np.uint32))
                self._running().request(Operation.PORT_REMOVE, np.array([[port]], np.uint32))
            except BaseException:
                tun.remove([fd])
                raise
            heapq.heappush(self._free, port)
        tun.remove([fd])

    def read(self, pipes: Int64) -> NDArray[np.void]:
        with self._lock:
            items = pipes.astype(np.uint32).reshape(-1, 1)
            return np.frombuffer(self._running().request(Operation.FABRIC_READ, items), READ)

    def mirror(self, what: Mirrored, index: int, fd: int) -> None:
        with self._lock:
            self._running().request(Operation.MIRROR_ADD, np.array([[what, index]], np.uint32), [fd])

    def end_mirror(self, what: Mirrored, index: int) -> None:
        with self._lock:
            self._running().request(Operation.MIRROR_REMOVE, np.array([[what, index]], np.uint32))

    def let_go(self) -> None:
        """The namespaces end right after ``close()``: leave the devices to them, who remove all at once."""
        tun.leave(fd for _, fd in self._ports.values())

    def close(self) -> None:
        """Lateness can still be read afterwards."""
        with self._lock:
            super().close()
            fds = [fd for _, fd in self._ports.values()]
            self._ports = {}
            tun.remove(fds)

    def _take_port(self) -> int:
        if self._free:
            return heapq.heappop(self._free)
        self._fresh += 1
        return self._fresh - 1

    def _undo(self, ports: Sequence[int]) -> None:
        """Make the engine forget ports of which it may know any part."""
        for operation in (Operation.FABRIC_UNBIND, Operation.PORT_REMOVE):
            for port in ports:
                try:
                    self._running().request(operation, np.array([[port]], np.uint32))
                except BackendError:
                    continue  # it had got no further
                except ProcessDied:
                    return


class FakeFabric(CarriesNothing):
    """Carries nothing: takes up each epoch at once."""

    name = "fake"
    stamps: Stamps | None = None

    def __init__(self, table: FabricTable) -> None:
        self._table = table
        self.bound: set[int] = set()
        self.mirrored: set[tuple[Mirrored, int]] = set()

    def start(self) -> None:
        """Nothing to do."""

    def published(self) -> None:
        self._table.header["in_force"] = self._table.published

    def bind(self, nodes: Sequence[int], ends: Sequence[LinkEnd]) -> None:
        self.bound.update(nodes)

    def unbind(self, node: int) -> None:
        self.bound.remove(node)

    def read(self, pipes: Int64) -> NDArray[np.void]:
        bank = self._table.banks[self._table.in_force % 2]
        found = np.zeros(len(pipes), READ)
        for name in bank.pipes.dtype.names or ():
            found[name] = bank.pipes[name][pipes]
        found["t0_mono_ns"] = bank.head["t0_mono_ns"]
        found["background_ratio"] = self._table.background[pipes]
        found["loss_ratio"] = self._table.loss[pipes]
        return found

    def mirror(self, what: Mirrored, index: int, fd: int) -> None:
        self.mirrored.add((what, index))

    def end_mirror(self, what: Mirrored, index: int) -> None:
        self.mirrored.remove((what, index))

    def close(self) -> None:
        self._table.close_fd()
