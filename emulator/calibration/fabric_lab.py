"""A row of nodes inside an engine's fabric, hosts at its ends: what a Line is, without the kernel between."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import numpy as np

from ..epoch import Epoch, Int32, Int64, LinkKind, Links, Nodes, Routes
from ..plane.engine.carrier import Wait
from ..plane.fabric.engine import FabricEngine
from ..plane.fabric.plane import FabricPlane
from ..routing.shortest import shortest_routes
from ..scenario import Scenario
from .lab import Setting

# a fabric knows no unlimited rate: so high that a packet takes no time
_UNLIMITED_BPS = 10**15


class FabricLine:
    """Nodes 0 to ``hops``; the first and the last are hosts.

    ``setting`` holds from the start; what it says of queues and losses holds throughout.
    """

    def __init__(self, hops: int = 1, setting: Setting | None = None, *, wait: Wait = "adaptive") -> None:
        self.hops = hops
        self._setting = setting or Setting()
        self.plane = fabric_of(hops + 1, [0, hops], self._setting, wait)
        self._epoch: Epoch | None = None

    def __enter__(self) -> Self:
        self.plane.build()
        try:
            self.set(self._setting)
        except BaseException:
            self.plane.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.plane.close()

    def set(self, setting: Setting) -> None:
        """Every link, from this instant on."""
        kept = self._setting
        if (setting.queue_bytes, setting.loss_ratio) != (kept.queue_bytes, kept.loss_ratio):
            raise ValueError("queues and losses of a fabric are set when it is made")
        a = np.arange(self.hops, dtype=np.int32)
        self._put(links_of(a, a + 1, setting, setting.delay_ns))

    def _put(self, links: Links) -> None:
        """Another epoch, in force when this returns; ways are the shortest ones."""
        n = len(self.plane.nodes)
        routes = shortest_routes(n, n, links, np.array([0, self.hops], np.int32))
        self._epoch = commit(self.plane, self._epoch, links, routes)

    def address(self, node: int) -> str:
        return self.plane.addresses[node]

    def spawn(self, node: int, argv: Sequence[str], **popen: Any) -> subprocess.Popen[bytes]:
        process: subprocess.Popen[bytes] = self.plane.net.get(f"node-{node}").popen(list(argv), **popen)
        return process

    def netns_fd(self, node: int) -> int:
        return self.plane.netns_fd(node)

    @property
    def mntns_fd(self) -> int:
        return self.plane.mntns_fd

    def cautions(self) -> list[str]:
        return self.plane.carrier.cautions()

    def bytes_out(self) -> int:
        """What has left the first link, eastwards."""
        pipe = self.plane.pipe(0, 1)
        return int(self.plane.table.counters["bytes_out"][pipe])


class FabricDetour(FabricLine):
    """Nodes 0 and 1, hosts, with a link between them and a way round by node 2."""

    def __init__(self, direct_ns: int, round_ns: int, *, wait: Wait = "adaptive") -> None:
        self.hops, self._setting = 1, Setting(delay_ns=direct_ns)
        self._round_ns = round_ns
        self.plane = fabric_of(3, [0, 1], self._setting, wait)
        self._epoch = None

    def set(self, setting: Setting) -> None:
        self._go(setting.delay_ns)

    def hand_over(self) -> None:
        """By node 2 from now on: the direct link is there still, and longer."""
        self._go(2 * self._round_ns)

    def _go(self, direct_ns: float) -> None:
        a, b = np.array([0, 0, 1], np.int32), np.array([1, 2, 2], np.int32)
        delay_ns = np.array([direct_ns, self._round_ns / 2, self._round_ns / 2])
        self._put(links_of(a, b, self._setting, delay_ns))


@contextmanager
def grid(n_satellites: int, wait: Wait) -> Iterator[tuple[FabricPlane, Int32, Int32]]:
    """A fabric of so many satellites on a torus, and the (2 n,) ends of its lasers; nobody is a host."""
    planes = next(p for p in range(round(n_satellites**0.5), 0, -1) if n_satellites % p == 0)
    slots = n_satellites // planes
    node = np.arange(n_satellites, dtype=np.int32)
    plane, slot = node // slots, node % slots
    there = np.concatenate([plane * slots + (slot + 1) % slots, (plane + 1) % planes * slots + slot])
    ends = np.sort(np.column_stack([np.concatenate([node, node]), there]), axis=1)
    a, b = np.unique(ends, axis=0).astype(np.int32).T
    fabric = fabric_of(n_satellites, [], Setting(), wait)
    fabric.build()
    try:
        yield fabric, a, b
    finally:
        fabric.close()


def no_routes(n_nodes: int) -> Routes:
    none = np.empty(0, np.int32)
    return shortest_routes(n_nodes, n_nodes, links_of(none, none, Setting(), 0.0), none)


def fabric_of(n_nodes: int, hosts: Sequence[int], setting: Setting, wait: Wait) -> FabricPlane:
    """Satellites only, in one plane; not built yet."""
    zero, slot = np.zeros(n_nodes, np.int32), np.arange(n_nodes, dtype=np.int32)
    width = 250  # of a plane's addresses
    nodes = Nodes(tuple(f"node-{i}" for i in range(n_nodes)), n_nodes, zero, slot // width, slot % width)
    hosting = np.zeros(n_nodes, np.bool_)
    hosting[list(hosts)] = True
    lasers: dict[str, Any] = {"loss-ratio": float(setting.loss_ratio)}
    if setting.queue_bytes:
        lasers["queue"] = f"{setting.queue_bytes} B"
    scenario = Scenario.model_validate(
        {
            "name": "calibration",
            "constellation": {"shells": [{"code": "D:550:53:1/1/0"}]},
            "lasers": lasers,
            "run": {"start": datetime(2026, 11, 1, tzinfo=UTC)},
        }
    )
    return FabricPlane(nodes, scenario, hosting, lambda table: FabricEngine(table, wait=wait))


def links_of(a: Int32, b: Int32, setting: Setting, delay_ns: Any) -> Links:
    """Lasers between a < b, rising; the delays by themselves, all else the same both ways."""
    n = len(a)
    rate_bps: Int64 = np.full(n, setting.rate_bps or _UNLIMITED_BPS, np.int64)
    return Links(
        a=a,
        b=b,
        kind=np.full(n, LinkKind.LASER, np.uint8),
        delay_ns=np.broadcast_to(np.asarray(delay_ns, np.float64), n).copy(),
        delay_slope_ns_per_s=np.full(n, setting.slope_ns_per_s, np.float64),
        rate_ab_bps=rate_bps,
        rate_ba_bps=rate_bps,
    )


def commit(plane: FabricPlane, before: Epoch | None, links: Links, routes: Routes) -> Epoch:
    """An epoch that holds from now on; in force when this returns."""
    number = 0 if before is None else before.number + 1
    epoch = Epoch(number, number, np.zeros((len(plane.nodes), 3)), links, routes)
    plane.commit(plane.prepare(before, epoch), time.monotonic_ns())
    plane.table.free_bank(plane.backend.failure)  # once the engine has taken it up
    return epoch
