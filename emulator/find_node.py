"""Which node is meant by a name; the same for plans, a running mesh, and what is failed in it."""

from __future__ import annotations

from .epoch import Nodes
from .errors import UnknownName
from .shown import shown
from .suggest import suggest

# beyond that many nodes a misspelt name is not compared with all of them
_FEW_NODES = 20_000


def find_node(name: str, nodes: Nodes) -> int:
    """Index of a node by its name, of a gateway by its station's, or of a satellite by that in its file;
    UnknownName with what is near.

    A name that is a node's own goes first: for a station named ``sat-0-0``
    its gateway has to be written out.
    """
    for candidate in (name, f"gw-{name}"):
        if candidate in nodes.index:
            return nodes.index[candidate]
    if (found := nodes.known_as.one(name)) >= 0:
        return found
    raise UnknownName(f"there is no node {shown(name)}: {_near(name, nodes)}")


def _near(name: str, nodes: Nodes) -> str:
    gateways, satellites = nodes.names[nodes.n_satellites :], nodes.names[: nodes.n_satellites]
    stations = [gateway.removeprefix("gw-") for gateway in gateways]
    if len(nodes) <= _FEW_NODES:
        labels = [known.label for known in nodes.known_as.by_node.values() if known.label]
        return suggest(name, (*gateways, *stations, *labels, *satellites), "nodes")
    hint = suggest(name, (*gateways, *stations), "gateways")
    return f"satellites are {satellites[0]} to {satellites[-1]}; of gateways, {hint}"
