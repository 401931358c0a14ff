"""The namespaces of a mesh and what is in them: loopback, address, sysctls, routes.

Nothing is written outside the namespaces: no sysctl of the host, nothing in /run/netns.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

from ...epoch import Int32, Nodes
from ...errors import HostError, KernelError
from ..addressing import Addresses
from ..resolver.process import Pair, Resolver, make_pair
from . import inside, names, namespaces, netlink, privileges, routes
from .kernel import Progress
from .processes import Warden
from .sources import Sources, tried
from .sysctls import SYSCTLS, WITHOUT_IPV6, Sysctls, write_sysctls

log = logging.getLogger(__name__)

_CHUNK = 64  # namespaces between two reports of progress
_MAKERS = min(
    4, os.cpu_count() or 1
)  # threads: the kernel makes namespaces side by side (devices it does not)
# two namespaces, a socket, and in the end a second descriptor of the network namespace
FDS_PER_HOST = 4
_FEW_FDS = 64
SPARE_FDS = 1024  # for the backend while it hands devices over, shells, and the caller's own


class Namespaces:
    """A network namespace per host and a mount namespace for all; anonymous, held by descriptors.

    Every node is a host, or those that ``hosts`` names; others may become one later (``add``) and
    cease to be (``remove``).  ``sysctls`` are written in each namespace.  Thread-safe, but for
    ``build`` and ``close``.
    """

    def __init__(
        self,
        nodes: Nodes,
        addresses: Addresses,
        hosts: Iterable[int] | None = None,
        sysctls: Sysctls = (*SYSCTLS, *WITHOUT_IPV6),
    ) -> None:
        self._nodes, self._addresses, self._sysctls = nodes, addresses, sysctls
        self._first = range(len(nodes)) if hosts is None else list(hosts)
        self._netns: dict[int, int] = {}
        self._sockets: dict[int, netlink.RouteSocket] = {}
        self._own_sockets: dict[int, int] = {}
        self._mntns: int | None = None
        self._program_mntns: dict[int, int] = {}
        self._lock = threading.RLock()
        self._warden: Warden | None = None
        self._resolver: Resolver | None = None
        self._sources: Sources | None = None
        self._spoofed = 0
        self._routes = routes.Routes(nodes.names, addresses, self._sockets)
        self._unwatched = ""  # why sources are not looked at

    def build(self, on_progress: Progress | None) -> None:
        privileges.require(tun=False)  # TUN is the backend's business
        n = len(self._first)
        namespaces.raise_descriptor_limit(FDS_PER_HOST * n + SPARE_FDS)
        self._warden = Warden()
        lines = names.hosts_lines(*self._known_as())
        self._resolver = Resolver(lines)
        for first in range(0, n, _CHUNK):
            chunk = self._first[first : first + _CHUNK]
            shares = [chunk[i::_MAKERS] for i in range(min(_MAKERS, len(chunk)))]
            works = [partial(self._make, share) for share in shares]
            for pairs in namespaces.on_own_threads(works):
                self._resolver.serve(pairs)
            if on_progress is not None:
                on_progress("hosts", first + len(chunk), n)
        self._mntns = names.make_mount_namespace(lines)
        self._warden.hold(self._held())

    def _known_as(self) -> tuple[list[str], list[str]]:
        """Names and addresses of all nodes; first those that are asked for: the file is read from its top."""
        nodes = self._nodes
        order = dict.fromkeys([*range(nodes.n_satellites, len(nodes)), *self._first, *range(len(nodes))])
        known = [(nodes.names[node], self._addresses[node]) for node in order]
        # behind them, so that an address is that of the node's own name
        known += [
            (name, self._addresses[node])
            for node in nodes.known_as.by_node
            for name in nodes.known_as.host_names(node)
        ]
        return [name for name, _ in known], [address for _, address in known]

    def add(self, node: int) -> None:
        """Make one more node a host; nothing where it is one.  On failure it is none."""
        with self._lock:
            if node in self._netns:
                return
            assert self._warden is not None
            assert self._resolver is not None
            self._warden.ensure(self._held())
            self._resolver.ensure(self._make_pairs)
            namespaces.raise_descriptor_limit(FDS_PER_HOST + _FEW_FDS)
            try:
                self._resolver.serve(namespaces.on_own_thread(lambda: self._make([node])))
                self._warden.hold([self._netns[node]])
            except BaseException:
                self.remove(node)
                raise

    def remove(self, node: int) -> None:
        """Let go of a host's namespaces: they end with the last process or socket in them."""
        with self._lock:
            socket, fd = self._sockets.pop(node, None), self._netns.pop(node, None)
            program_fd = self._program_mntns.pop(node, None)
            self._own_sockets.pop(node, None)
            if socket is not None:
                socket.close()
            if program_fd is not None:
                os.close(program_fd)
            if fd is not None:
                if self._warden is not None:
                    self._warden.release([fd])
                if self._resolver is not None:
                    self._resolver.forget([node])
                os.close(fd)

    def _make(self, chunk: Sequence[int]) -> dict[int, Pair]:
        """Namespaces of nodes, and the sockets by which each answers for names."""
        pairs: dict[int, Pair] = {}
        for node in chunk:
            self._netns[node] = namespaces.unshare_net()
            self._sockets[node] = netlink.RouteSocket()
            write_sysctls(self._sysctls)
            self.configure(node, netlink.loopback_up(int(self._addresses.ipv4[node])), 1, "address")
            pairs[node] = make_pair()
        return pairs

    def _make_pairs(self) -> dict[int, Pair]:
        """New sockets for names in each host, where the old ones went with their process."""

        def work() -> dict[int, Pair]:
            pairs = {}
            for node, fd in self._netns.items():
                namespaces.enter(fd)
                pairs[node] = make_pair()
            return pairs

        namespaces.raise_descriptor_limit(2 * len(self._netns) + _FEW_FDS)
        return namespaces.on_own_thread(work)

    def configure(self, node: int, requests: bytes, last_seq: int, what: str) -> None:
        """Send a host netlink requests; KernelError names it and ``what`` was asked where one is refused."""
        refused = self._sockets[node].send(requests, last_seq)
        if refused:
            raise KernelError(f"{self._nodes.names[node]} ({self._addresses[node]}): {what}: {refused[0]}")

    @property
    def has_ipv6(self) -> bool:
        """Whether this kernel knows it, and it was not turned off for all."""
        return Path("/proc/sys/net/ipv6").is_dir() and not set(WITHOUT_IPV6) <= set(self._sysctls)

    def mark_idle(self, node: int) -> None:
        """All sockets that are in the host now (ours, and its devices') are no sign of use."""

        def count() -> int:
            namespaces.enter(self._netns[node])
            return namespaces.sockets_in_use()

        with self._lock:
            self._own_sockets[node] = namespaces.on_own_thread(count)

    def idle(self, nodes: Sequence[int]) -> list[int]:
        """Those of the hosts, marked before, in which there is no process, and no more sockets than then."""

        def without_sockets() -> list[int]:
            found = []
            for node in nodes:
                namespaces.enter(self._netns[node])
                if namespaces.sockets_in_use() <= self._own_sockets[node]:
                    found.append(node)
            return found

        with self._lock:
            quiet = {inside.identity(self._netns[n]): n for n in namespaces.on_own_thread(without_sockets)}
            busy = inside.occupied(quiet.keys())
            return [node for place, node in quiet.items() if place not in busy]

    def netns_fd(self, node: int) -> int:
        try:
            return self._netns[node]
        except KeyError:
            raise HostError(f"{self._nodes.names[node]} is no host") from None

    @property
    def mntns_fd(self) -> int:
        if self._mntns is None:
            raise HostError("the mesh is not built")
        return self._mntns

    def program_mntns_fd(self, node: int) -> int:
        """The mount namespace with the node's own /sys; made when first asked for."""
        with self._lock:
            if node not in self._program_mntns:
                self._program_mntns[node] = names.make_node_mount_namespace(
                    self.netns_fd(node), self.mntns_fd
                )
            return self._program_mntns[node]

    def ifindex(self, node: int, interface: str) -> int:
        try:
            return self._sockets[node].ifindex(interface)
        except KernelError as error:
            raise KernelError(f"{self._nodes.names[node]}: {error}") from error

    def watch_sources(self) -> None:
        """From now on interfaces are guarded; where this kernel cannot, the cautions say so."""
        try:
            self._sources = tried()
        except KernelError as error:
            self._unwatched = f"nodes can send under addresses of others, and it is not counted: {error}"

    def guard_sources(self, node: int, ifindexes: Sequence[int]) -> None:
        """Let out of a node's interfaces only what bears the node's address, or is in transit."""
        if self._sources is not None:
            self._sources.guard(self._sockets[node], ifindexes, int(self._addresses.ipv4[node]))

    def spoofed(self) -> int:
        """Packets that were not let out."""
        return self._spoofed if self._sources is None else self._sources.spoofed()

    def is_gone(self, node: int, interface: str) -> bool:
        """Whether a node has no such interface."""
        return not self._sockets[node].has(interface)

    def route(self, node: Int32, destination: Int32, next_node: Int32, ifindex: Int32) -> None:
        """See ``Routes.set``."""
        self._routes.set(node, destination, next_node, ifindex)

    def disturbed(self) -> list[int]:
        return self._routes.disturbed()

    def routes(self, node: int) -> dict[str, str]:
        """Destination address to interface, as the kernel lists them."""

        def listed() -> dict[str, str]:
            namespaces.enter(self._netns[node])
            return routes.as_listed()

        return namespaces.on_own_thread(listed)

    def tend(self) -> None:
        """See to it that the warden is there, and who answers for names."""
        with self._lock:
            if self._warden is not None:
                self._warden.ensure(self._held())
            if self._resolver is not None:
                self._resolver.ensure(self._make_pairs)

    def cautions(self) -> list[str]:
        """What whoever reads the run's record should know of its namespaces, a sentence each."""
        with self._lock:
            times = 0 if self._warden is None else self._warden.times_killed
        often = "once" if times == 1 else f"{times} times"
        said = [f"the warden was killed {often}, and started again"] if times else []
        said += self._routes.cautions()
        return said + ([self._unwatched] if self._unwatched else [])

    def end_processes(self) -> list[int]:
        """End what runs in the namespaces, and let nothing more in; ids of what would not end."""
        with self._lock:
            # a program that is just being started opens our descriptors by their numbers: those are no more
            moved = {node: os.dup(fd) for node, fd in self._netns.items()}
            mntns = None if self._mntns is None else os.dup(self._mntns)
            for fd in [*self._program_mntns.values(), *self._held()]:
                os.close(fd)
            self._netns, self._mntns, self._program_mntns = moved, mntns, {}
            # held until they are empty, so that nobody else's can have got their identity
            return inside.end_processes({inside.identity(fd) for fd in self._held()})

    def close(self) -> None:
        if self._warden is not None:
            self._warden.dismiss()
            self._warden = None
        if self._resolver is not None:
            self._resolver.close()
            self._resolver = None
        if self._sources is not None:
            self._spoofed = self._sources.spoofed()
            self._sources.close()
            self._sources = None
        for socket in self._sockets.values():
            socket.close()
        for fd in [*self._program_mntns.values(), *self._held()]:
            os.close(fd)
        self._sockets.clear()  # the routes' too
        self._netns, self._program_mntns, self._mntns = {}, {}, None

    def _held(self) -> list[int]:
        return [*self._netns.values(), *([] if self._mntns is None else [self._mntns])]
