"""What a running mesh answers to those outside: how it is, ways of packets, doors into nodes, captures."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ..control.server import Answer, Handler, Request
from ..epoch import Epoch, Nodes
from ..errors import RunError
from ..find_node import find_node
from ..plane.backend import Carrier, Lateness
from ..plane.fabric.hosts import IDLE_NS
from ..plane.mesh import MeshPlane
from ..plane.mininet import MeshNet
from ..scenario import Scenario
from .clock import Clock
from .geometry_process import Introduction
from .in_hand import InHand
from .intervening import Intervening
from .net_told import NetTold
from .ticks import TickLog

_ROUTE_TIMEOUT_S = 10.0
# of engine lateness: 10 us to 1 s
_LATENESS_NS = [m * 10**n for n in range(4, 9) for m in (1, 2, 5)] + [10**9]


class AskedMesh(Protocol):
    """What the answers are taken from.  ``epoch`` is the one in force, ``digest`` the recorder's."""

    scenario: Scenario
    run_id: str
    clock: Clock
    plane: MeshPlane
    plane_reason: str
    backend: Carrier
    duration_ns: int
    introduced: Introduction
    _in_hand: InHand
    _intervening: Intervening

    @property
    def nodes(self) -> Nodes: ...
    @property
    def built_s(self) -> float: ...
    @property
    def began_sim_ns(self) -> int | None: ...
    @property
    def out(self) -> Path: ...
    @property
    def net(self) -> MeshNet: ...
    @property
    def ticks(self) -> TickLog | None: ...
    @property
    def epoch(self) -> Epoch | None: ...
    @property
    def ended(self) -> bool: ...
    @property
    def n_ready(self) -> int: ...
    @property
    def dead_nodes(self) -> dict[str, str]: ...
    @property
    def digest(self) -> dict[str, Any]: ...

    def lateness(self) -> Lateness | None: ...
    def end(self) -> None: ...


class Questions:
    """Of one mesh; may be asked from any thread.  ``ticked()`` tells it that another epoch is in force."""

    def __init__(
        self,
        mesh: AskedMesh,
        ask_for_routes: Callable[[Sequence[int]], None],
        forget_routes: Callable[[Sequence[int]], None],
    ) -> None:
        self._mesh, self._ask_for_routes, self._forget_routes = mesh, ask_for_routes, forget_routes
        self._ticked = threading.Condition()
        self._asked_mono_ns: dict[int, int] = {}  # when somebody last wanted a node to be routed to
        self._forgotten: set[int] = set()  # epochs that are in force, or about to be, may still have them

    def handlers(self) -> dict[str, Handler]:
        """By verb, for the control server."""
        return {
            "status": lambda request: (self.status(), ()),
            "enter": self._enter,
            "route": self._route,
            "layout": lambda request: (self.layout(), ()),
            "path": lambda request: (self.path(request.text("source"), request.text("destination")), ()),
            "capture": self._capture,
            "down": self._down,
            **NetTold(self._mesh).handlers(),
        }

    def ticked(self) -> None:
        with self._ticked:
            self._ticked.notify_all()

    def status(self) -> dict[str, Any]:
        """The run now, for a screen: times, ticks, links, and the recorder's digest per gateway."""
        mesh = self._mesh
        ticks, epoch = mesh.ticks, mesh.epoch
        began_ns, sim_ns = mesh.began_sim_ns, mesh.clock.sim_ns()
        lateness, known = mesh.lateness(), mesh.nodes.known_as.by_node
        return {
            "run_id": mesh.run_id,
            "scenario": mesh.scenario.name,
            "out": str(mesh.out.absolute()),
            "pid": os.getpid(),
            "plane": mesh.plane.name,
            "plane_reason": mesh.plane_reason,
            "backend": mesh.backend.name,
            "clock": mesh.clock.name,
            "sim_ns": sim_ns,
            **mesh._in_hand.state(),
            "sim_utc": (mesh.scenario.run.start_utc + timedelta(microseconds=sim_ns // 1000)).isoformat(),
            "build_ns": round(1e9 * mesh.built_s),
            "elapsed_ns": 0 if began_ns is None else sim_ns - began_ns,
            "duration_ns": mesh.duration_ns,
            "satellites": mesh.nodes.n_satellites,
            "gateways": mesh.nodes.n_gateways,
            "hosts": len(mesh.net.hosts),
            "nodes_ready": mesh.n_ready,
            "dead_nodes": dict(mesh.dead_nodes),
            "lasers": 0 if epoch is None else int((epoch.links.kind == 0).sum()),
            "ground_links": 0 if epoch is None else int((epoch.links.kind == 1).sum()),
            "ticks": len(ticks.cost_ns) if ticks else 0,
            "late_ticks": len(ticks.late) if ticks else 0,
            "engine_lateness_p50_ns": lateness.quantile_ns(0.5) if lateness else None,
            "engine_lateness_p99_ns": lateness.quantile_ns(0.99) if lateness else None,
            "engine_lateness_max_ns": lateness.max_ns if lateness else None,
            "engine_lateness": None if lateness is None else {
                "packets": int(lateness.count.sum()), "up_to_ns": lateness.up_to(_LATENESS_NS),
            },
            "interventions": mesh._intervening.n_in_force(),
            "known_as": {mesh.nodes.names[node]: str(name) for node, name in known.items()},
            "digest": mesh.digest,
        }  # fmt: skip

    def layout(self) -> dict[str, Any]:
        """``shells``: name and satellites of each, in order; ``planes``, over all shells: runs of (satellites
        of a plane, how many such planes); ``gateways``: names."""
        nodes = self._mesh.nodes
        sizes = np.bincount(nodes.plane[: nodes.n_satellites])
        first = np.flatnonzero(np.diff(sizes, prepend=-1))
        runs = zip(sizes[first].tolist(), np.diff(first, append=len(sizes)).tolist(), strict=True)
        return {
            "shells": [[each.shell, each.satellites] for each in self._mesh.introduced.propagation],
            "planes": [list(run) for run in runs],
            "gateways": list(nodes.names[nodes.n_satellites :]),
        }

    def route_to(self, names: Sequence[str]) -> None:
        """Make nodes destinations that every node has a route to; returns when the routes are in force."""
        wanted = [self._node(name) for name in names]
        with self._ticked:
            self._asked_mono_ns.update(dict.fromkeys(wanted, time.monotonic_ns()))
            is_new = bool(self._forgotten.intersection(wanted)) or not self._all_routed(wanted)
            self._forgotten.difference_update(wanted)
            if is_new:
                self._ask_for_routes(wanted)
        if not is_new:
            return
        with self._ticked:
            done = self._ticked.wait_for(
                lambda: self._all_routed(wanted) or self._mesh.ended, _ROUTE_TIMEOUT_S
            )
        if not done:
            raise RunError(
                f"no routes to {', '.join(names)} within {_ROUTE_TIMEOUT_S:.0f} s; are the ticks late?"
            )

    def hosts_gone(self, nodes: Sequence[int]) -> None:
        """Hosts on demand that have been given up: no more routes to them, unless somebody asked just now."""
        since_ns = time.monotonic_ns() - IDLE_NS
        with self._ticked:
            gone = [node for node in nodes if self._asked_mono_ns.get(node, 0) < since_ns]
            self._forgotten.update(gone)
            self._forget_routes(gone)

    def path(self, source: str, destination: str) -> dict[str, Any]:
        """``path`` as names (None where there is none), ``hops`` and one-way ``delay_ns``, as routed now;
        ``known_as``: what files call its satellites."""
        a, b = self._node(source), self._node(destination)
        self.route_to([source, destination])
        epoch = self._epoch()
        path = epoch.path(a, b)
        if path is None:
            return {"path": None, "hops": None, "delay_ns": None}
        known = self._mesh.nodes.known_as.by_node
        return {
            "path": [self._mesh.nodes.names[node] for node in path],
            "known_as": {self._mesh.nodes.names[node]: str(known[node]) for node in path if node in known},
            "hops": len(path) - 1,
            "delay_ns": epoch.path_delay_ns(path, self._mesh.clock.sim_ns()),
        }

    def _all_routed(self, wanted: Sequence[int]) -> bool:
        return set(wanted) <= set(self._epoch().routes.destinations.tolist())

    def _epoch(self) -> Epoch:
        epoch = self._mesh.epoch
        assert epoch is not None
        return epoch

    def _node(self, name: str) -> int:
        return find_node(name, self._mesh.nodes)

    def _enter(self, request: Request) -> Answer:
        name = request.text("node")
        node = self._node(name)
        self._mesh.plane.ensure_host(node)
        self.route_to([name])
        return {}, (self._mesh.plane.netns_fd(node), self._mesh.plane.program_mntns_fd(node))

    def _route(self, request: Request) -> Answer:
        self.route_to(request.texts("nodes"))
        return {}, ()

    def _capture(self, request: Request) -> Answer:
        """Until the one who asked has gone."""
        u, peer = self._node(request.text("node")), request.text_or_none("peer")
        v = None if peer is None else self._node(peer)
        plane = self._mesh.plane
        plane.capture(u, v, request.file())
        request.at_end.append(lambda: plane.end_capture(u, v))
        return {}, ()

    def _down(self, request: Request) -> Answer:
        self._mesh.end()
        return {}, ()
