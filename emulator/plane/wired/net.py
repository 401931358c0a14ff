"""The mesh as Mininet knows it where each link is a device of both its ends: links that come and go."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..mininet import MeshLink, MeshNet, MeshNode
from .ledger import Entry


class WiredNet(MeshNet):
    """All nodes are hosts from the first; links are those that are up now."""

    def __init__(self, hosts: Sequence[MeshNode], on_stop: Callable[[], None]) -> None:
        super().__init__(hosts, on_stop)
        self._links: dict[int, MeshLink] = {}

    @property
    def links(self) -> list[MeshLink]:
        return list(self._links.values())

    def links_came(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if entry.key in self._links:
                continue
            one, two = self.hosts[entry.a], self.hosts[entry.b]
            link = MeshLink(one, two, entry.interface_a, entry.interface_b, entry.kind)
            one.attach(link.intf1)
            two.attach(link.intf2)
            self._links[entry.key] = link

    def links_went(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            link = self._links.pop(entry.key, None)
            if link is not None:
                for intf in (link.intf1, link.intf2):
                    intf.node.delIntf(intf)
