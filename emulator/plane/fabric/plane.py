"""The fabric plane: the engine carries the space segment itself.

A node that runs no program has no namespace.  A packet enters from its host's
one interface, crosses all its hops inside the engine, and leaves at its
destination.  An epoch becomes valid for all packets at one instant.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, fields, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ...arrays import UInt32, pair_keys
from ...course import Course
from ...epoch import UNUSED, Bool, Epoch, Int32, Int64, LinkKind, Nodes, Ports, RouteRows
from ...errors import InputError, RunError
from ...scenario import Scenario
from .. import addressing
from ..backend import LinkCounters
from ..kernel.kernel import Kernel, Progress
from ..mesh import Carried, CommitReport, LinkReader, MeshPlane
from . import banks
from .captures import Captures
from .engine import FabricCarrier, FabricEngine
from .fluids import Fluids
from .ground import GroundLinks, GroundPairs
from .hosts import Hosts, make_kernel
from .losses import Losses, own_losses
from .net import FabricNet
from .of_scenario import kinds, sizes_for
from .readback import differences, pipes_of
from .table import Bank, FabricTable, write_routes

#: why the engine drops packets that are on no link
_CAUSES = ("spoofed", "invalid", "no_port", "out_of_memory")
_LOST = ("dropped_queue", "dropped_loss", "dropped_down")
_LOOKS_FOR_IDLE_NS = 5_000_000_000


@dataclass(eq=False)
class Prepared:
    """What commit() will publish: a bank that has been written."""

    new: Epoch
    bank: Bank
    losses: tuple[Int64, NDArray[np.float32]]
    n_added: int
    n_removed: int
    prepared_ns: int
    words_before: UInt32
    pairs_before: GroundPairs
    pair_before: Int32


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
        self._pairs = GroundPairs(self.table.sizes.ground_pipes // 2)
        self._pair: Int32 = np.empty(0, np.int32)  # of each ground link of the epoch, in order of its rows
        self._word = np.zeros(self.table.sizes.n_pipes, np.uint32)
        self._destinations: Int32 = np.empty(0, np.int32)
        self._places = banks.addresses_hashed(np.empty(0, np.uint32), self.table.sizes.hash_slots)
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
            words_before, pairs_before = self._word.copy(), deepcopy(self._pairs)
            pair_before = self._pair
            came, went = self._write_lasers(bank, new)
            was_up = banks.is_up(self._word[self.table.sizes.n_laser_pipes :])
            self._write_ground(bank, new)
            is_up = banks.is_up(self._word[self.table.sizes.n_laser_pipes :])
            self._write_routes(bank, new)
            self._pending = Prepared(
                new=new,
                bank=bank,
                losses=own_losses(new.links, lambda rows: self._pipes_of(rows, new)),
                n_added=(came + int(np.count_nonzero(is_up & ~was_up))) // 2,
                n_removed=(went + int(np.count_nonzero(was_up & ~is_up))) // 2,
                prepared_ns=time.monotonic_ns() - began_ns,
                words_before=words_before,
                pairs_before=pairs_before,
                pair_before=pair_before,
            )
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
            self._losses.put(*change.losses)
            self.table.publish(change.bank, t0_mono_ns, valid_from_ns, ahead_ns, ratio)
            self.backend.published()
            self._pending, self._epoch = None, change.new
            self._course = Course(change.new.sim_ns + ahead_ns, t0_mono_ns, ratio)
            self._captures.follow()
            ended_ns = time.monotonic_ns()
            n_links, n_routes = len(change.new.links), len(change.new.routes.destinations) * len(self.nodes)
            return CommitReport(
                number=change.new.number,
                n_added=change.n_added,
                n_kept=n_links - change.n_added,
                n_removed=change.n_removed,
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
            self._word, self._pairs = change.words_before, change.pairs_before
            self._pair = change.pair_before

    def settle(self, now_mono_ns: int) -> None:
        """Give up hosts on demand that nobody uses."""
        self._need_open()
        if now_mono_ns - self._looked_mono_ns >= _LOOKS_FOR_IDLE_NS:
            self._looked_mono_ns = now_mono_ns
            if gone := self.hosts.give_up_idle(now_mono_ns):
                self.on_hosts_gone(gone)
        self.kernel.tend()

    def _write_lasers(self, bank: Bank, new: Epoch) -> tuple[int, int]:
        n, ports = self.table.sizes.n_laser_pipes, new.routes.ports
        if ports.laser_slots != self.table.sizes.laser_slots:
            raise RunError(
                f"the epoch has {ports.laser_slots} laser terminals at each satellite, and this fabric "
                f"was made for {self.table.sizes.laser_slots}"
            )
        scale = self.scenario.run.rate_scale
        neighbour = ports.laser_neighbour
        if new.links.up is not None:
            is_down = (ports.laser_row >= 0) & ~new.links.up[ports.laser_row]
            neighbour = np.where(is_down, np.int32(UNUSED), neighbour)
        return banks.laser_pipes(ports, neighbour, new.links, scale, self._word[:n], bank.pipes[:n])

    def _write_ground(self, bank: Bank, new: Epoch) -> None:
        links, ports, scale = new.links, new.routes.ports, self.scenario.run.rate_scale
        row = np.flatnonzero(links.kind == LinkKind.GROUND)
        ground = self.scenario.ground
        owner_before = self._pairs.owner.copy()
        self._pair = self._pairs.follow(
            GroundLinks(
                key=pair_keys(links.a[row], links.b[row]),
                delay_ns=links.delay_ns[row],
                slope_ns_per_s=links.delay_slope_ns_per_s[row],
                down_bps=banks.rates_bps(links.rate_ab_bps[row], scale),
                up_bps=banks.rates_bps(links.rate_ba_bps[row], scale),
            ),
            new.sim_ns,
            ground.overlap_ns if ground.handover == "make-before-break" else 0,
            new.links.broken,
            time.monotonic_ns() if self._course.is_still else self._course.mono_at(new.sim_ns),
        )
        pairs, n_lasers = self._pairs, self.table.sizes.n_laser_pipes
        pipes, word = bank.pipes[n_lasers:], self._word[n_lasers:]
        there = pairs.owner >= 0
        if new.links.up is not None:
            there[self._pair[~new.links.up[row]]] = False
        far = np.empty(len(word), np.int32)
        far[0::2] = np.where(there, pairs.owner & 0xFFFFFFFF, -1)  # down, to the gateway
        far[1::2] = np.where(there, pairs.owner >> 32, -1)
        word[:] = banks.next_words(word, far, np.repeat(pairs.owner != owner_before, 2))
        pipes["delay_ns"] = np.repeat(banks.delays_ns(pairs.delay_ns), 2)
        pipes["slope_ns_per_s"] = np.repeat(pairs.slope_ns_per_s, 2)
        pipes["rate_bps"][0::2], pipes["rate_bps"][1::2] = pairs.down_bps, pairs.up_bps
        pipes["word"] = word
        entry_pair = self._pair[np.searchsorted(row, ports.ground_row)]
        # a node whose neighbour is a gateway is a satellite, and sends down
        upwards = ports.ground_neighbour < self.nodes.n_satellites
        bank.ground_first[:] = ports.ground_first[:-1]
        bank.ground_pipe[: len(entry_pair)] = n_lasers + 2 * entry_pair + upwards

    def _write_routes(self, bank: Bank, new: Epoch) -> None:
        destinations = new.routes.destinations
        if not np.array_equal(destinations, self._destinations):
            self.check_room(len(destinations))
            self._places = banks.addresses_hashed(
                self.addresses.ipv4[destinations], self.table.sizes.hash_slots
            )
            self._destinations = destinations
        write_routes(bank, self._places, destinations, new.routes.code)

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
            self.check_room(n_rows + len(more.destinations))
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
        room = self.table.sizes.destinations
        if n_destinations > room:
            raise InputError(
                f"{n_destinations} nodes are to be routed to, and this run has room for {room}: "
                "end programs in nodes that are no longer needed, or name more in compute.satellites"
            )

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
            low, high = min(u, v), max(u, v)
            pair = np.flatnonzero(self._pairs.owner == (low << 32 | high))
            return sizes.n_laser_pipes + 2 * int(pair[0]) + (u > v) if len(pair) else None

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

    def drop_places(self, rows: Int64) -> Int64:
        """See MeshPlane."""
        with self._lock:
            return self._pipes_of(rows, self._need_epoch())

    def _pipes_of(self, rows: Int64, epoch: Epoch) -> Int64:
        """(n, 2): of links of the epoch whose ground links were given pairs last."""
        n_lasers = self.table.sizes.n_laser_pipes
        return pipes_of(rows, epoch.links, epoch.routes.ports, self._pair, n_lasers)

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
            pipes = self._pipes_of(rows, self._epoch)
            found = self.table.counters[np.maximum(pipes, 0)]
            is_there = pipes >= 0
            lost = sum((found[name].astype(np.int64) for name in _LOST), np.zeros(pipes.shape, np.int64))
            columns = (*(found["bytes_out"] * is_there).T, (found["packets_out"] * is_there).sum(axis=1))
            return Carried(
                self._epoch.number,
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
            pipes = self._pipes_of(np.arange(len(epoch.links)), epoch)
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
