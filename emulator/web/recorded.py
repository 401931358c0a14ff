"""A recorded run, for all who look at it: each at an instant of his own, which he seeks, or lets go on."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from orbitmesh.web.v1 import web_pb2 as pb

from ..course import Course
from ..epoch import NS_PER_S, Epoch
from ..errors import InputError, OrbitmeshError
from ..shown import plain, sentence
from . import details, layers, messages, use_of_links, ways
from .ahead import Ahead
from .epochs import EpochWriter
from .measured import Measured, measured
from .messages import told
from .record import Record
from .record_events import events_of
from .viewer import MOST_PAIRS, Viewer

log = logging.getLogger(__name__)

T = TypeVar("T")

_MOST_EVENTS = 1_900  # a page keeps 2,000
_ASKS = ("seek", "play", "show", "watch", "node", "link", "contacts")
_FRAME_S = 0.5  # between two instants of one that goes on fast
MOST_RATIO = 3_600.0
# of one that was killed, or is under way, the record's own notes say so
_ENDED = {"interrupted": "was interrupted", "failed": "failed"}


class _Player:
    """One viewer's place in the record."""

    def __init__(self, source: RecordedSource, viewer: Viewer) -> None:
        self.viewer, self.writer = viewer, EpochWriter(source.shown) if source.has_geometry else None
        self.sim_ns, self.ratio = source.begin_ns, 0.0
        self._source, self._anew = source, asyncio.Event()
        self.task = asyncio.create_task(self._run())

    def seek(self, sim_ns: int) -> None:
        self.sim_ns = min(max(sim_ns, self._source.begin_ns), self._source.end_ns)
        self._anew.set()

    def play(self, ratio: float) -> None:
        self.ratio = ratio
        self._anew.set()

    async def _run(self) -> None:
        source, step_ns = self._source, self._source.step_ns
        while True:
            self._anew.clear()
            began_s = time.monotonic()
            await self._tell()
            if not self.ratio:
                await self._anew.wait()
                continue
            # so many steps at a time that there are not too many messages
            ahead_ns = max(1, round(self.ratio * _FRAME_S * 1e9 / step_ns)) * step_ns
            due_s = began_s + ahead_ns / 1e9 / self.ratio
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._anew.wait(), max(0.0, due_s - time.monotonic()))
                continue
            if self.sim_ns + ahead_ns >= source.end_ns:
                self.sim_ns, self.ratio = source.end_ns, 0.0
            else:
                self.sim_ns += ahead_ns

    async def _tell(self) -> None:
        """All of the instant; what cannot be had is left out, and does not end the rest."""
        try:
            for data in await self._source.work(self._messages, self.sim_ns, self.ratio):
                self.viewer.put(data)
        except OrbitmeshError as error:
            log.warning("an instant cannot be shown: %s", error)
        except Exception:
            log.exception("an instant cannot be shown")

    def _messages(self, sim_ns: int, ratio: float) -> list[bytes]:
        source, found, viewer = self._source, list[bytes](), self.viewer
        if self.writer is not None:
            step_ns = source.step_ns
            epoch = source.record.epoch(sim_ns // step_ns * step_ns)
            velocity = source.record.velocity_km_per_s(epoch)
            rows = [row for pair in viewer.pairs for row in ways.rows_of(epoch, *pair)]
            if self.writer.take(epoch, rows, velocity):
                found.append(self.writer.links_message)
            found.append(self.writer.message(Course(sim_ns, 0, ratio), sim_ns))
            found.append(source.traffic(epoch, self.writer, sim_ns))
            found.append(source.interventions_at(sim_ns))
            if viewer.shown is not None:
                found.append(source.layer(viewer.shown, epoch))
            for pair in viewer.pairs:
                found.append(ways.way(epoch, *pair, source.measured(pair, sim_ns)))
        found.append(source.status(sim_ns, ratio))
        return found


class RecordedSource:
    """``record`` is asked in one thread, one question after the other."""

    can_control = False

    def __init__(self, record: Record) -> None:
        self.record, self.ended, self.reason = record, asyncio.Event(), ""
        self.begin_ns, self.end_ns = record.span_sim_ns
        self.step_ns = record.step_ns
        self._thread = ThreadPoolExecutor(1, "record")
        self._players: dict[Viewer, _Player] = {}
        self._static: list[bytes] | None = None
        self._series: list[asyncio.Task[list[bytes]]] = []
        if record.shown is not None:
            self._ahead = Ahead(record.shown)

    @classmethod
    async def open(cls, path: Path) -> RecordedSource:
        """InputError where there is no run in the folder."""
        return cls(await asyncio.to_thread(Record, path))

    async def close(self) -> None:
        for player in self._players.values():
            player.task.cancel()
        for task in self._series:
            task.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)

    @property
    def has_geometry(self) -> bool:
        return self.record.shown is not None

    @property
    def shown(self) -> Any:
        if self.record.shown is None:
            raise InputError("this record does not say where satellites and links were")
        return self.record.shown

    async def work(self, do: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, partial(do, *arguments))

    # ---- viewers

    async def enter(self, viewer: Viewer, after_event: int) -> None:
        if self._static is None:
            self._static = await self.work(self._beginning)
        viewer.put_all([told(hello=self._hello()), *self._static])
        viewer.put_all(data for number, data in self._events if number > after_event)
        self._players[viewer] = _Player(self, viewer)
        if not self._series:
            # in threads of their own: of a large record they take a while, and instants do not wait for them
            lines = (self._course, self._binned)
            self._series = [asyncio.create_task(asyncio.to_thread(line)) for line in lines]
        for task in self._series:
            task.add_done_callback(partial(self._give_series, viewer))

    def leave(self, viewer: Viewer) -> None:
        player = self._players.pop(viewer, None)
        if player is not None:
            player.task.cancel()

    def whole(self, viewer: Viewer) -> Sequence[bytes]:
        player = self._players.get(viewer)
        if player is None:
            return []
        if player.writer is not None:
            player.writer.forget()
        player.seek(player.sim_ns)
        return []

    def _give_series(self, viewer: Viewer, made: asyncio.Task[list[bytes]]) -> None:
        if made.cancelled():
            return
        if (error := made.exception()) is not None:
            log.error("charts lack what was measured", exc_info=error)
        elif viewer in self._players:
            viewer.put_all(made.result())

    # ---- what is told once (in the record's thread)

    def _beginning(self) -> list[bytes]:
        self._events = [*self._read_events()]
        return [] if self.record.nodes is None else [*messages.nodes(self.record.nodes)]

    def _read_events(self) -> list[tuple[int, bytes]]:
        nodes = self.record.nodes
        return [
            (i, messages.event(i, event, nodes, 0) if nodes is not None else _event(i, event))
            for i, event in enumerate(events_of(self.record, _MOST_EVENTS), 1)
        ]

    def _hello(self) -> Any:
        record, header, summary = self.record, self.record.header, self.record.summary
        common: dict[str, Any] = {
            "run_id": record.results.run_id,
            "begin_sim_ns": self.begin_ns,
            "end_sim_ns": self.end_ns,
            "step_ns": self.step_ns,
            "plane": str(header.get("plane", "")),
            "backend": str(header.get("backend", "")),
            "notes": self._notes(summary),
        }
        if record.shown is not None:
            return record.shown.hello(
                is_live=False, can_control=False, layers=layers.kinds(record.shown), **common
            )
        told_of = header.get("scenario")
        told_of = told_of if isinstance(told_of, dict) else {}
        return pb.Hello(
            scenario=plain(str(told_of.get("name", ""))), title=plain(str(told_of.get("title", ""))), **common
        )

    def _notes(self, summary: dict[str, Any]) -> list[str]:
        doubts = [str(each) for each in summary.get("doubts") or () if isinstance(each, str)]
        ended = summary.get("ended")
        how = []
        if ended in _ENDED:
            reason = summary.get("reason")
            how = [f"this run {_ENDED[ended]}" + (f": {reason}" if reason else "")]
        held = (
            ["which satellites gateways held on to is computed anew: near a handover it may differ"]
            if self.has_geometry
            else []
        )
        if self.has_geometry:
            held.append(
                "how much links were used is known of measured ways alone: by probes, tasks and customers' "
                "requests of the 2 s before"
                + ("" if self.record.counts_links else "; so is throughput, and no loss was recorded")
            )
        return [
            sentence(each)
            for each in (*self.record.notes, *self.record.missing_by_now(), *how, *doubts, *held)
        ]

    def _course(self) -> list[bytes]:
        record = self.record
        lines = (
            (pb.SERIES_KIND_LATENESS, record.lateness()),
            (pb.SERIES_KIND_THROUGHPUT, record.carried()),
            (pb.SERIES_KIND_LOSS, record.lost()),
        )
        return [
            messages.series(kind, 0, line.sim_s, line.value, line.beside)
            for kind, line in lines
            if line is not None
        ]

    def _binned(self) -> list[bytes]:
        nodes, names = self.record.nodes, self.record.gateways
        return [
            messages.series(
                pb.SERIES_KIND_LATENCY,
                each.gateway if nodes is None else nodes.index.get(names[each.gateway], 0),
                each.sim_s,
                each.measured_ms,
                each.physical_ms,
            )
            for each in self.record.series()
        ]

    # ---- of an instant (in the record's thread)

    def status(self, sim_ns: int, ratio: float) -> bytes:
        value = self.record.status(sim_ns, self.begin_ns) | {"paused": ratio == 0, "speed_ratio": ratio}
        return messages.status(value, self.record.nodes)

    def traffic(self, epoch: Epoch, writer: EpochWriter, sim_ns: int) -> bytes:
        """Use of links by measured ways; what all carried and lost, where that was recorded."""
        size = self.record.carried_at(epoch, self.shown.nodes, sim_ns)
        use = use_of_links.use_ratio(size, epoch, self.shown.scenario.run.rate_scale, use_of_links.WINDOW_NS)
        some = use if writer.rows is None else use[writer.rows]
        carried, lost = self.record.totals_at(sim_ns)
        if carried is None and not self.record.counts_links:
            carried = (8 * float(np.nansum(size)) / (use_of_links.WINDOW_NS / NS_PER_S), math.nan)
        bps, packets_per_s = carried or (math.nan, math.nan)
        return told(
            traffic=pb.Traffic(
                sim_ns=sim_ns, links_number=writer.links_number,
                use_ab_ratio_f32le=messages.f32(some[:, 0]), use_ba_ratio_f32le=messages.f32(some[:, 1]),
                carried_bps=bps, packets_per_s=packets_per_s, lost_per_s=lost,
            )
        )  # fmt: skip

    def interventions_at(self, sim_ns: int) -> bytes:
        in_force = self.shown.interventions.in_force(sim_ns)[:500]
        return messages.interventions([each.to_dict() | {"at_sim_ns": each.at_sim_ns} for each in in_force])

    def layer(self, shown: tuple[int, int], epoch: Epoch) -> bytes:
        kind, gateway = shown
        if kind in (layers.SUNLIGHT, layers.LATENCY):
            return layers.layer(kind, gateway, epoch, self.shown)
        return layers.recorded(kind, epoch.sim_ns, self._platforms(epoch.sim_ns), self.shown)

    def _platforms(self, sim_ns: int) -> dict[int, dict[str, Any]]:
        """Rows of the newest epoch up to an instant, by satellite: of those that have rows of their own."""
        rows = self.record.platforms.between(sim_ns - 30 * max(self.step_ns, 10**9), sim_ns)
        names, found = self.shown.nodes.index, dict[int, dict[str, Any]]()
        if len(rows):
            newest = np.max(rows["sim_ns"].to_numpy())
            for row in rows.to_pylist():
                if row["sim_ns"] == newest and row["satellite"] in names:
                    found[names[row["satellite"]]] = row
        return found

    def measured(self, pair: tuple[int, int], sim_ns: int) -> Measured | None:
        names = self.shown.nodes.names
        rows = self.record.samples.between(sim_ns - 10**10, sim_ns)
        return measured(rows, names[pair[0]], names[pair[1]])

    # ---- asks

    async def ask(self, viewer: Viewer, what: str, request: Any) -> dict[str, Any]:
        player = self._players.get(viewer)
        handle = getattr(self, f"_{what}") if player is not None and what in _ASKS else None
        if handle is None:
            raise InputError("this is a record: what has been cannot be changed")
        found: dict[str, Any] | None = await handle(player, request)
        return found or {}

    async def _seek(self, player: _Player, request: Any) -> None:
        player.seek(request.sim_ns)

    async def _play(self, player: _Player, request: Any) -> None:
        if not 0 <= request.speed_ratio <= MOST_RATIO:
            raise InputError(f"a speed of {request.speed_ratio:g}: write from 0 to {MOST_RATIO:g}")
        player.play(request.speed_ratio)

    async def _show(self, player: _Player, request: Any) -> None:
        if request.kind and request.kind not in layers.kinds(self.shown):
            raise InputError("the record has no such layer")
        gateway = request.gateway_node if request.kind == layers.LATENCY else 0
        if request.kind == layers.LATENCY:
            layers.check_gateway(gateway, self.shown)
        player.viewer.shown = (request.kind, gateway) if request.kind else None
        player.seek(player.sim_ns)

    async def _watch(self, player: _Player, request: Any) -> None:
        pairs = tuple(dict.fromkeys(zip(request.source_node, request.destination_node, strict=False)))
        if len(request.source_node) != len(request.destination_node) or len(pairs) > MOST_PAIRS:
            raise InputError(f"name up to {MOST_PAIRS} pairs, each by its source and its destination")
        for pair in pairs:
            details.check_nodes(self.shown, *pair)
        await self.work(self.record.route_to, [node for pair in pairs for node in pair])
        player.viewer.pairs = pairs
        player.seek(player.sim_ns)

    async def _node(self, player: _Player, request: Any) -> dict[str, Any]:
        def find() -> Any:
            epoch = self.record.epoch(player.sim_ns // self.step_ns * self.step_ns)
            status = self.record.status(player.sim_ns, self.begin_ns)
            return details.node_detail(self.shown, epoch, request.node, status)

        details.check_nodes(self.shown, request.node)
        return {"node": await self.work(find)}

    async def _link(self, player: _Player, request: Any) -> dict[str, Any]:
        def find() -> Any:
            epoch = self.record.epoch(player.sim_ns // self.step_ns * self.step_ns)
            return details.link_detail(self.shown, epoch, request.a_node, request.b_node)

        return {"link": await self.work(find)}

    async def _contacts(self, player: _Player, request: Any) -> dict[str, Any]:
        details.check_nodes(self.shown, request.a_node)
        b = request.b_node if request.HasField("b_node") else None
        found = await asyncio.to_thread(self._ahead.contacts, request.a_node, b, player.sim_ns)
        return {"contacts": pb.Contacts(contacts=found)}


def _event(number: int, of: dict[str, Any]) -> bytes:
    """Of a record that does not say who there was."""
    from ..event_lines import event_line

    return told(
        event=pb.Event(number=number, sim_ns=of["sim_ns"], kind=str(of["event"]), n=1, text=event_line(of))
    )
