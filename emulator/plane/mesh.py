"""What both planes of a mesh have in common: nodes, addresses, hosts, names, a life from build to close."""

from __future__ import annotations

import contextlib
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np

from ..epoch import Epoch, Int64, Links, Nodes, RouteRows
from ..errors import RunError
from ..scenario import Scenario
from .addressing import Addresses
from .backend import Carrier, LinkCounters
from .kernel.kernel import Kernel, Progress
from .mininet import MeshNet


@dataclass(frozen=True)
class CommitReport:
    """What a commit did and how long each step took, in ns; ``attach_ns`` was spent earlier, in prepare().

    The epoch came into force between ``began_mono_ns`` and ``ended_mono_ns`` (CLOCK_MONOTONIC).
    """

    number: int
    n_added: int
    n_kept: int
    n_removed: int
    n_routes: int
    attach_ns: int
    links_ns: int
    routes_ns: int
    removal_ns: int
    total_ns: int
    began_mono_ns: int
    ended_mono_ns: int


@dataclass(frozen=True, eq=False)
class Carried:
    """``columns`` (n, 4) int64, of each link: bytes from a to b, from b to a, packets and losses both ways.

    Of links of the epoch of that number; ``links``: all that it has.  A link that came again, or another in
    its place, begins anew.
    """

    epoch_number: int
    links: Links
    columns: Int64

    @classmethod
    def of(cls, epoch: Epoch, counted: LinkCounters) -> Carried:
        lost = counted.dropped_queue + counted.dropped_loss + counted.dropped_down + counted.dropped_host
        both = (each.sum(axis=1) for each in (counted.packets_out, lost))
        return cls(epoch.number, epoch.links, np.column_stack([counted.bytes_out, *both]).astype(np.int64))


@dataclass(frozen=True, eq=False)
class LinkReader:
    """``read``: (len(ways), 3) int64, what each has counted from its first node to its second until now.

    Packets that came to it, what they waited there for those before them (ns, together), and how many were
    lost: by its loss ratio, or since its queue was full.
    """

    ways: tuple[tuple[int, int], ...]
    read: Callable[[], Int64]


@runtime_checkable
class EndsWithNamespaces(Protocol):
    """A backend whose devices need not be removed one by one where the namespaces end right after them."""

    def let_go(self) -> None:
        """Comes just before close(): after it, a device goes when its namespace does."""


class MeshPlane(ABC):
    """``build`` once, then prepare, commit, settle for each epoch, then ``close``.

    Every method may be called from any thread (a lock makes them take turns);
    what ``net`` hands out is for other threads.
    """

    name: ClassVar[str]
    #: How long before its instant an epoch is to be committed.
    lead_ns: ClassVar[int] = 0

    net: MeshNet

    def __init__(
        self,
        nodes: Nodes,
        scenario: Scenario,
        addresses: Addresses,
        backend: Carrier,
        kernel: Kernel,
        on_progress: Progress | None,
    ) -> None:
        self.nodes, self.scenario, self.addresses, self.kernel = nodes, scenario, addresses, kernel
        self.carrier = backend
        self._on_progress = on_progress
        #: Called when a node is to be a host on demand, and when nodes have been given up again.
        self.on_host: Callable[[int], None] = lambda node: None
        self.on_hosts_gone: Callable[[list[int]], None] = lambda nodes: None
        self.on_places_gone: Callable[[Int64], None] = lambda places: None
        self._epoch: Epoch | None = None
        self._lock = threading.RLock()
        self._built = self._closed = False

    def build(self) -> None:
        """Namespaces, addresses, names; starts the backend.  On failure nothing is left."""
        with self._lock:
            if self._built or self._closed:
                raise RunError("a plane is built once")
            self._built = True
            try:
                self.kernel.build(self._on_progress)
                self.carrier.start()
                self._finish_build()
            except BaseException:
                self.close()
                raise

    @abstractmethod
    def _finish_build(self) -> None:
        """What is to be made once there are namespaces and the backend runs."""

    @abstractmethod
    def prepare(self, old: Epoch | None, new: Epoch) -> Any:
        """Do ahead of time what turns ``old`` (the epoch in force) into ``new``.  One change at a time."""

    @abstractmethod
    def commit(self, change: Any, t0_mono_ns: int, *, ahead_ns: int = 0, ratio: float = 1.0) -> CommitReport:
        """Put a prepared change in force.

        At ``t0_mono_ns`` of the machine's clock emulated time is ``ahead_ns`` past the epoch's instant, and
        goes on ``ratio`` times as fast: by that the delays of links follow their slopes (0: not at all).
        The epoch in force may be prepared and committed again, with another course of time.
        """

    @abstractmethod
    def abandon(self, change: Any) -> None:
        """A prepared change is not to come into force: as if it had never been prepared."""

    @abstractmethod
    def settle(self, now_mono_ns: int) -> None:
        """Off the critical path: call it between two instants, as often as there is time."""

    def more_routes(self, epoch: Epoch, more: RouteRows) -> Epoch:
        """Route to more destinations in the epoch that is prepared, or in force, from now on.

        Returns the epoch to go on with: the one given where this plane can only begin with another.
        """
        return epoch

    def check_room(self, n_destinations: int) -> None:  # noqa: B027 - a plane may have room for any
        """InputError where a run cannot route to so many nodes."""

    @abstractmethod
    def ensure_host(self, node: int) -> None:
        """See to it that programs can run in the node."""

    @abstractmethod
    def counters(self) -> dict[str, int]:
        """Totals of all links there have been, both directions, by the names of LinkCounters."""

    def load_links(self, bps: Mapping[tuple[int, int], float]) -> bool:
        """What else passes from the first node of each to the second, until the next call, beside packets.

        Comes right after a commit.  False: this plane's links carry packets alone.
        """
        return False

    def link_reader(self, ways: Sequence[tuple[int, int]]) -> LinkReader | None:
        """Of those that are links of the epoch in force; good until the next is prepared to its end.

        None where what carries the links does not count what packets wait.
        """
        return None

    def carried(self, rows: Int64 | None) -> Carried | None:
        """So far by links of the epoch in force, by their rows (None: by all); None where there is none."""
        return None

    @property
    def turn(self) -> threading.RLock:
        """Held by whoever uses the plane."""
        return self._lock

    def drop_places(self, rows: Int64) -> Int64:
        """(n, k): where drops of links are counted, by rows of the epoch in force; -1: nowhere.

        To be asked while no other epoch is prepared.  ``on_places_gone`` hears of those that come to an end.
        """
        return np.empty((len(rows), 0), np.int64)

    def drops(self, places: Int64) -> Int64:
        """(n, 2) packets so far: dropped since the link was down, and by its loss ratio."""
        return np.zeros((len(places), 2), np.int64)

    @abstractmethod
    def unlike_commanded(self) -> list[str]:
        """What is in force, by the carrier's word, other than the last commit commanded; a sentence each."""

    @abstractmethod
    def capture(self, u: int, v: int | None, fd: int) -> None:
        """Copy what passes from node u to v (None: what arrives at u) into a file, as pcapng."""

    @abstractmethod
    def end_capture(self, u: int, v: int | None) -> None: ...

    def netns_fd(self, node: int) -> int:
        """The node's network namespace.  Stays ours: do not close it."""
        self.ensure_host(node)
        return self.kernel.netns_fd(node)

    @property
    def mntns_fd(self) -> int:
        """The mesh's mount namespace, in which all nodes are known by name.  Stays ours: do not close it."""
        return self.kernel.mntns_fd

    def program_mntns_fd(self, node: int) -> int:
        """For programs of users: as ``mntns_fd``, and /sys/class/net shows the node's interfaces.  Ours."""
        self.ensure_host(node)
        return self.kernel.program_mntns_fd(node)

    def close(self) -> None:
        """Remove everything: programs in the nodes (SIGTERM, then SIGKILL), links, namespaces; safe twice.

        RunError, once all else is gone, where a process would not end.
        """
        with self._lock:
            if self._closed:
                return
            remaining: list[int] = []
            with contextlib.ExitStack() as last_first:  # each step is taken, whatever the one before it met
                last_first.callback(self.kernel.close)
                last_first.callback(self.carrier.close)
                if isinstance(self.carrier, EndsWithNamespaces):
                    last_first.callback(self.carrier.let_go)
                last_first.callback(lambda: remaining.extend(self.kernel.end_processes()))
                last_first.callback(self.net.end_shells)
                last_first.callback(setattr, self, "_closed", True)
                last_first.callback(self._before_close)
            if remaining:
                raise RunError(
                    "processes in the mesh did not end even by SIGKILL and keep their nodes: "
                    + ", ".join(map(str, remaining))
                )

    @abstractmethod
    def _before_close(self) -> None:
        """What is to be read while the backend is still there."""

    def _descriptors(self, node: int) -> tuple[int, int]:
        self._need_open()
        return self.netns_fd(node), self.program_mntns_fd(node)

    def _need_open(self) -> None:
        if self._closed:
            raise RunError("the mesh is closed")
        if not self._built:
            raise RunError("the mesh is not built yet")

    def _need_turn(self, old: Epoch | None, pending: object) -> None:
        """For prepare()."""
        self._need_open()
        if old is not self._epoch:
            raise ValueError("prepare() starts from the epoch in force: the one committed last")
        if pending is not None:
            raise ValueError("a prepared change waits for its commit()")
