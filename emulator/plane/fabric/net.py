"""The mesh as Mininet knows it where the engine carries the space segment: hosts that come and go."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from ...epoch import Nodes
from ..addressing import Addresses
from ..mininet import MeshIntf, MeshNet, MeshNode

INTERFACE = "mesh0"


class FabricNet(MeshNet):
    """Hosts are those nodes that have a namespace; ``net.get`` of any other makes it one.

    Each has one interface, to the engine: there are no links for Mininet to see.
    """

    def __init__(
        self,
        nodes: Nodes,
        addresses: Addresses,
        ensure_host: Callable[[int], None],
        descriptors: Callable[[int], tuple[int, int]],
        on_stop: Callable[[], None],
    ) -> None:
        super().__init__([], on_stop)
        self._nodes, self._addresses = nodes, addresses
        self.own_name = nodes.own_name
        self._ensure_host, self._descriptors = ensure_host, descriptors

    def hosts_came(self, nodes: Iterable[int]) -> None:
        came = {}
        for node in nodes:
            host = MeshNode(self._nodes.names[node], self._addresses[node], node, self._descriptors)
            host.attach(MeshIntf(INTERFACE, host, None))
            came[host.name] = host
        # replaced as a whole: another thread may be going through them
        self.nameToNode = {**self.nameToNode, **came}
        self.hosts = sorted(self.nameToNode.values(), key=lambda host: host.index)

    def host_went(self, node: int) -> None:
        self.nameToNode = {name: host for name, host in self.nameToNode.items() if host.index != node}
        self.hosts = [host for host in self.hosts if host.index != node]

    def __getitem__(self, name: str) -> MeshNode:
        name = self.own_name(name)
        if name not in self.nameToNode and name in self._nodes.index:
            self._ensure_host(self._nodes.index[name])
        return super().__getitem__(name)

    def _is_there(self, own_name: str) -> bool:
        return own_name in self._nodes.index

    def __iter__(self) -> Iterator[str]:
        return iter([host.name for host in self.hosts])
