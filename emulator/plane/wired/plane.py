"""The wired plane: a namespace for each node and a pair of interfaces for each link.

Programs see every hop: routing daemons and tcpdump work on each interface.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np

from ...epoch import Epoch, Int32, Int64, LinkKind, Nodes
from ...epoch.diff import EpochDiff, diff
from ...errors import FailureError
from ...scenario import Scenario
from .. import addressing, shaping
from ..backend import LinkBackend, LinkEnd, LinkParameters
from ..engine.backend import EngineBackend
from ..kernel.kernel import Kernel, NoKernel, Progress
from ..kernel.nodes import Namespaces
from ..mesh import Carried, CommitReport, LinkReader, MeshPlane
from ..mininet import MeshNode
from .counted import Counted
from .leaving import Leaving, ids
from .ledger import Current, Entry, Ledger, Reservation
from .net import WiredNet
from .readback import differences

__all__ = ["Change", "CommitReport", "Plane"]

_ATTACH_CHUNK = 512  # links between two reports of progress


@dataclass(frozen=True, eq=False)
class Change:
    """What commit() will do; made by prepare(), which has attached the added links already."""

    new: Epoch
    diff: EpochDiff
    current: Current
    came: tuple[Entry, ...]
    went: tuple[int, ...]  # keys
    route_ifindex: Int32
    attach_ns: int


class Plane(MeshPlane):
    """See the module, and MeshPlane."""

    name: ClassVar[str] = "wired"

    net: WiredNet

    def __init__(
        self,
        nodes: Nodes,
        scenario: Scenario,
        backend: LinkBackend,
        on_progress: Progress | None = None,
        *,
        kernel: Kernel | None = None,
    ) -> None:
        """``on_progress(stage, done, total)``, stage "hosts" or "links", is called on the caller's thread.

        Nothing is made yet.  ScenarioError where the constellation does not
        fit the address space.
        """
        addresses = addressing.assign(nodes)
        if kernel is None:
            kernel = NoKernel() if backend.name == "fake" else Namespaces(nodes, addresses)
        super().__init__(nodes, scenario, addresses, backend, kernel, on_progress)
        self.backend = backend
        hosts = [MeshNode(name, addresses[i], i, self._descriptors) for i, name in enumerate(nodes.names)]
        self.net = WiredNet(hosts, self.close)
        self.net.own_name = nodes.own_name
        self._ledger = Ledger()
        self._current = Current.empty()
        self._applied: LinkParameters | None = None
        self._pending: Change | None = None
        self._in_use: set[int] = set()  # nodes in which something was started by hand
        self._counted = Counted(backend)
        self._leaving = Leaving(self._ledger, backend, scenario, self.net.links_went, self._links_gone)

    def prepare(self, old: Epoch | None, new: Epoch) -> Change:
        """Attach what ``new`` adds to ``old`` (the epoch in force), down.  One change at a time.

        A link that ``old`` lacks but that is still attached from before is
        claimed: it is not taken down any more.
        """
        with self._lock:
            self._need_turn(old, self._pending)
            began_ns = time.monotonic_ns()
            changes = diff(old, new)
            again, fresh = self._ledger.claim(new.links, changes.added)
            self._leaving.came_again(again)
            came = again + self._attach(fresh)
            current = self._current.follow(new.links.key(), came)
            change = Change(
                new=new,
                diff=changes,
                current=current,
                came=tuple(came),
                went=tuple([] if old is None else old.links.key()[changes.removed].tolist()),
                route_ifindex=current.ifindex_towards(changes.route_node, changes.route_next),
                attach_ns=time.monotonic_ns() - began_ns,
            )
            self._pending = change
            return change

    def commit(
        self, change: Change, t0_mono_ns: int, *, ahead_ns: int = 0, ratio: float = 1.0
    ) -> CommitReport:
        """Put a prepared change in force: links, then routes, then what is to go.

        Delays run from ``t0_mono_ns``, as MeshPlane.commit says; ``leaving`` says how links go.
        KernelError where a route was refused; the links are in force then.
        """
        with self._lock:
            self._need_open()
            if change is not self._pending:
                raise ValueError("this change is not the one prepared last")
            self._pending = None
            began_ns = time.monotonic_ns()
            wanted = shaping.parameters(
                change.new.links, change.current.link, t0_mono_ns, self.scenario, ahead_ns, ratio
            )
            goes = self._leaving.sort(self._epoch, self._applied, change.diff.removed, change.new, t0_mono_ns)
            self.backend.apply(wanted if goes.early is None else shaping.concatenate([wanted, goes.early]))
            self._current, self._epoch, self._applied = change.current, change.new, wanted
            self.net.links_came(change.came)
            self._leaving.end_broken(change.new.links.broken, t0_mono_ns)
            links_ns = time.monotonic_ns()

            d = change.diff
            try:
                self.kernel.route(d.route_node, d.route_destination, d.route_next, change.route_ifindex)
                self._route_again(change)
            finally:
                routes_ns = time.monotonic_ns()
                if goes.late is not None:
                    self.backend.apply(goes.late)
                gone = [self._ledger.entries[key] for key in change.went if key not in goes.linger]
                self._leaving.retire(gone, t0_mono_ns)
            removal_ns = time.monotonic_ns()
            return CommitReport(
                number=change.new.number,
                n_added=len(d.added),
                n_kept=len(d.kept),
                n_removed=len(d.removed),
                n_routes=len(d.route_node),
                attach_ns=change.attach_ns,
                links_ns=links_ns - began_ns,
                routes_ns=routes_ns - links_ns,
                removal_ns=removal_ns - routes_ns,
                total_ns=removal_ns - began_ns,
                began_mono_ns=began_ns,
                ended_mono_ns=removal_ns,
            )

    def abandon(self, change: Change) -> None:
        """See MeshPlane.  What was attached for it stays so for a while, down."""
        with self._lock:
            if change is not self._pending:
                raise ValueError("this change is not the one prepared last")
            self._pending = None
            now_ns = time.monotonic_ns()
            for entry in change.came:
                self._ledger.retire(entry.key, now_ns)

    def _route_again(self, change: Change) -> None:
        """All routes of nodes in which somebody set an interface down: the kernel dropped those by it."""
        nodes = np.array(self.kernel.disturbed(), np.int32)
        if len(nodes) == 0:
            return
        routes = change.new.routes
        by = routes.next_node[:, nodes].ravel().astype(np.int32)
        to, node = np.repeat(routes.destinations, len(nodes)), np.tile(nodes, len(routes.destinations))
        there = by >= 0
        node, to, by = node[there], to[there], by[there]
        self.kernel.route(node, to, by, change.current.ifindex_towards(node, by))

    def settle(self, now_mono_ns: int) -> None:
        """Take down the links whose overlap is over, and detach some of those that are down.

        Off the critical path: call it between two instants, as often as there
        is time.
        """
        with self._lock:
            self._need_open()
            self._leaving.settle(now_mono_ns)
            self._ledger.release(self.kernel.is_gone)
            self.kernel.tend()

    def _descriptors(self, node: int) -> tuple[int, int]:
        """Where Mininet's API starts something: from the next epochs on the node is routed to."""
        found = super()._descriptors(node)
        if node not in self._in_use:
            self._in_use.add(node)
            self.on_host(node)
        return found

    def ensure_host(self, node: int) -> None:
        """Nothing to do: every node is one."""

    def capture(self, u: int, v: int | None, fd: int) -> None:
        raise FailureError(
            "in the wired plane each link is an interface of its nodes, for any program to capture from: "
            f"orbitmesh exec {self.nodes.names[u]} -- tcpdump -i any -w FILE"
        )

    def end_capture(self, u: int, v: int | None) -> None:
        """Nothing to do: there is none."""

    def link_id(self, u: int, v: int) -> int | None:
        """The backend's id of the link attached between two nodes, also of one on its way out."""
        with self._lock:
            entry = self._ledger.entries.get(min(u, v) << 32 | max(u, v))
            return None if entry is None else entry.link

    def links_of(self, node: int) -> list[Entry]:
        """The links attached at a node."""
        with self._lock:
            return [entry for entry in self._ledger.entries.values() if node in (entry.a, entry.b)]

    def link_reader(self, ways: Sequence[tuple[int, int]]) -> LinkReader | None:
        """See MeshPlane; the engine counts what packets wait, netem does not."""
        if not isinstance(self.backend, EngineBackend):
            return None
        there = {way: link for way in ways if (link := self.link_id(*way)) is not None}
        links = np.fromiter(there.values(), np.int32, len(there))
        backwards = np.array([u > v for u, v in there], np.int64)
        return LinkReader(tuple(there), partial(self.backend.waited, links, backwards))

    def drop_places(self, rows: Int64) -> Int64:
        """See MeshPlane: the backend's ids of the links."""
        with self._lock:
            return self._current.link[rows].astype(np.int64)[:, None]

    def drops(self, places: Int64) -> Int64:
        """See MeshPlane."""
        with self._lock:
            return self._counted.drops(places)

    def carried(self, rows: Int64 | None) -> Carried | None:
        """See MeshPlane."""
        with self._lock:
            if self._epoch is None or self._closed:
                return None
            links = self._current.link if rows is None else self._current.link[rows]
            return Carried.of(self._epoch, self.backend.counters(links))

    def counters(self) -> dict[str, int]:
        """Totals of all links there have been, both directions, by the names of LinkCounters."""
        with self._lock:
            found = self._counted.totals(ids(() if self._closed else self._ledger.entries.values()))
            return found | {"dropped_spoofed": self.kernel.spoofed()}

    def unlike_commanded(self) -> list[str]:
        """What is in force, by the backend's word, other than the last commit commanded; a sentence each."""
        with self._lock:
            self._need_open()
            if self._applied is None or self._epoch is None:
                return []
            found = self.backend.read(self._applied.link)
            a, b, names = self._epoch.links.a, self._epoch.links.b, self.nodes.names
            return [
                f"{names[a[row]]} to {names[b[row]]}: {what}"
                for row, what in differences(self._applied, found)
            ]

    def _finish_build(self) -> None:
        """Links are attached as epochs bring them; what leaves by them is looked at from the first."""
        if isinstance(self.kernel, Namespaces) and not self.scenario.run.allow_spoofing:
            self.kernel.watch_sources()

    def _before_close(self) -> None:
        if self._ledger.entries and self.backend.failure() is None:
            self._counted.keep(ids(self._ledger.entries.values()))

    def _links_gone(self, links: Int32) -> None:
        self.on_places_gone(links.astype(np.int64))
        self._counted.last(links)

    def _attach(self, fresh: list[Reservation]) -> list[Entry]:
        entries: list[Entry] = []
        for first in range(0, len(fresh), _ATTACH_CHUNK):
            chunk = fresh[first : first + _ATTACH_CHUNK]
            ids = self.backend.attach([self._ends(r) for r in chunk])
            made = [
                Entry(
                    r.key, r.a, r.b, r.kind, link, r.interface_a, r.interface_b,
                    self.kernel.ifindex(r.a, r.interface_a), self.kernel.ifindex(r.b, r.interface_b),
                )
                for r, link in zip(chunk, ids.tolist(), strict=True)
            ]  # fmt: skip
            self._ledger.enter(made)
            by_node: dict[int, list[int]] = {}
            for entry in made:
                by_node.setdefault(entry.a, []).append(entry.ifindex_a)
                by_node.setdefault(entry.b, []).append(entry.ifindex_b)
            for node, ifindexes in by_node.items():
                self.kernel.guard_sources(node, ifindexes)
            entries += made
            if self._on_progress is not None and self._epoch is None:
                self._on_progress("links", len(entries), len(fresh))
        return entries

    def _ends(self, r: Reservation) -> tuple[LinkEnd, LinkEnd]:
        of_kind = self.scenario.lasers if r.kind == LinkKind.LASER else self.scenario.ground
        netns_fd = (lambda node: -1) if isinstance(self.kernel, NoKernel) else self.kernel.netns_fd
        return (
            LinkEnd(netns_fd(r.a), r.interface_a, of_kind.mtu_bytes),
            LinkEnd(netns_fd(r.b), r.interface_b, of_kind.mtu_bytes),
        )
