"""Servers for a browser to open, each in a thread; and a run that is made up, of what a test wants said."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from orbitmesh.emulator.errors import InputError
from orbitmesh.emulator.geometry import Geometry
from orbitmesh.emulator.web import messages
from orbitmesh.emulator.web.files import Page
from orbitmesh.emulator.web.listening import WebListening
from orbitmesh.emulator.web.server import Server
from orbitmesh.emulator.web.source import Source
from orbitmesh.emulator.web.viewer import Viewer
from orbitmesh.web.v1 import web_pb2 as pb

sys.path.insert(0, str(Path(__file__).parents[2] / "e2e"))
from e2e_lab import toy

TOKEN = "a-token-of-these-tests"
NS = 10**9
HOSTILE = "<img src=x onerror=document.title='taken'>"


class MadeUp:
    """A recorded run of a minute, or one that goes on; each name of it may be hostile."""

    def __init__(
        self, *, is_live: bool = True, can_control: bool = True, evil: str = "", doubts: Sequence[str] = ()
    ) -> None:
        self.ended, self.reason = asyncio.Event(), ""
        self.is_live, self.can_control, self.evil, self.doubts = is_live, can_control, evil, doubts
        self.geometry = Geometry(toy())
        self.nodes = self.geometry.nodes
        self.asked: list[tuple[str, Any]] = []
        self.sim_ns = 20 * NS

    async def enter(self, viewer: Viewer, after_event: int) -> None:
        viewer.put_all([self._hello(), *messages.nodes(self.nodes), *self.whole(viewer)])
        viewer.put_all([*self._series(), *self._events()])

    def leave(self, viewer: Viewer) -> None: ...

    async def close(self) -> None: ...

    def whole(self, viewer: Viewer) -> Sequence[bytes]:
        epoch = self.geometry.epoch_at(self.sim_ns)
        ways = [self._way(pair) for pair in viewer.pairs]
        return [
            messages.links(1, epoch.links, None),
            messages.epoch(epoch, start_unix_ns=0, speed_ratio=0.0, links_number=1, rows=None),
            self._status(),
            *ways,
        ]  # fmt: skip

    async def ask(self, viewer: Viewer, what: str, request: Any) -> dict[str, Any]:
        self.asked.append((what, request))
        if what == "seek":
            self.sim_ns = request.sim_ns
            viewer.put_all(self.whole(viewer))
        elif what == "watch":
            viewer.pairs = tuple(zip(request.source_node, request.destination_node, strict=True))
            viewer.put_all(map(self._way, viewer.pairs))
        elif what == "node":
            figures = [pb.Figure(name=f"{self.evil}battery", value=f"{self.evil}81 %")]
            return {"node": pb.NodeDetail(node=request.node, figures=figures)}
        elif what == "intervene":
            raise InputError(f"{request.what[0]}: {self.evil}cannot be failed")
        return {}

    def _hello(self) -> bytes:
        n, evil = self.nodes.n_satellites, self.evil
        names = self.nodes.names[n:]
        gateways = [pb.Gateway(node=n + i, name=f"{evil}{name}") for i, name in enumerate(names)]
        chat = pb.CustomerClass(name=f"{evil}chat", model=f"{evil}llama", targets=[f"{evil}in 500 ms"])
        return messages.told(
            hello=pb.Hello(
                run_id=f"{evil}run-1", scenario="toy", title=f"{evil}Toy", notes=[f"{evil}noted"],
                is_live=self.is_live, can_control=self.can_control, end_sim_ns=60 * NS, step_ns=NS,
                satellites=n, shells=[pb.Shell(name=f"{evil}low", satellites=n)], gateways=gateways,
                customer_classes=[chat],
            )
        )  # fmt: skip

    def _status(self) -> bytes:
        chat = pb.ClassFigures(
            name=f"{self.evil}chat",
            asked=10,
            answered=9,
            in_time=7,
            verdict="missed",
            cause=f"{self.evil}queues",
        )
        return messages.told(
            status=pb.Status(sim_ns=self.sim_ns, ticks=20, speed_ratio=1, classes=[chat], doubts=self.doubts)
        )

    def _way(self, pair: tuple[int, int]) -> bytes:
        way = pb.Way(
            source_node=pair[0], destination_node=pair[1], sim_ns=self.sim_ns, node=[pair[0], 0, pair[1]],
            hop_delay_ns=[4e6, 5e6], propagation_ns=18e6, straight_line_ns=14e6,
        )  # fmt: skip
        return messages.told(way=way)

    def _series(self) -> Iterator[bytes]:
        at = np.arange(60, dtype="<f8")
        value = np.where((at > 20) & (at < 30), np.nan, 20 + at / 10).astype("<f4")
        for kind in (pb.SERIES_KIND_LATENCY, pb.SERIES_KIND_LATENESS, pb.SERIES_KIND_THROUGHPUT):
            yield messages.told(
                series=pb.Series(
                    kind=kind, gateway_node=self.nodes.n_satellites, sim_s_f64le=at.tobytes(),
                    value_f32le=value.tobytes(), beside_f32le=(value - 1).tobytes(),
                )
            )  # fmt: skip

    def _events(self) -> Iterator[bytes]:
        for i, kind in enumerate(("handover", "late tick", "eclipse")):
            at_ns, text = 10 * (i + 1) * NS, f"{self.evil}{kind} at {i}"
            yield messages.told(
                event=pb.Event(number=i + 1, sim_ns=at_ns, kind=kind, n=1, node=[i], text=text)
            )


@contextmanager
def served(make: Callable[[], Source | Awaitable[Source]], port: int = 0) -> Iterator[tuple[str, Any]]:
    """The address with the token, and the source; in a thread of its own, until the end."""
    listening = WebListening.here(port, TOKEN)
    address = f"http://127.0.0.1:{listening.socket.getsockname()[1]}/#token={TOKEN}"
    made: list[Any] = []
    ready, loop_of = threading.Event(), []

    async def serve() -> None:
        until = asyncio.Event()
        loop_of.append((asyncio.get_running_loop(), until))
        source = make()
        made.append(await source if isinstance(source, Awaitable) else source)
        ready.set()
        try:
            await Server(made[0], Page(), TOKEN).serve(listening.socket, until)
        finally:
            await made[0].close()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    while not ready.wait(0.1):
        assert thread.is_alive(), "the server did not begin"
    try:
        yield address, made[0]
    finally:
        loop, until = loop_of[0]
        loop.call_soon_threadsafe(until.set)
        thread.join(30)
