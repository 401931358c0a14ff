"""The nodes of a fabric that programs can run in: those of the scenario, and those somebody asked for."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from ...epoch import Nodes
from ..addressing import Addresses, ipv6_bytes
from ..backend import LinkEnd
from ..kernel import netlink
from ..kernel.kernel import Kernel, NoKernel, Progress
from ..kernel.nodes import Namespaces
from ..kernel.sysctls import SYSCTLS
from .engine import FabricCarrier
from .net import INTERFACE, FabricNet

log = logging.getLogger(__name__)

#: A host made on demand is given up when nothing has been in it, and nobody has asked for it, for so long.
IDLE_NS = 30_000_000_000

_CHUNK = 250  # interfaces between two reports of progress
# IPv6 is on, and nothing is sent that was not asked for
_IPV6_SYSCTLS = (
    ("ipv6/conf/default/addr_gen_mode", b"1"),  # no link-local address
    ("ipv6/conf/default/accept_ra", b"0"),
    ("ipv6/conf/default/router_solicitations", b"0"),
    ("ipv6/conf/default/accept_dad", b"0"),
    ("ipv6/conf/default/disable_ipv6", b"0"),
    ("ipv6/conf/all/disable_ipv6", b"0"),
    ("ipv6/conf/default/hop_limit", b"255"),
    ("ipv6/conf/all/hop_limit", b"255"),
    ("ipv6/icmp/ratelimit", b"0"),
    ("ipv6/icmp/ratemask", b"\n"),  # of no type
)


def make_kernel(nodes: Nodes, addresses: Addresses, hosts: Sequence[int], carrier: FabricCarrier) -> Kernel:
    """Namespaces for these hosts, as a fabric needs them; nothing where nothing is carried."""
    if carrier.name == "fake":
        return NoKernel()
    return Namespaces(nodes, addresses, hosts, (*SYSCTLS, *_IPV6_SYSCTLS))


class Hosts:
    """``lasting`` are hosts from ``build`` to the end; any other becomes one by ``ensure``.  Thread-safe."""

    def __init__(
        self,
        addresses: Addresses,
        lasting: Sequence[int],
        carrier: FabricCarrier,
        kernel: Kernel,
        net: FabricNet,
        mtu_bytes: Callable[[int], int] = lambda node: 1500,
        *,
        idle_ns: int = IDLE_NS,
    ) -> None:
        self._addresses, self._carrier, self._kernel, self._net = addresses, carrier, kernel, net
        self._mtu_bytes = mtu_bytes
        self._lasting = frozenset(lasting)
        self._wanted_mono_ns: dict[int, int] = {}  # of hosts on demand: when somebody last asked
        self._idle_ns = idle_ns
        self._lock = threading.RLock()

    def build(self, on_progress: Progress | None) -> None:
        """Interfaces of the lasting ones, whose namespaces are there."""
        nodes = sorted(self._lasting)
        for first in range(0, len(nodes), _CHUNK):
            chunk = nodes[first : first + _CHUNK]
            self._connect(chunk)
            if on_progress is not None:
                on_progress("interfaces", first + len(chunk), len(nodes))

    def ensure(self, node: int) -> bool:
        """Make the node a host if it is none, and not give it up soon; whether it has become one."""
        if node in self._lasting:
            return False
        with self._lock:
            is_new = node not in self._wanted_mono_ns
            self._wanted_mono_ns[node] = time.monotonic_ns()
            if is_new:
                try:
                    if isinstance(self._kernel, Namespaces):
                        self._kernel.add(node)
                    self._connect([node])
                    if isinstance(self._kernel, Namespaces):
                        self._kernel.mark_idle(node)
                except BaseException:
                    self._forget(node)
                    raise
            return is_new

    def lacks(self, node: int) -> bool:
        """Whether the node is no host."""
        with self._lock:
            return node not in self._lasting and node not in self._wanted_mono_ns

    def on_demand(self) -> list[int]:
        with self._lock:
            return sorted(self._wanted_mono_ns)

    def give_up_idle(self, now_mono_ns: int) -> list[int]:
        """Those on demand that are no hosts any more."""
        with self._lock:
            unasked = {n: at for n, at in self._wanted_mono_ns.items() if now_mono_ns - at >= self._idle_ns}
            idle = list(unasked)
            if unasked and isinstance(self._kernel, Namespaces):
                idle = self._kernel.idle(idle)
            for node in unasked.keys() - set(idle):
                self._wanted_mono_ns[node] = now_mono_ns
        gone = []
        for node in idle:
            with self._lock:  # for each by itself: removing a device takes a while, and others are asked for
                if self._wanted_mono_ns.get(node) == unasked[node]:
                    self._carrier.unbind(node)
                    self._forget(node)
                    self._net.host_went(node)
                    gone.append(node)
        return gone

    def _connect(self, nodes: Sequence[int]) -> None:
        if isinstance(self._kernel, Namespaces):
            netns_fd = self._kernel.netns_fd
            self._carrier.bind(
                nodes, [LinkEnd(netns_fd(node), INTERFACE, self._mtu_bytes(node)) for node in nodes]
            )
            try:
                for node in nodes:
                    self._address(self._kernel, node)
            except BaseException:
                for node in nodes:
                    self._carrier.unbind(node)
                raise
        else:
            self._carrier.bind(nodes, [LinkEnd(-1, INTERFACE) for _ in nodes])
        self._net.hosts_came(nodes)

    def _address(self, kernel: Namespaces, node: int) -> None:
        """All goes out of the one interface, with the node's own address as source."""
        ipv4 = int(self._addresses.ipv4[node])
        ifindex = kernel.ifindex(node, INTERFACE)
        if self._carrier.stamps is not None:
            # by the host's own socket: one more would for a while look like somebody's
            kernel.configure(node, self._carrier.stamps.requests(ifindex), 2, "stamps")
        kernel.configure(node, netlink.default_route(ifindex, ipv4.to_bytes(4, "big")), 1, "route")
        ipv6 = ipv6_bytes(ipv4)
        if kernel.has_ipv6:
            kernel.configure(node, netlink.ipv6_on_loopback(ipv6), 1, "IPv6 address")
            kernel.configure(node, netlink.default_route(ifindex, ipv6), 1, "IPv6 route")

    def _forget(self, node: int) -> None:
        self._wanted_mono_ns.pop(node, None)
        if isinstance(self._kernel, Namespaces):
            self._kernel.remove(node)
