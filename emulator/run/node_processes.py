"""The node processes, from the run's side: what they are told, and what they report (see nodes/parent.py)."""

from __future__ import annotations

import contextlib
import json
import logging
import queue
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from orbitmesh.wire import energy
from orbitmesh.wire.energy import EnergyReport
from orbitmesh.wire.spec import NodeSpec

from ..assignment import Assignment
from ..course import if_it_comes
from ..epoch import Nodes
from ..errors import ProcessDied
from ..feed.feed import Feed
from ..placement.view import NO_WAY
from ..plane.mesh import MeshPlane
from ..processes import Child, describe_status
from . import programs
from .node_specs import probe_peers
from .supervision import Supervision

log = logging.getLogger(__name__)

_READY_TIMEOUT_S = 60.0
_LAST_REPORTS_S = 0.2
_STOP_TIMEOUT_S = 5.0


class NodeProcesses:
    """Started once the mesh is built; ``dead`` says of each that has died how."""

    def __init__(self, supervision: Supervision, samples: socket.socket, feed: Feed) -> None:
        self._supervision, self._feed = supervision, feed
        self._parent = supervision.start("node parent", programs.NODE_PARENT, samples, pickles=False)
        supervision.hear(self._parent, self._heard)
        supervision.at_death(self._died)
        self.dead: dict[str, str] = {}
        self.n_ready = 0
        self.on_energy: Callable[[EnergyReport], None] = lambda report: None  # in the watcher's thread
        self._are_there = False  # from then on a death is a loss, before it a failed start
        self._events: queue.Queue[dict[str, Any]] = queue.Queue()
        self._stopped = threading.Event()

    def start(
        self, specs: Sequence[NodeSpec], plane: MeshPlane, on_progress: Callable[[str, int, int], None]
    ) -> None:
        """Returns when all are there; ProcessDied where one is not."""
        for spec in specs:
            fds = [plane.netns_fd(plane.nodes.index[spec.name]), plane.mntns_fd]
            message = json.dumps({"op": "start", "spec": json.loads(spec.to_json())}).encode()
            try:
                socket.send_fds(self._parent.control, [message], fds)
            except OSError as error:
                raise ProcessDied(f"the node parent takes no orders: {error.strerror}") from error
        while self.n_ready < len(specs):
            event = self._supervision.answer(self._events, _READY_TIMEOUT_S, "the node processes")
            if event["event"] == "ready":
                self.n_ready += 1
                on_progress("node processes", self.n_ready, len(specs))
            else:
                raise ProcessDied(f"node {event['name']} did not start: {_how(event)}")
        self._are_there = True
        with contextlib.suppress(queue.Empty):  # deaths that came in between
            while True:
                self._lost(self._events.get_nowait())

    def assign(
        self,
        before: Assignment | None,
        now: Assignment,
        nodes: Nodes,
        address: Callable[[int], str],
        mono_ns: Callable[[int], int],
        **more: int,
    ) -> None:
        """Tell each node what is new to it: whom it measures, who serves it; ``more`` goes into each.

        ``mono_ns``: the machine's instant of an emulated one.
        """
        for satellite, gateways in now.probe_gateways.items():
            if before is None or before.probe_gateways.get(satellite) != gateways:
                peers = [asdict(peer) for peer in probe_peers(nodes, gateways, address)]
                self._order({"op": "assign", "name": nodes.names[satellite], "probe_peers": peers} | more)
        for gateway in now.nearest:
            order = served(nodes, now, gateway)
            if before is None or served(nodes, before, gateway) != order:
                if retry := order.pop("retry_sim_ns", None):
                    comes = {each: if_it_comes(mono_ns(sim_ns)) for each, sim_ns in retry.items()}
                    order["retry_mono_ns"] = {
                        each: max(0, ns) for each, ns in comes.items() if ns is not None
                    }
                self._order({"op": "assign", "name": nodes.names[gateway]} | order | more)

    def serve(self, name: str, **order: Any) -> None:
        """What a satellite's accelerators are to be told: ``capacity_ratio``, or ``background`` requests."""
        self._order({"op": "serve", "name": name} | order)

    def stop(self) -> None:
        # all first stop to report: a node that ends breaks off what another waits for
        self._order({"op": "end"})
        self._stopped.wait(_LAST_REPORTS_S)
        self._order({"op": "stop"})
        self._stopped.wait(_STOP_TIMEOUT_S)

    def _order(self, message: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):  # the watcher says that the parent died
            self._parent.control.send(json.dumps(message).encode())

    def _died(self, child: Child) -> None:
        if child is self._parent:
            self._stopped.set()

    def _heard(self) -> None:
        data = self._parent.control.recv(1 << 16)
        if not data:
            raise EOFError
        event = json.loads(data)
        match event["event"]:
            case "stopped":
                self._stopped.set()
            case "refused":
                log.warning("node %s refused an order of this run: %s", event["name"], event["reason"])
                told = {"event": "order refused", "name": event["name"], "reason": event["reason"]}
                self._feed.put("event", told)
            case energy.EVENT:
                self.on_energy(EnergyReport.from_event(event))
            case "exited" | "failed" if self._are_there:
                self._lost(event)
            case _:
                self._events.put(event)

    def _lost(self, event: dict[str, Any]) -> None:
        log.warning("node %s died: %s", event["name"], _how(event))
        self.dead[event["name"]] = _how(event)
        self._feed.put("event", {"event": "node died", "name": event["name"], "how": _how(event)})


def served(nodes: Nodes, by: Assignment, gateway: int) -> dict[str, Any]:
    """What a gateway is told: the nearest; by class, where a policy says so, who serves or why nobody does.

    Where nobody does, also when it may be worth asking again.

    A gateway that has no way is told no reason: nobody refuses it, nobody hears it.
    """
    order: dict[str, Any] = {"nearest": _name(nodes, by.nearest.get(gateway))}
    if gateway in by.placed:
        order["placed"] = {each: _name(nodes, node) for each, node in by.placed[gateway].items()}
    refused = by.refused.get(gateway, {})
    reasons = {each: why.reason for each, why in refused.items() if why.reason != NO_WAY}
    retry = {each: why.retry_sim_ns for each, why in refused.items() if why.retry_sim_ns is not None}
    return order | ({"refused": reasons} if reasons else {}) | ({"retry_sim_ns": retry} if retry else {})


def _name(nodes: Nodes, node: int | None) -> str | None:
    return None if node is None else nodes.names[node]


def _how(event: dict[str, Any]) -> str:
    return event.get("reason") or describe_status(event["status"])
