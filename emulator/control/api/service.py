"""The methods that ask the run at its door, and answer what it says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np

from orbitmesh.control.v1 import control_pb2 as pb

from ...epoch import Epoch
from ...errors import FailureError, InputError
from ...feed.feed import Entry
from ...feed.opened import opened
from ...find_node import find_node
from ...shown import plain
from ..client import Client
from . import answers
from .doors import Doors
from .scenario_answer import scenario_kept
from .settings import ApiSettings
from .watch import Watches

_NODES_AT_ONCE, _LINKS_AT_ONCE = 20_000, 20_000
_MOST_BY_CHARACTERS = 60


class ControlService:
    """``record``: the folder of the run's record."""

    def __init__(self, settings: ApiSettings, doors: Doors, record: Path) -> None:
        self._settings, self._doors, self._nodes, self._record = settings, doors, settings.nodes, record
        watches = Watches(doors, self._nodes)
        self.WatchEpochs, self.WatchEvents = watches.epochs, watches.events

    # ---- what there is

    async def Status(self, request: Any) -> Any:  # noqa: N802 - as the .proto names it; so below
        return answers.status(await self._doors.ask(Client.status))

    async def ListNodes(self, request: Any) -> AsyncIterator[Any]:  # noqa: N802
        for first in range(0, len(self._nodes), _NODES_AT_ONCE):
            some = range(first, min(first + _NODES_AT_ONCE, len(self._nodes)))
            yield pb.ListNodesResponse(nodes=[self._node(i) for i in some])

    def _node(self, i: int) -> Any:
        nodes = self._nodes
        known = nodes.known_as.by_node.get(i)
        if nodes.is_gateway(i):
            return pb.Node(index=i, name=nodes.names[i], kind=pb.NODE_KIND_GATEWAY)
        return pb.Node(
            index=i, name=nodes.names[i], kind=pb.NODE_KIND_SATELLITE, shell=int(nodes.shell[i]),
            plane=int(nodes.plane[i]), slot=int(nodes.slot[i]), known_as="" if known is None else str(known),
        )  # fmt: skip

    async def ListLinks(self, request: Any) -> AsyncIterator[Any]:  # noqa: N802
        ends = [find_node(name, self._nodes) for name in request.nodes]
        epoch = await self._doors.ask(_epoch_now)
        links = epoch.links
        rows = np.arange(len(links))
        if ends:
            rows = rows[np.isin(links.a, ends) | np.isin(links.b, ends)]
        for first in range(0, max(len(rows), 1), _LINKS_AT_ONCE):
            some = rows[first : first + _LINKS_AT_ONCE].tolist()
            yield pb.ListLinksResponse(sim_ns=epoch.sim_ns, links=[self._link(epoch, row) for row in some])

    def _link(self, epoch: Epoch, row: int) -> Any:
        names, links = self._nodes.names, epoch.links
        return pb.Link(
            a=names[links.a[row]], b=names[links.b[row]], kind=pb.LinkKind.Name(int(links.kind[row]) + 1),
            delay_ns=float(links.delay_ns[row]), delay_slope_ns_per_s=float(links.delay_slope_ns_per_s[row]),
            rate_ab_bps=int(links.rate_ab_bps[row]), rate_ba_bps=int(links.rate_ba_bps[row]),
            is_up=True if links.up is None else bool(links.up[row]),
        )  # fmt: skip

    async def Path(self, request: Any) -> Any:  # noqa: N802
        a, b = _given(request, "source"), _given(request, "destination")
        return answers.path(await self._doors.ask(lambda client: client.path(a, b)))

    async def Scenario(self, request: Any) -> Any:  # noqa: N802
        return await asyncio.to_thread(scenario_kept, self._record)

    async def Carried(self, request: Any) -> Any:  # noqa: N802
        rows = list(request.link_row) or None
        return answers.carried(await self._doors.ask(lambda client: client.carried(rows)))

    async def _contacts_question(self, request: Any) -> dict[str, Any]:
        """As the starter's fork is asked; unknown names are refused here already."""
        for end in ("a", "b"):
            find_node(_given(request, end), self._nodes)
        if request.kind not in (pb.CONTACT_KIND_SIGHT, pb.CONTACT_KIND_WAY):
            raise InputError("kind is missing: CONTACT_KIND_SIGHT or CONTACT_KIND_WAY")
        now = await self._doors.ask(Client.status)
        left_ns = now["duration_ns"] - now["elapsed_ns"]
        rest_ns = left_ns if left_ns > 0 else now["duration_ns"]
        return {
            "do": "contacts", "a": request.a, "b": request.b, "way": request.kind == pb.CONTACT_KIND_WAY,
            "begin_sim_ns": request.begin_sim_ns if request.HasField("begin_sim_ns") else now["sim_ns"],
            "duration_ns": request.duration_ns if request.HasField("duration_ns") else rest_ns,
        }  # fmt: skip

    # ---- what is failed or changed

    async def Intervene(self, request: Any) -> Any:  # noqa: N802
        wishes = ("lasts_ns", "rate_bps", "loss_ratio", "extra_delay_ns")
        more = {key: getattr(request, key) for key in wishes if request.HasField(key)}
        if more.get("extra_delay_ns") == 0 and not more.keys() & {"rate_bps", "loss_ratio"}:
            raise InputError("extra_delay_ns is 0, which changes nothing; without it all that is named fails")
        by = _who(request)
        answer = await self._doors.ask(lambda client: client.intervene(request.what, by=by, **more))
        return pb.InterveneResponse(
            interventions=map(answers.intervention, answer["interventions"]),
            in_force_ns=answer["in_force_ns"],
            absent=answer.get("absent", ()),
        )

    async def ListInterventions(self, request: Any) -> Any:  # noqa: N802
        found = await self._doors.ask(Client.interventions)
        return pb.ListInterventionsResponse(interventions=map(answers.intervention, found))

    async def Lift(self, request: Any) -> Any:  # noqa: N802
        which = request.WhichOneof("which")
        if (
            which is None
            or (which == "all" and not request.all)
            or (which == "named" and not request.named.names)
        ):
            raise InputError("name what is to be restored, or all")
        what = None if which == "all" else list(request.named.names)
        answer = await self._doors.ask(lambda client: client.lift(what))
        return pb.LiftResponse(
            interventions=map(answers.intervention, answer["interventions"]),
            in_force_ns=answer["in_force_ns"],
        )

    async def Route(self, request: Any) -> Any:  # noqa: N802
        if not request.nodes:
            raise InputError("nothing is named: write nodes that others are to have routes to")
        await self._doors.ask(lambda client: client.route(request.nodes))
        return pb.RouteResponse()

    # ---- the clock

    async def Pause(self, request: Any) -> Any:  # noqa: N802
        return pb.PauseResponse(clock=await self._clock(lambda client, by: client.pause(by=by), request))

    async def Resume(self, request: Any) -> Any:  # noqa: N802
        return pb.ResumeResponse(clock=await self._clock(lambda client, by: client.resume(by=by), request))

    async def Step(self, request: Any) -> Any:  # noqa: N802
        return pb.StepResponse(
            clock=await self._clock(lambda client, by: client.step(request.step_ns, by=by), request)
        )

    async def SetSpeed(self, request: Any) -> Any:  # noqa: N802
        return pb.SetSpeedResponse(
            clock=await self._clock(lambda client, by: client.speed(request.speed_ratio, by=by), request)
        )

    async def _clock(self, ask: Callable[[Client, str], dict[str, Any]], request: Any) -> Any:
        """A step may take as long as a run: it takes no place of what is asked beside it."""
        return answers.clock(await self._doors.ask_apart(lambda client: ask(client, _who(request))))

    # ---- the end

    async def End(self, request: Any) -> Any:  # noqa: N802
        return pb.EndResponse(failure=await asyncio.to_thread(self._end) or "")

    def _end(self) -> str | None:
        from ...record.ending import failure_of  # with all that records are written by

        with self._doors.new() as client:
            client.down()
        return failure_of(self._record)


def _who(request: Any) -> str:
    return plain(request.by, _MOST_BY_CHARACTERS) or "program"


def _given(request: Any, field: str) -> str:
    value: str = getattr(request, field)
    if not value:
        raise InputError(f"{field} is empty: name a node")
    return value


def _epoch_now(client: Client) -> Epoch:
    watching = client.watching(epochs=True)
    epoch = None
    for news in (watching.read(0), *watching.rest()):
        if isinstance(news, Entry) and news.parcel is not None:
            epoch = opened(news)
    if epoch is None:
        raise FailureError("the mesh is still being built: ask again in a moment")
    return epoch
