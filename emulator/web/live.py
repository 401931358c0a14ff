"""A run that goes on, for all who look: its feed is read while anybody does, each message made once."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from orbitmesh.web.v1 import web_pb2 as pb

from ..control.api.doors import Doors
from ..control.client import Client
from ..course import Course
from ..epoch import Epoch, Int64
from ..errors import FailureError, OrbitmeshError, RunEnded
from ..feed.audience.reader import FeedReader, LoopClosed
from ..feed.feed import Entry, Missed
from ..safe_files import Folder
from . import messages
from .epochs import EpochWriter
from .glance import KINDS, Glance, tell_past
from .live_asks import LiveAsks
from .live_reader import Reader
from .mesh import Shown
from .messages import told
from .past import Past
from .tail import SampleTail
from .traffic import Traffic
from .viewer import Viewer

log = logging.getLogger(__name__)

_GLANCE_S = 5.0  # between two looks at the feed while nobody is there
_HISTORY = 512  # entries: as many as a feed keeps
_MOST_EVENTS = 1000
_COUNT_S = 1.0
_OVER = "the run has ended"
_FAR = (
    "this mesh is on another machine, and so is its record: what a pair measured is not shown, nor latency "
    "of before this page was served"
)


@dataclass
class Standing:
    """What a page is given when it comes, or has missed something: the newest of each kind."""

    links: bytes = b""
    epoch: bytes = b""
    status: bytes = b""
    interventions: bytes = b""
    traffic: bytes = b""
    ways: dict[tuple[int, int], bytes] = field(default_factory=dict)
    layers: dict[tuple[int, int], bytes] = field(default_factory=dict)

    def forget_others(self, viewers: Iterable[Viewer]) -> None:
        """Than what somebody still looks at."""
        viewers = [*viewers]
        pairs, shown = {p for v in viewers for p in v.pairs}, {v.shown for v in viewers}
        self.ways = {pair: data for pair, data in self.ways.items() if pair in pairs}
        self.layers = {each: data for each, data in self.layers.items() if each in shown}


class LiveSource:
    """Its own thread reads and makes messages; all else is for the event loop's thread."""

    def __init__(
        self,
        run_id: str,
        *,
        can_control: bool,
        folder: Folder | None = None,
        elsewhere: Callable[[], Client] | None = None,
    ) -> None:
        """``folder``: the run's, opened while this process might; None: it is reached by its path.

        ``elsewhere``: leads to a mesh on another machine, whose folder is there.
        """
        self.connect = partial(Client.connect, run_id) if elsewhere is None else elsewhere
        self._is_elsewhere = elsewhere is not None
        self.run_id, self.can_control, self._folder = run_id, can_control, folder
        self.ended, self.reason = asyncio.Event(), ""
        self.doors = Doors(self.connect)
        self.standing = Standing()
        self.epoch: Epoch | None = None
        self.status: dict[str, Any] = {}
        self.course = Course(0, time.monotonic_ns(), 0.0)
        self.viewers: set[Viewer] = set()  # who have been given what stands
        self._loop = asyncio.get_running_loop()
        self._reader = FeedReader(self._loop)  # for those too who wait for what stands
        self._events: deque[tuple[int, bytes]] = deque(maxlen=_MOST_EVENTS)
        self._stands = asyncio.Event()
        self._wake_read, self._wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._client: Client | None = None

    async def open(self) -> None:
        """OrbitmeshError where the run cannot be reached."""
        scenario, interventions, _ = await self.doors.ask(lambda client: client.scenario())
        self.status = await self.doors.ask(lambda client: client.status())
        self.shown = await asyncio.to_thread(Shown.of, scenario, interventions)
        self.nodes = self.shown.nodes
        self._static = [*messages.nodes(self.nodes)]
        self.writer = EpochWriter(self.shown)
        self.asks = LiveAsks(self)
        self._traffic = Traffic(self.shown.scenario.run.rate_scale)
        self._counting = asyncio.create_task(self._count())
        folder = self._record_folder()
        self.tail = SampleTail(folder)
        n = self.nodes.n_satellites
        self.past = Past(self.nodes.names[n:], n)
        self._recorded = asyncio.create_task(self._read_record(folder))
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)
        self._thread.start()

    def _record_folder(self) -> Path | None:
        if self._is_elsewhere:
            return None
        return Path(self.status["out"]) if self._folder is None else self._folder.anchored

    async def close(self) -> None:
        self._reader.is_closing = True
        self._counting.cancel()
        self._recorded.cancel()
        self._wake()
        if self._client is not None:  # whatever is waited for there
            self._client.hang_up()
        await asyncio.to_thread(self._thread.join)
        await asyncio.to_thread(self.doors.close)
        os.close(self._wake_read)
        os.close(self._wake_write)

    # ---- viewers

    async def enter(self, viewer: Viewer, after_event: int) -> None:
        self._reader.enter()
        self._wake()
        try:
            await asyncio.wait_for(self._stands.wait(), 30.0)
        except TimeoutError:
            raise FailureError(
                "the mesh is still being built, or stands still: come again in a moment"
            ) from None
        viewer.put_all([told(hello=self._hello()), *self._static, *self.whole(viewer)])
        viewer.put_all(data for number, data in self._events if number > after_event)
        self.viewers.add(viewer)
        await self._recorded
        viewer.put_all(self.past.messages(self._began_sim_ns))

    def leave(self, viewer: Viewer) -> None:
        self.viewers.discard(viewer)
        self.asks.anew(self.viewers)
        self.standing.forget_others(self.viewers)
        self._reader.leave()

    def whole(self, viewer: Viewer) -> Sequence[bytes]:
        s = self.standing
        now = self.writer.message(self.course, self.now_sim_ns()) if self.writer.epoch is not None else b""
        shown = [] if viewer.shown is None else [s.layers.get(viewer.shown, b"")]
        ways = [s.ways.get(pair, b"") for pair in viewer.pairs]
        return [each for each in (s.links, now, s.status, s.interventions, s.traffic, *shown, *ways) if each]

    async def ask(self, viewer: Viewer, what: str, request: Any) -> dict[str, Any]:
        return await self.asks.answer(viewer, what, request)

    async def _read_record(self, folder: Path | None) -> None:
        """What was measured before anybody read the feed here."""
        if folder is None:
            return
        gateways = self.nodes.names[self.nodes.n_satellites :]
        found = await asyncio.to_thread(SampleTail(folder).history, gateways)
        self.past.samples(found, self._began_sim_ns)

    @property
    def _began_sim_ns(self) -> int:
        return int(self.status["sim_ns"]) - int(self.status["elapsed_ns"])

    def _hello(self) -> Any:
        status, began_ns = self.status, self._began_sim_ns
        return self.shown.hello(
            is_live=True,
            can_control=self.can_control,
            run_id=self.run_id,
            begin_sim_ns=began_ns,
            end_sim_ns=began_ns + status["duration_ns"],
            step_ns=self.shown.scenario.run.step_ns,
            plane=status["plane"],
            backend=status["backend"],
            layers=self.asks.layers,
            notes=self._notes(),
        )

    def _notes(self) -> list[str]:
        epoch, rows = self.writer.epoch, self.writer.rows
        notes = [_FAR] if self._is_elsewhere else []
        if epoch is None or rows is None:
            return notes
        return [
            *notes,
            f"{len(epoch.links) - len(rows):,} of {len(epoch.links):,} links are not sent: those on which "
            "nothing is measured and nothing is changed",
        ]

    def now_sim_ns(self) -> int:
        epoch_ns = 0 if self.writer.epoch is None else self.writer.epoch.sim_ns
        return max(epoch_ns, self.course.sim_at(time.monotonic_ns()))

    # ---- the reader

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake_write, b"\0")

    def _run(self) -> None:
        reason = _OVER
        try:
            with self.connect() as client:
                self._client = client
                seen, glance, wait_s = 0, Glance(self), 0.0
                while not self._reader.is_closing:
                    ends = client.ends_by()
                    ready, _, _ = select.select([*ends, self._wake_read], [], [], wait_s)
                    wait_s = _GLANCE_S
                    if not {*ends}.isdisjoint(ready):  # it says only its end without being asked
                        break
                    if self._wake_read in ready:
                        os.read(self._wake_read, 4096)
                    seen = self._look(client, glance, seen)
                    if seen < 0:
                        break
                    client.waits_while_stopped = True
        except RunEnded:
            pass
        except OrbitmeshError as error:
            reason = str(error)
        except LoopClosed:
            return
        except Exception as error:
            log.exception("the feed cannot be read")
            reason = f"the feed cannot be read: {error!r}"
        if not self._reader.is_closing:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._end, reason)

    def _look(self, client: Client, glance: Glance, seen: int) -> int:
        """The number of the next entry, or -1: there is no more."""
        if self._reader.is_closing:
            return -1
        if not self._reader.n_there:
            return glance.look(client, seen)
        glance.forget()
        return self._read(client, seen)

    def _read(self, client: Client, seen: int) -> int:
        """While somebody looks; the number of the next entry, or -1: the run is over."""
        watching = client.watching(epochs=True)
        present, position = self._reader.present(watching), watching.position or 0
        with contextlib.closing(Reader(self)) as reader:
            self._look_back(client, max(seen, position - _HISTORY), position)
            for entry in present:
                reader.take(entry)
            reader.intervened()
            self.call(self._stands.set)
            self._reader.follow(watching, partial(self._take, reader))
        if watching.is_at_end:
            return -1
        self.call(self._stand_down)
        watching.close()
        return watching.position or 0

    def _take(self, reader: Reader, news: Entry | Missed) -> None:
        if isinstance(news, Missed):
            self.call(self._tell, told(missed=pb.Missed(entries=len(news))))
        else:
            reader.take(news)

    def _look_back(self, client: Client, first: int, end: int) -> None:
        """Events and figures of before; what moved then is passed over."""
        watching = client.watching(first, kinds=KINDS)
        while (watching.position or 0) <= end and (news := watching.read(0)) is not None:
            if isinstance(news, Entry) and news.number < end:
                tell_past(self, news)

    def _stand_down(self) -> None:
        self._stands.clear()
        self._traffic.forget()

    def call(self, do: Callable[..., None], *arguments: Any) -> None:
        self._reader.hand_over(do, *arguments)

    # ---- what has been read (in the loop's thread)

    def _tell(self, *messages_: bytes) -> None:
        for viewer in self.viewers:
            viewer.put(*messages_)

    def end(self) -> None:
        """The run is over, as somebody else knows."""
        self._end(_OVER)

    def _end(self, reason: str) -> None:
        if self.ended.is_set():
            return
        self.reason = reason
        for viewer in self.viewers:
            viewer.end(told(ended=pb.Ended(reason=reason)))
        self.ended.set()

    async def _count(self) -> None:
        """What links carry, while somebody looks: the run counts it for nobody else."""
        while not self.ended.is_set():
            await asyncio.sleep(_COUNT_S)
            epoch, rows = self.epoch, self.writer.rows
            if not self.viewers or epoch is None:
                continue
            try:
                told_of = None if rows is None else rows.tolist()
                answer = await self.doors.ask(_carried(told_of))
            except OrbitmeshError:
                continue  # rows of an epoch that has gone; or the run, which the reader says
            found = self._traffic.take(answer)
            if found is not None:
                self.past.traffic(found.sim_ns, found)
                self.standing.traffic = message = told(traffic=found)
                self._tell(message)

    def take_epoch(
        self, epoch: Epoch, rows: Int64 | None, course: Course, links: bytes, message: bytes
    ) -> None:
        self.epoch, self.course = epoch, course
        self._traffic.epoch(epoch, rows, self.writer.links_number)
        self.standing.epoch = message
        if links:
            self.standing.links = links
        self._tell(*([links] if links else []), message)

    def take_course(self, course: Course, message: bytes) -> None:
        self.course = course
        if message:
            self._tell(message)

    def take_status(self, value: dict[str, Any], message: bytes) -> None:
        self.status, self.standing.status = value, message
        self.past.status(value)
        self._tell(message)

    def take_event(self, number: int, message: bytes) -> None:
        if self._events and number <= self._events[-1][0]:
            return  # read again
        self._events.append((number, message))
        self._tell(message)

    def take_layer(self, shown: tuple[int, int], message: bytes) -> None:
        self.standing.layers[shown] = message
        for viewer in self.viewers:
            if viewer.shown == shown:
                viewer.put(message)

    def take_way(self, pair: tuple[int, int], message: bytes) -> None:
        self.standing.ways[pair] = message
        for viewer in self.viewers:
            if pair in viewer.pairs:
                viewer.put(message)

    def take_interventions(self, message: bytes, epoch: bytes) -> None:
        if message != self.standing.interventions:
            self.standing.interventions = message
            self._tell(message)
        if epoch and epoch != self.standing.epoch:
            self.standing.epoch = epoch
            self._tell(epoch)


def _carried(rows: list[int] | None) -> Callable[[Client], dict[str, Any]]:
    return lambda client: client.carried(rows)
