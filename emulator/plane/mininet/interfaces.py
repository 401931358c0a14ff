"""The ends of links, and links, as Mininet knows them."""

from __future__ import annotations

from typing import Any

from ...epoch import LinkKind
from .imported import Host, Intf, Link
from .refusals import not_yours, refusing


class MeshIntf(Intf):  # type: ignore[misc]  # Mininet has no types
    """One end of a link.  It has no address of its own: the node's, on its loopback, serves all."""

    def __init__(self, name: str, node: Host, link: MeshLink | None) -> None:
        # not Mininet's: that would run ifconfig
        self.name, self.node, self.link = name, node, link
        self.ip, self.prefixLen, self.mac = node.address, 32, None
        self.params: dict[str, Any] = {}

    def updateIP(self) -> str:  # noqa: N802 - Mininet's names, here and below
        return str(self.ip)

    def updateMAC(self) -> None:  # noqa: N802
        return None

    def updateAddr(self) -> tuple[str, None]:  # noqa: N802
        return self.updateIP(), None

    def isUp(self, setUp: bool = False) -> bool:  # noqa: N802
        if setUp:
            raise not_yours("links")
        shown, _, _ = self.node.pexec(["ip", "-o", "link", "show", "dev", self.name])
        return "UP" in shown.partition("<")[2].partition(">")[0].split(",")

    def config(self, up: bool = True, **params: Any) -> dict[str, Any]:
        """Nothing to do for an interface that stays as it is; all else is refused."""
        if not up or any(value is not None for value in params.values()):
            raise not_yours("interfaces")
        return {}

    def ifconfig(self, *args: str) -> Any:
        if args:
            raise not_yours("interfaces")
        return super().ifconfig()

    setIP = setMAC = rename = delete = refusing("interfaces")  # noqa: N815


class MeshLink(Link):  # type: ignore[misc]  # Mininet has no types
    """A laser or a ground link that is up."""

    def __init__(self, node1: Host, node2: Host, name1: str, name2: str, kind: LinkKind) -> None:
        self.intf1, self.intf2 = MeshIntf(name1, node1, self), MeshIntf(name2, node2, self)
        self.kind, self.fast = kind, True

    delete = refusing("links")

    def __str__(self) -> str:
        one, two = self.intf1, self.intf2
        return f"{one.node.name}:{one.name}<->{two.node.name}:{two.name}"
