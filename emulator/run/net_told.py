"""What a running mesh tells of its net: its hosts and their links, for Mininet's prompt; and what the links
of a way are told to do, for whoever measures them."""

from __future__ import annotations

import base64
import time
from itertools import pairwise
from typing import Any, Protocol

import numpy as np

from ..control.server import Answer, Handler, Request
from ..epoch import Epoch, LinkKind, Nodes
from ..errors import FailureError, InputError
from ..find_node import find_node
from ..plane.mesh import MeshPlane
from ..plane.mininet import MeshNet
from ..plane.shaping import parameters
from ..scenario import Scenario
from .clock import Clock

#: links of which one may be told at a time
MOST_CARRIED = 60_000


class ToldMesh(Protocol):
    """What is told of."""

    scenario: Scenario
    clock: Clock
    plane: MeshPlane

    @property
    def nodes(self) -> Nodes: ...
    @property
    def net(self) -> MeshNet: ...
    @property
    def epoch(self) -> Epoch | None: ...


class NetTold:
    """Of one mesh; may be asked from any thread."""

    def __init__(self, mesh: ToldMesh) -> None:
        self._mesh = mesh

    def handlers(self) -> dict[str, Handler]:
        """By verb, for the control server."""
        return {
            "host": lambda request: (self.host(request.text("node")), ()),
            "net": self._net,
            "carried": self._carried,
            "told": lambda request: (self.told(request.text("source"), request.text("destination")), ()),
        }

    def _carried(self, request: Request) -> Answer:
        """What links of the epoch in force have carried so far: nobody counts for it but who asks."""
        rows, epoch = request.get("rows"), self._mesh.epoch
        n = 0 if epoch is None else len(epoch.links)
        if rows is None and n > MOST_CARRIED:
            raise InputError(f"{n:,} links are too many to ask of at once: name up to {MOST_CARRIED:,} rows")
        if rows is not None and not (
            isinstance(rows, list)
            and len(rows) <= MOST_CARRIED
            and all(type(r) is int and 0 <= r < n for r in rows)
        ):
            raise InputError(
                f"the request's 'rows' are no rows of {n:,} links, or more than {MOST_CARRIED:,}"
            )
        found = self._mesh.plane.carried(None if rows is None else np.array(rows, np.int64))
        if found is None:
            return {"epoch_number": None, "mono_ns": time.monotonic_ns(), "columns": ""}, ()
        columns = base64.b64encode(found.columns.astype("<i8").tobytes()).decode()
        return {"epoch_number": found.epoch_number, "mono_ns": time.monotonic_ns(), "columns": columns}, ()

    def host(self, name: str) -> dict[str, Any]:
        """The node that is meant: ``name``, its own; ``address``, ``index``.  It need not be a host yet."""
        node = find_node(name, self._mesh.nodes)
        return {
            "name": self._mesh.nodes.names[node], "address": self._mesh.plane.addresses[node], "index": node,
        }  # fmt: skip

    def told(self, source: str, destination: str) -> dict[str, Any]:
        """``links`` of the way as routed now, in its direction, each with what it is told to do: ``delay_ns``
        now, ``rate_bps`` as emulated, ``queue_bytes``, ``loss_ratio``, ``up``; None where there is no way.

        Nobody has asked for routes to the destination: then there is none either.
        """
        mesh = self._mesh
        a, b = (find_node(name, mesh.nodes) for name in (source, destination))
        epoch = self._epoch()
        path = epoch.path(a, b)
        if path is None:
            return {"links": None}
        ids = np.arange(len(epoch.links), dtype=np.int32)
        now = parameters(epoch.links, ids, 0, mesh.scenario, mesh.clock.sim_ns() - epoch.sim_ns)
        found = []
        for u, v in pairwise(path):
            row = epoch.links.find(u, v)
            rate, queue = (
                (now.rate_ab_bps, now.queue_ab_bytes) if u < v else (now.rate_ba_bps, now.queue_ba_bytes)
            )
            found.append(
                {
                    "a": mesh.nodes.names[u],
                    "b": mesh.nodes.names[v],
                    "kind": LinkKind(int(epoch.links.kind[row])).name.lower(),
                    "delay_ns": float(now.delay_ns[row]),
                    "rate_bps": int(rate[row]),
                    "queue_bytes": int(queue[row]),
                    "loss_ratio": float(now.loss_ratio[row]),
                    "up": bool(now.up[row]),
                }
            )
        return {"links": found}

    def _net(self, _: Request) -> Answer:
        """``hosts``: name, address, index of each; ``links`` of these now: name, name, kind, and the
        interfaces at both ends where links have some."""
        mesh = self._mesh
        hosts = list(mesh.net.hosts)
        interfaces = {
            (link.intf1.node.name, link.intf2.node.name): (link.intf1.name, link.intf2.name)
            for link in mesh.net.links
        }
        links, names = self._epoch().links, mesh.nodes.names
        of = np.array([host.index for host in hosts], np.int32)
        told = []
        for row in np.flatnonzero(np.isin(links.a, of) | np.isin(links.b, of)).tolist():
            a, b = names[int(links.a[row])], names[int(links.b[row])]
            one, other = interfaces.get((a, b), (None, None))
            if one is None and (b, a) in interfaces:
                other, one = interfaces[b, a]
            told.append([a, b, LinkKind(int(links.kind[row])).name.lower(), one, other])
        return {"hosts": [[host.name, host.address, host.index] for host in hosts], "links": told}, ()

    def _epoch(self) -> Epoch:
        if (epoch := self._mesh.epoch) is None:
            raise FailureError("the mesh is still being built: ask again in a moment")
        return epoch
