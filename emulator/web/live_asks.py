"""What pages ask of a run that goes on: what is to be done, and what is shown with each epoch."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from orbitmesh.web.v1 import web_pb2 as pb

from ..epoch import Epoch
from ..errors import FailureError, InputError
from . import details, layers, ways
from .ahead import Ahead
from .viewer import MOST_PAIRS, LayerOf, Pair, Viewer

if TYPE_CHECKING:
    from .live import LiveSource

_BY = "page"
_CHANGES = ("intervene", "lift", "pause", "resume", "step", "speed")


class LiveAsks:
    """``follow`` is for the reader's thread, all else for the event loop's."""

    def __init__(self, source: LiveSource) -> None:
        self._source = source
        self._shown: frozenset[LayerOf] = frozenset()
        self._pairs: frozenset[Pair] = frozenset()
        self._picked: frozenset[int] = frozenset()
        self._ahead = Ahead(source.shown)
        self.layers: list[Any] = layers.kinds(source.shown)

    def anew(self, viewers: Iterable[Viewer]) -> None:
        """What is wanted by anybody, once somebody wants something else, or has gone."""
        viewers = [*viewers]
        self._shown = frozenset(v.shown for v in viewers if v.shown is not None)
        self._pairs = frozenset(pair for v in viewers for pair in v.pairs)
        self._picked = frozenset(v.picked for v in viewers if v.picked is not None)

    def wanted_rows(self, epoch: Epoch) -> list[int]:
        """Of links that somebody looks at: on the ways of pairs, and of nodes that are picked."""
        rows = [row for pair in self._pairs for row in ways.rows_of(epoch, *pair)]
        for node in self._picked:
            links = epoch.links
            rows += np.flatnonzero((links.a == node) | (links.b == node)).tolist()
        return rows

    def follow(self, epoch: Epoch) -> None:
        """Layers and ways of another epoch."""
        source = self._source
        for shown in self._shown:
            source.call(source.take_layer, shown, layers.layer(*shown, epoch, source.shown))
        if self._pairs:
            source.tail.poll(epoch.sim_ns)
            for pair in self._pairs:
                source.call(source.take_way, pair, self._way(epoch, pair))

    def _way(self, epoch: Epoch, pair: Pair) -> bytes:
        names = self._source.nodes.names
        measured = self._source.tail.of_pair(names[pair[0]], names[pair[1]], epoch.sim_ns)
        return ways.way(epoch, *pair, measured)

    # ---- asks

    async def answer(self, viewer: Viewer, what: str, request: Any) -> dict[str, Any]:
        if what in _CHANGES and not self._source.can_control:
            raise InputError("this page may only look: it was opened with --read-only")
        handle = getattr(self, f"_{what}", None)
        if handle is None:
            raise InputError("a run that goes on cannot do that: open its record, orbitmesh web RUN")
        found: dict[str, Any] | None = await handle(viewer, request)
        return found or {}

    def _epoch(self) -> Epoch:
        if self._source.epoch is None:
            raise FailureError("the mesh is still being built: ask again in a moment")
        return self._source.epoch

    async def _show(self, viewer: Viewer, request: Any) -> None:
        source = self._source
        if not request.kind:
            viewer.shown = None
            self.anew(source.viewers)
            return
        shown = (request.kind, request.gateway_node if request.kind == layers.LATENCY else 0)
        message = await asyncio.to_thread(layers.layer, *shown, self._epoch(), source.shown)
        viewer.shown = shown
        self.anew(source.viewers)
        source.standing.layers[shown] = message
        viewer.put(message)

    async def _watch(self, viewer: Viewer, request: Any) -> None:
        source = self._source
        pairs = tuple(dict.fromkeys(zip(request.source_node, request.destination_node, strict=False)))
        if len(request.source_node) != len(request.destination_node) or len(pairs) > MOST_PAIRS:
            raise InputError(f"name up to {MOST_PAIRS} pairs, each by its source and its destination")
        for pair in pairs:
            details.check_nodes(source.shown, *pair)
        nodes = {node for pair in pairs for node in pair}
        names = source.nodes.names
        routed = set(self._epoch().routes.destinations.tolist())
        if missing := [names[node] for node in sorted(nodes - routed)]:
            await source.doors.ask_apart(lambda client: client.route(missing))
        viewer.pairs = pairs
        self.anew(source.viewers)
        for pair in pairs:
            # what was measured comes with the next epoch: only the reader reads the folder
            message = source.standing.ways.get(pair) or ways.way(self._epoch(), *pair)
            viewer.put(message)

    async def _node(self, viewer: Viewer, request: Any) -> dict[str, Any]:
        found = details.node_detail(self._source.shown, self._epoch(), request.node, self._source.status)
        viewer.picked = request.node
        self.anew(self._source.viewers)
        return {"node": found}

    async def _link(self, viewer: Viewer, request: Any) -> dict[str, Any]:
        return {
            "link": details.link_detail(self._source.shown, self._epoch(), request.a_node, request.b_node)
        }

    async def _contacts(self, viewer: Viewer, request: Any) -> dict[str, Any]:
        b = request.b_node if request.HasField("b_node") else None
        found = await asyncio.to_thread(self._ahead.contacts, request.a_node, b, self._epoch().sim_ns)
        return {"contacts": pb.Contacts(contacts=found)}

    async def _intervene(self, viewer: Viewer, request: Any) -> None:
        more = {
            name: getattr(request, name)
            for name in ("lasts_ns", "rate_bps", "loss_ratio", "extra_delay_ns")
            if request.HasField(name)
        }
        await self._source.doors.ask_apart(
            lambda client: client.intervene(list(request.what), by=_BY, **more)
        )

    async def _lift(self, viewer: Viewer, request: Any) -> None:
        if not request.what:
            raise InputError("nothing is named that is to be restored: name it, or the number it has")
        await self._source.doors.ask_apart(lambda client: client.lift(list(request.what)))

    async def _pause(self, viewer: Viewer, request: Any) -> None:
        await self._source.doors.ask_apart(lambda client: client.pause(by=_BY))

    async def _resume(self, viewer: Viewer, request: Any) -> None:
        await self._source.doors.ask_apart(lambda client: client.resume(by=_BY))

    async def _step(self, viewer: Viewer, request: Any) -> None:
        await self._source.doors.ask_apart(lambda client: client.step(by_ns=request.step_ns, by=_BY))

    async def _speed(self, viewer: Viewer, request: Any) -> None:
        await self._source.doors.ask_apart(lambda client: client.speed(ratio=request.speed_ratio, by=_BY))
