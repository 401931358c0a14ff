"""Which nodes of a mesh a test means."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from ..find_node import find_node

if TYPE_CHECKING:
    from ..run.running import RunningMesh


def node_name(mesh: RunningMesh, name: str) -> str:
    """Its own name, by any that it is known by; InputError with what is near."""
    return mesh.nodes.names[find_node(name, mesh.nodes)]


def gateway_of(mesh: RunningMesh, asked: str | None) -> str:
    """The one asked for, else the scenario's first; InputError where it is none."""
    nodes = mesh.nodes
    if asked is None:
        if not nodes.n_gateways:
            raise InputError(f"the scenario {mesh.scenario.name} has no gateway: name a node yourself")
        return nodes.names[nodes.n_satellites]
    name = node_name(mesh, asked)
    if not nodes.is_gateway(nodes.index[name]):
        raise InputError(f"{name} is no gateway: gateways are {', '.join(nodes.names[nodes.n_satellites :])}")
    return name


def satellite_of(mesh: RunningMesh, gateway: str, asked: str | None) -> str:
    """The one asked for; else of those with a process the nearest to the gateway by path, as routed now.

    InputError where none can be reached, or the one asked for is none.
    """
    nodes = mesh.nodes
    if asked is not None:
        name = node_name(mesh, asked)
        if nodes.is_gateway(nodes.index[name]):
            raise InputError(f"{name} is a gateway, and a satellite is meant")
        return name
    hosts = np.flatnonzero(mesh.hosting[: nodes.n_satellites]).astype(np.int32)
    if not len(hosts):
        raise InputError(
            f"no satellite of the scenario {mesh.scenario.name} runs a process ([compute] satellites): "
            "name one, as in @pytest.mark.orbitmesh(satellite='sat-0-0')"
        )
    epoch = mesh.epoch
    assert epoch is not None
    delay_ns = epoch.way_delays_ns(hosts, np.array([nodes.index[gateway]], np.int32))[0]
    if not np.isfinite(delay_ns).any():
        raise InputError(f"{gateway} has no way to any satellite with a process now")
    return nodes.names[int(hosts[int(np.argmin(delay_ns))])]
