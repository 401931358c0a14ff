"""The fabric plane: the engine carries the space segment itself.

A node that runs no program has no namespace.  A packet enters from its host's
one interface, crosses all its hops inside the engine, and leaves at its
destination.  An epoch becomes valid for all packets at one instant.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import ClassVar

import numpy as np

from ...course import Course
from ...epoch import Bool, Epoch, Int64, Nodes, Ports, RouteRows
from ...scenario import Scenario
from .. import addressing
from ..backend import LinkCounters
from ..kernel.kernel import Kernel, Progress
from ..mesh import Carried, CommitReport, LinkReader, MeshPlane
from .captures import Captures
from .engine import FabricCarrier, FabricEngine
from .fluids import Fluids
from .hosts import Hosts, make_kernel
from .losses import Losses
from .net import FabricNet
from .of_scenario import kinds, sizes_for
from .readback import differences
from .table import Bank, FabricTable
from .writer import EpochWriter, Written

#: why the engine drops packets that are on no link
_CAUSES = ("spoofed", "invalid", "no_port", "out_of_memory")
_LOST = ("dropped_queue", "dropped_loss", "dropped_down")
_LOOKS_FOR_IDLE_NS = 5_000_000_000


@dataclass(eq=False)
class Prepared:
    """What commit() will publish: a bank that has been written."""

    new: Epoch
    bank: Bank
    written: Written
    prepared_ns: int


class FabricPlane(MeshPlane):
    """See the module, and MeshPlane.  ``table`` is what it shares with its engine."""

    name: ClassVar[str] = "fabric"
    lead_ns: ClassVar[int] = 5_000_000

    def __init__(
        self,
        nodes: Nodes,
        scenario: Scenario,
        hosting: Bool,
        make_engine: Callable[[FabricTable], FabricCarrier] = FabricEngine,
        on_progress: Progress | None = None,
        *,
        kernel: Kernel | None = None,
    ) -> None:
        """``hosting``, (n_nodes,) bool: who is a host for the whole run.  Nothing is made yet.

        ScenarioError where the constellation does not fit the address space.
        """
        addresses = addressing.assign(nodes)
        hosts = np.flatnonzero(hosting).tolist()
        self.table = FabricTable(
            sizes_for(nodes, scenario, len(hosts)),
            addresses.ipv4,
            addressing.IPV6_PREFIX,
            *kinds(scenario),
        )
        self._fluids = Fluids(self.table, scenario.background)
        self._losses = Losses(self.table)
        self.table.header["allows_spoofing"] = scenario.run.allow_spoofing
        self.backend = make_engine(self.table)
        if kernel is None:
            kernel = make_kernel(nodes, addresses, hosts, self.backend)
        super().__init__(nodes, scenario, addresses, self.backend, kernel, on_progress)
        self.net = FabricNet(nodes, addresses, self.ensure_host, self._descriptors, self.close)
        self.hosts = Hosts(addresses, hosts, self.backend, kernel, self.net, self._mtu_bytes)
        self._captures = Captures(nodes, self.backend, self.pipe)
        self._looked_mono_ns = 0
        self._writer = EpochWriter(self.table, scenario, nodes.n_satellites, addresses.ipv4)
        self._course = Course(0, 0, 0.0)  # of emulated time, since the last commit
        self._pending: Prepared | None = None
        self._total: dict[str, int] | None = None

    # ---- epochs

    def prepare(self, old: Epoch | None, new: Epoch) -> Prepared:
        """Write ``new`` into the bank that is not in force."""
        with self._lock:
            self._need_turn(old, self._pending)
            began_ns = time.monotonic_ns()
            bank = self.table.free_bank(self.backend.failure)
            written = self._writer.write(bank, new, self._course)
            self._pending = Prepared(new, bank, written, time.monotonic_ns() - began_ns)
            return self._pending

    def commit(
        self, change: Prepared, t0_mono_ns: int, *, ahead_ns: int = 0, ratio: float = 1.0
    ) -> CommitReport:
        """Publish a prepared epoch, valid from its instant; soon, where that is far off."""
        with self._lock:
            self._need_open()
            if change is not self._pending:
                raise ValueError("this change is not the one prepared last")
            began_ns = time.monotonic_ns()
            valid_from_ns = min(t0_mono_ns, began_ns + self.lead_ns)
            self._losses.put(*change.written.losses)
            self.table.publish(change.bank, t0_mono_ns, valid_from_ns, ahead_ns, ratio)
            self.backend.published()
            self._pending, self._epoch = None, change.new
            self._course = Course(change.new.sim_ns + ahead_ns, t0_mono_ns, ratio)
            self._captures.follow()
            ended_ns = time.monotonic_ns()
            n_links, n_routes = len(change.new.links), len(change.new.routes.destinations) * len(self.nodes)
            return CommitReport(
                number=change.new.number,
                n_added=change.written.n_added,
                n_kept=n_links - change.written.n_added,
                n_removed=change.written.n_removed,
                n_routes=n_routes,
                attach_ns=change.prepared_ns,
                links_ns=ended_ns - began_ns,
                routes_ns=0,
                removal_ns=0,
                total_ns=ended_ns - began_ns,
                began_mono_ns=max(valid_from_ns, began_ns),
                ended_mono_ns=max(valid_from_ns, ended_ns),
            )

    def abandon(self, change: Prepared) -> None:
        """See MeshPlane.  Its bank is written again by the next."""
        with self._lock:
            if change is not self._pending:
                raise ValueError("this change is not the one prepared last")
            self._pending = None
            self._writer.undo(change.written)

    def settle(self, now_mono_ns: int) -> None:
        """Give up hosts on demand that nobody uses."""
        self._need_open()
        if now_mono_ns - self._looked_mono_ns >= _LOOKS_FOR_IDLE_NS:
            self._looked_mono_ns = now_mono_ns
            if gone := self.hosts.give_up_idle(now_mono_ns):
                self.on_hosts_gone(gone)
        self.kernel.tend()

    def more_routes(self, epoch: Epoch, more: RouteRows) -> Epoch:
        """See MeshPlane: written into the epoch's bank, also where packets go by it at this moment."""
        with self._lock:
            pending = self._pending
            if pending is not None and epoch is pending.new:
                bank = pending.bank
            elif epoch is self._need_epoch():
                bank = self.table.banks[self.table.published % 2]
            else:
                raise ValueError("this epoch is neither prepared nor in force")
            n_rows = len(epoch.routes.destinations)
            self._writer.check_room(n_rows + len(more.destinations))
            ipv4 = self.addresses.ipv4[more.destinations]
            self.table.add_routes(bank, n_rows, ipv4, more.destinations, more.code)
            joined = replace(epoch, routes=epoch.routes.joined(more))
            if pending is not None and epoch is pending.new:
                pending.new = joined
            else:
                self._epoch = joined
                self.table.free_bank(self.backend.failure)  # once it has been taken up
            return joined

    def check_room(self, n_destinations: int) -> None:
        """See MeshPlane."""
        self._writer.check_room(n_destinations)

    # ---- hosts

    def _finish_build(self) -> None:
        self.hosts.build(self._on_progress)

    def _mtu_bytes(self, node: int) -> int:
        """Of the one interface of a host: what the widest of its links takes."""
        ground_bytes = self.scenario.ground.mtu_bytes
        is_satellite = node < self.nodes.n_satellites
        return max(self.scenario.lasers.mtu_bytes, ground_bytes) if is_satellite else ground_bytes

    def ensure_host(self, node: int) -> None:
        """Make the node a host if it is none: a namespace, its address, an interface to the engine.

        It is given up again when no program and no socket has been in it for a while (hosts.IDLE_NS).
        """
        self._need_open()
        if is_told := self.hosts.lacks(node):
            self.on_host(node)  # routes to it are worked out while it is made
        if self.hosts.ensure(node) and not is_told:
            self.on_host(node)  # it was given up at this moment

    # ---- what is in force, and what has passed

    def pipe(self, u: int, v: int) -> int | None:
        """The pipe from a node to a neighbour in the epoch committed last; None where they have no link."""
        with self._lock:
            ports, sizes = self._need_ports(), self.table.sizes
            if u < sizes.n_satellites and v < sizes.n_satellites:
                slot = np.flatnonzero(ports.laser_neighbour[u] == v)
                return u * sizes.laser_slots + int(slot[0]) if len(slot) else None
            return self._writer.ground_pipe(u, v)

    def load_links(self, bps: Mapping[tuple[int, int], float]) -> bool:
        """See MeshPlane: a fluid, as the steady load of [background] is, and beside it."""
        pipes = {way: self.pipe(*way) for way in bps}
        self._fluids.load({pipe: bps[way] for way, pipe in pipes.items() if pipe is not None})
        return True

    def link_reader(self, ways: Sequence[tuple[int, int]]) -> LinkReader:
        """See MeshPlane."""
        there = {way: pipe for way in ways if (pipe := self.pipe(*way)) is not None}
        pipes = np.fromiter(there.values(), np.int64, len(there))
        counters, waited_ns = self.table.counters, self.table.waited_ns

        def read() -> Int64:
            row = counters[pipes]
            lost = row["dropped_queue"] + row["dropped_loss"]
            return np.column_stack([row["packets_in"], waited_ns[pipes], lost])

        return LinkReader(tuple(there), read)

    def _pipes_in_force(self, rows: Int64) -> Int64:
        """(n, 2): of links of the epoch in force, whether or not the next one is written already."""
        followed_by = None if self._pending is None else self._pending.written
        return self._writer.pipes_of(rows, self._need_epoch(), followed_by)

    def drop_places(self, rows: Int64) -> Int64:
        """See MeshPlane."""
        with self._lock:
            return self._pipes_in_force(rows)

    def drops(self, places: Int64) -> Int64:
        """See MeshPlane."""
        row = self.table.counters[places]
        return np.column_stack([row["dropped_down"], row["dropped_loss"]])

    def carried(self, rows: Int64 | None) -> Carried | None:
        """See MeshPlane."""
        with self._lock:
            if self._epoch is None or self._closed:
                return None
            rows = np.arange(len(self._epoch.links)) if rows is None else rows
            pipes = self._pipes_in_force(rows)
            found = self.table.counters[np.maximum(pipes, 0)]
            is_there = pipes >= 0
            lost = sum((found[name].astype(np.int64) for name in _LOST), np.zeros(pipes.shape, np.int64))
            columns = (*(found["bytes_out"] * is_there).T, (found["packets_out"] * is_there).sum(axis=1))
            return Carried(
                self._epoch.number,
                self._epoch.links,
                np.column_stack([*columns, (lost * is_there).sum(axis=1)]).astype(np.int64),
            )

    def counters(self) -> dict[str, int]:
        with self._lock:
            return dict(self._total) if self._total is not None else self._count()

    def _count(self) -> dict[str, int]:
        counted = {
            name: int(self.table.counters[name].sum()) for name in self.table.counters.dtype.names or ()
        }
        total = {f.name: counted.get(f.name, 0) for f in fields(LinkCounters)}
        statistics = self.table.statistics()
        return total | {f"dropped_{cause}": statistics[cause] for cause in _CAUSES}

    def _before_close(self) -> None:
        self._captures.close()
        self._total = self._count()

    def unlike_commanded(self) -> list[str]:
        """What is in force, by the engine's word, other than the last commit commanded; a sentence each.

        For as many links as there are: at a million satellites it takes a while.
        """
        with self._lock:
            epoch = self._need_epoch()
            self.table.free_bank(self.backend.failure)  # once it has taken it up
            pipes = self._pipes_in_force(np.arange(len(epoch.links)))
            found = self.backend.read(pipes.ravel()).reshape(-1, 2)
            sentences = []
            for row, way, what in differences(epoch.links, self.scenario.run.rate_scale, found):
                ends = (epoch.links.a[row], epoch.links.b[row])
                one, other = (self.nodes.names[node] for node in ends[:: 1 - 2 * way])
                sentences.append(f"{one} to {other}: {what}")
            return sentences

    def capture(self, u: int, v: int | None, fd: int) -> None:
        with self._lock:
            self._need_open()
            self._captures.begin(u, v, fd)

    def end_capture(self, u: int, v: int | None) -> None:
        with self._lock:
            self._need_open()
            self._captures.end(u, v)

    def _need_ports(self) -> Ports:
        return self._need_epoch().routes.ports

    def _need_epoch(self) -> Epoch:
        self._need_open()
        if self._epoch is None:
            raise ValueError("no epoch has been committed")
        return self._epoch
