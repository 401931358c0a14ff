"""Which node is meant by a name, and which by a set of names; the same for plans, a running mesh, and what is
failed in it."""

from __future__ import annotations

import re
from fnmatch import translate

from .epoch import Nodes
from .errors import InputError, UnknownName
from .shown import shown
from .suggest import suggest

# beyond that many nodes a misspelt name is not compared with all of them
_FEW_NODES = 20_000
_WILD = re.compile(r"[*?\[]")
_SATELLITE = "sat-"  # as all their own names begin


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


def is_set(name: str) -> bool:
    """Whether it may stand for several nodes: unless a node has that very name."""
    return bool(_WILD.search(name))


def find_nodes(name: str, nodes: Nodes) -> list[int]:
    """All that are meant, rising: the node of that name, else those whose names match it (``*``, ``?``,
    ``[…]``), upper and lower case being the same.  InputError for a name or a set of nobody."""
    try:
        return [find_node(name, nodes)]
    except InputError:
        if not is_set(name):
            raise
    try:
        is_meant = re.compile(translate(name.casefold())).match
    except re.error as error:
        raise InputError(f"{shown(name)} is no pattern of names: {error}") from None
    found = {node for node, known in nodes.known_as.by_node.items() if is_meant(known.label.casefold())}
    first = 0 if _may_be_satellites(name) else nodes.n_satellites  # of a million, each name takes its time
    for node in range(first, len(nodes)):
        own = nodes.names[node].casefold()
        if is_meant(own) or (node >= nodes.n_satellites and is_meant(own.removeprefix("gw-"))):
            found.add(node)
    if not found:
        raise UnknownName(
            f"no node is called like {shown(name)}: gateways are gw-NAME, satellites sat-PLANE-SLOT"
        )
    return sorted(found)


def _may_be_satellites(name: str) -> bool:
    begins = _WILD.split(name.casefold(), 1)[0]
    return begins.startswith(_SATELLITE) or _SATELLITE.startswith(begins)


def _near(name: str, nodes: Nodes) -> str:
    gateways, satellites = nodes.names[nodes.n_satellites :], nodes.names[: nodes.n_satellites]
    stations = [gateway.removeprefix("gw-") for gateway in gateways]
    if len(nodes) <= _FEW_NODES:
        labels = [known.label for known in nodes.known_as.by_node.values() if known.label]
        return suggest(name, (*gateways, *stations, *labels, *satellites), "nodes")
    hint = suggest(name, (*gateways, *stations), "gateways")
    return f"satellites are {satellites[0]} to {satellites[-1]}; of gateways, {hint}"
