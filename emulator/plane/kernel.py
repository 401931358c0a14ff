"""The namespaces of a mesh and what is in them: loopback, address, sysctls, routes.

Nothing is written outside the namespaces: no sysctl of the host, nothing in /run/netns.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np

from ..epoch import Int32, Nodes
from ..errors import BackendError, HostError, KernelError
from . import inside, names, namespaces, netlink, privileges
from .addressing import Addresses
from .processes import Warden

# In each namespace.  New ones inherit some of the host's settings, so none is taken for granted.
_SYSCTLS = (
    ("ipv4/ip_forward", b"1"),
    # a reply may come back another way than the packet went
    ("ipv4/conf/all/rp_filter", b"0"),
    ("ipv4/conf/default/rp_filter", b"0"),
    # while next hops change a packet may turn back where it came from; nobody is to learn routes from that
    ("ipv4/conf/all/send_redirects", b"0"),
    ("ipv4/conf/default/send_redirects", b"0"),
    # a node's own packet may be turned back through it: without this the kernel drops it, and counts nothing
    ("ipv4/conf/all/accept_local", b"1"),
    ("ipv4/conf/default/accept_local", b"1"),
    # traceroute asks faster than one answer a second
    ("ipv4/icmp_ratelimit", b"0"),
    # nothing is sent that was not asked for (neighbour and router discovery)
    ("ipv6/conf/default/disable_ipv6", b"1"),
    ("ipv6/conf/all/disable_ipv6", b"1"),
)

_CHUNK = 64  # namespaces between two reports of progress
# two namespaces, a socket, and in the end a second descriptor of the network namespace
_FDS_PER_NODE = 4
_SPARE_FDS = 1024  # for the backend while it hands devices over, shells, and the caller's own

Progress = Callable[[str, int, int], None]


class Kernel(Protocol):
    """What a plane needs of the kernel; the other one does nothing, for the fake backend."""

    def build(self, on_progress: Progress | None) -> None: ...

    def netns_fd(self, node: int) -> int: ...

    @property
    def mntns_fd(self) -> int: ...

    def program_mntns_fd(self, node: int) -> int: ...

    def ifindex(self, node: int, interface: str) -> int: ...

    def is_gone(self, node: int, interface: str) -> bool: ...

    def route(self, node: Int32, destination: Int32, next_node: Int32, ifindex: Int32) -> None: ...

    def tend(self) -> None: ...

    def end_processes(self) -> list[int]: ...

    def close(self) -> None: ...


class Namespaces:
    """A network namespace per node and a mount namespace for all; anonymous, held by descriptors."""

    def __init__(self, nodes: Nodes, addresses: Addresses) -> None:
        self._nodes, self._addresses = nodes, addresses
        self._netns: list[int] = []
        self._sockets: list[netlink.RouteSocket] = []
        self._mntns: int | None = None
        self._program_mntns: dict[int, int] = {}
        self._program_lock = threading.Lock()
        self._warden: Warden | None = None

    def build(self, on_progress: Progress | None) -> None:
        privileges.require(tun=False)  # TUN is the backend's business
        n = len(self._nodes)
        namespaces.raise_descriptor_limit(_FDS_PER_NODE * n + _SPARE_FDS)
        self._warden = Warden()
        for first in range(0, n, _CHUNK):
            last = min(first + _CHUNK, n)
            namespaces.on_own_thread(lambda first=first, last=last: self._make(first, last))  # type: ignore[misc]
            if on_progress is not None:
                on_progress("hosts", last, n)
        self._mntns = names.make_mount_namespace(self._nodes.names, [self._addresses[i] for i in range(n)])
        self._warden.hold(self._held())

    def _make(self, first: int, last: int) -> None:
        for node in range(first, last):
            self._netns.append(namespaces.unshare_net())
            socket = netlink.RouteSocket()
            self._sockets.append(socket)
            _write_sysctls()
            refused = socket.send(netlink.loopback_up(int(self._addresses.ipv4[node])), last_seq=1)
            if refused:
                raise KernelError(f"{self._nodes.names[node]}: address {self._addresses[node]}: {refused[0]}")

    def netns_fd(self, node: int) -> int:
        return self._netns[node]

    @property
    def mntns_fd(self) -> int:
        if self._mntns is None:
            raise HostError("the mesh is not built")
        return self._mntns

    def program_mntns_fd(self, node: int) -> int:
        """The mount namespace with the node's own /sys; made when first asked for.  Thread-safe."""
        with self._program_lock:
            if node not in self._program_mntns:
                self._program_mntns[node] = names.make_node_mount_namespace(self._netns[node], self.mntns_fd)
            return self._program_mntns[node]

    def ifindex(self, node: int, interface: str) -> int:
        try:
            return self._sockets[node].ifindex(interface)
        except KernelError as error:
            raise KernelError(f"{self._nodes.names[node]}: {error}") from error

    def is_gone(self, node: int, interface: str) -> bool:
        """Whether a node has no such interface."""
        return not self._sockets[node].has(interface)

    def route(self, node: Int32, destination: Int32, next_node: Int32, ifindex: Int32) -> None:
        """Set or (where ``ifindex`` is 0) withdraw (n,) routes, one batch per node.

        KernelError with the first that was refused, once all have been sent.
        """
        if len(node) == 0:
            return
        order = np.argsort(node, kind="stable")
        node, destination, next_node, ifindex = (
            node[order],
            destination[order],
            next_node[order],
            ifindex[order],
        )
        ipv4 = self._addresses.ipv4
        messages = netlink.route_messages(ipv4[destination], ifindex, ipv4[node])
        starts = netlink.batch_starts(node)
        lasts = np.append(starts[1:], len(node)) - 1
        netlink.ask_acknowledgement(messages, lasts)
        data, size = memoryview(messages.tobytes()), netlink.ROUTE.itemsize
        refused: list[netlink.Refused] = []
        for owner, start, last in zip(node[starts].tolist(), starts.tolist(), lasts.tolist(), strict=True):
            refused += self._sockets[owner].send(data[start * size : (last + 1) * size], last)
        # a route that is to go and is not there went with its interface
        wrong = [r for r in refused if not (r.errno == errno.ESRCH and ifindex[r.seq] == 0)]
        if wrong:
            row, known_as = wrong[0].seq, self._nodes.names
            way = "withdrawn" if next_node[row] < 0 else f"by {known_as[next_node[row]]}"
            more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
            raise KernelError(
                f"{known_as[node[row]]}: route to {known_as[destination[row]]} {way} "
                f"was refused: {wrong[0]}{more}"
            )

    def routes(self, node: int) -> dict[str, str]:
        """Destination address to interface, from the kernel's text table, which is not how they are set."""

        def read() -> str:
            namespaces.enter(self._netns[node])
            return Path("/proc/thread-self/net/route").read_text()

        found = {}
        for line in namespaces.on_own_thread(read).splitlines()[1:]:
            interface, address = line.split()[:2]
            found[".".join(str(byte) for byte in bytes.fromhex(address)[::-1])] = interface
        return found

    def tend(self) -> None:
        """See to it that the warden is there."""
        if self._warden is not None:
            self._warden.ensure(self._held())

    def end_processes(self) -> list[int]:
        """End what runs in the namespaces, and let nothing more in; ids of what would not end."""
        # a program that is just being started opens our descriptors by their numbers: those are no more
        moved = [os.dup(fd) for fd in self._netns]
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
        for socket in self._sockets:
            socket.close()
        for fd in [*self._program_mntns.values(), *self._held()]:
            os.close(fd)
        self._sockets, self._netns, self._program_mntns, self._mntns = [], [], {}, None

    def _held(self) -> list[int]:
        return [*self._netns, *([] if self._mntns is None else [self._mntns])]


def _write_sysctls() -> None:
    """In the calling thread's namespace."""
    for name, value in _SYSCTLS:
        try:
            fd = os.open(f"/proc/sys/net/{name}", os.O_WRONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            if name.startswith("ipv6/"):  # a kernel without it
                continue
            raise
        except OSError as error:
            raise HostError(
                f"/proc/sys/net/{name} cannot be written ({error.strerror}): run it outside of the container"
            ) from error
        try:
            os.write(fd, value)
        finally:
            os.close(fd)


class NoKernel:
    """For the fake backend: nothing is made; the routes that would be set are kept in ``table``."""

    def __init__(self) -> None:
        self.table: dict[tuple[int, int], int] = {}  # (node, destination) -> next node
        self._ifindex: dict[tuple[int, str], int] = {}

    def build(self, on_progress: Progress | None) -> None:
        pass

    def netns_fd(self, node: int) -> int:
        raise BackendError('the fake backend makes no namespaces: run with links = "engine" to enter a node')

    @property
    def mntns_fd(self) -> int:
        return self.netns_fd(0)

    def program_mntns_fd(self, node: int) -> int:
        return self.netns_fd(node)

    def ifindex(self, node: int, interface: str) -> int:
        return self._ifindex.setdefault((node, interface), len(self._ifindex) + 2)

    def is_gone(self, node: int, interface: str) -> bool:
        return True

    def route(self, node: Int32, destination: Int32, next_node: Int32, ifindex: Int32) -> None:
        for at, to, by in zip(node.tolist(), destination.tolist(), next_node.tolist(), strict=True):
            if by < 0:
                self.table.pop((at, to), None)
            else:
                self.table[at, to] = by

    def tend(self) -> None:
        pass

    def end_processes(self) -> list[int]:
        return []

    def close(self) -> None:
        pass
