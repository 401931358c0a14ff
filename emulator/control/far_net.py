"""The net of a mesh that runs in another process, as Mininet knows it: hosts by the run's door."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..epoch import LinkKind
from ..errors import InputError
from ..plane.mininet import MeshNet
from ..plane.mininet.imported import output
from ..plane.mininet.interfaces import MeshIntf, MeshLink
from ..plane.mininet.node import MeshNode
from .client import Client

_MOST_CACHED = 100_000


class FarNet(MeshNet):
    """Any node can be had by its name: what is no host yet becomes one.

    ``stop`` ends what was begun from here, and not the mesh; ``refresh`` asks again for hosts and links.
    """

    def __init__(self, client: Client) -> None:
        super().__init__([], self.end_shells)
        self._client = client
        self._own: dict[str, tuple[str, str, int] | None] = {}  # by any name; None: nobody is called so
        self._fds: dict[int, tuple[int, int]] = {}
        self.own_name = self._own_name
        self.route_first = client.route
        self.told_links: list[list[Any]] = []
        self.refresh()

    def refresh(self) -> None:
        told = self._client.net()
        for name, address, index in told["hosts"]:
            self._own[name] = (name, address, index)
        here = {name for name, _, _ in told["hosts"]}
        kept = {
            name: node for name, node in self.nameToNode.items() if name in here or node.shell is not None
        }
        self.nameToNode = kept | {
            name: self._made(name, address, index)
            for name, address, index in told["hosts"]
            if name not in kept
        }
        self.hosts = sorted(self.nameToNode.values(), key=lambda host: host.index)
        self.told_links = told["links"]
        for a, b, _, one, other in self.told_links:
            for name, interface in ((a, one), (b, other)):
                node = self.nameToNode.get(name)
                if interface and node is not None and interface not in node.nameToIntf:
                    node.attach(MeshIntf(interface, node, None))

    @property
    def links(self) -> list[MeshLink]:
        """Between hosts."""
        names = self.nameToNode
        return [
            MeshLink(names[a], names[b], one or "-", other or "-", LinkKind[kind.upper()])
            for a, b, kind, one, other in self.told_links
            if a in names and b in names
        ]

    def __getitem__(self, name: str) -> MeshNode:
        told = self._told(name)
        if told is not None and told[0] not in self.nameToNode:
            node = self._made(*told)
            self.nameToNode = {**self.nameToNode, node.name: node}
        return super().__getitem__(name)

    def _is_there(self, own_name: str) -> bool:
        return self._told(own_name) is not None

    def __iter__(self) -> Iterator[str]:
        return iter([host.name for host in self.hosts])

    def configLinkStatus(self, src: str, dst: str, status: str) -> None:  # type: ignore[override]  # noqa: N802
        """Mininet's ``link A B down`` and ``up``: the link is failed and restored."""
        a, b = self[src].name, self[dst].name
        if status == "down":
            answer = self._client.intervene([f"{a}:{b}"], by="prompt")
            for each in answer.get("absent", ()):
                output(f"*** {each}: no such link is up now; should one come, it holds for that\n")
            return
        for each in self._client.interventions():
            if set(each["what"].split(":")) == {a, b}:
                self._client.lift([str(each["intervention"])])
                return
        raise InputError(f"{a}:{b} has not been failed; in force are those that faults lists")

    def _made(self, name: str, address: str, index: int) -> MeshNode:
        return MeshNode(name, address, index, self._descriptors)

    def _descriptors(self, index: int) -> tuple[int, int]:
        """Kept open: programs find their namespaces by them."""
        if index not in self._fds:
            (name,) = (name for name, node in self.nameToNode.items() if node.index == index)
            self._fds[index] = self._client.enter(name)
        return self._fds[index]

    def _own_name(self, name: str) -> str:
        told = self._told(name)
        return name if told is None else told[0]

    def _told(self, name: str) -> tuple[str, str, int] | None:
        if name not in self._own:
            if len(self._own) > _MOST_CACHED:
                self._own.clear()
            try:
                told = self._client.host(name)
                self._own[name] = (told["name"], told["address"], told["index"])
            except InputError:
                self._own[name] = None
        return self._own[name]
