"""A page that is a program: it enters, keeps what it is told, and asks; and servers for it to call."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from orbitmesh.emulator import Emulation
from orbitmesh.emulator.errors import InputError
from orbitmesh.emulator.web.files import Page
from orbitmesh.emulator.web.listening import WebListening, WebOptions
from orbitmesh.emulator.web.messages import told
from orbitmesh.emulator.web.server import Server
from orbitmesh.emulator.web.source import Source
from orbitmesh.emulator.web.viewer import Viewer as Served
from orbitmesh.web.v1 import web_pb2 as pb

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))
from e2e_lab import toy

PATIENCE_S = 30.0
TOKEN = "a-token-of-these-tests"


class Viewer:
    """What a page would know: the newest of each kind by name, and all events."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket, self.number = socket, 0
        self.news: dict[str, Any] = {}
        self.came: list[str] = []
        self.events: list[Any] = []
        self.series: list[Any] = []
        self.answers: dict[int, Any] = {}
        self.sizes: dict[str, int] = {}
        self.port = 0
        self.missed = 0

    async def enter(self, token: str = TOKEN, after_event: int = 0) -> None:
        await self.send(enter=pb.Enter(token=token, after_event=after_event))

    async def send(self, **ask: Any) -> int:
        self.number += 1
        await self.socket.send(pb.ToServer(number=self.number, **ask).SerializeToString())
        return self.number

    async def read(self) -> str:
        data = await asyncio.wait_for(self.socket.recv(), PATIENCE_S)
        message = pb.ToPage.FromString(data)
        kind = message.WhichOneof("news")
        value = getattr(message, kind)
        self.came.append(kind)
        self.sizes[kind] = len(data)
        if kind == "answer":
            self.answers[value.number] = value
        elif kind == "missed":
            self.missed += value.entries
        elif kind == "event":
            self.events.append(value)
        elif kind == "series":
            self.series.append(value)
        self.news[kind] = value
        return str(kind)

    async def until(self, condition: Callable[[], Any], what: str) -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline_s, (
                f"waited {PATIENCE_S} s in vain: {what}; came {self.came[-20:]}"
            )
            await self.read()

    async def ask(self, **ask: Any) -> Any:
        number = await self.send(**ask)
        await self.until(lambda: number in self.answers, f"an answer to {ask}")
        return self.answers[number]


@contextmanager
def fake_mesh(out: Path, **more: Any) -> Iterator[Emulation]:
    with Emulation(toy(run={"duration": "10 min"}), links="fake", out=out, **more) as mesh:
        yield mesh


def page_in(folder: Path) -> Page:
    """Small, and with all that a file may have beside it."""
    folder.mkdir(exist_ok=True)
    (folder / "index.html").write_text("<!doctype html><title>orbitmesh</title>")
    (folder / "main-ABCDEF12.js").write_text("console.log(1);" * 50)
    (folder / "main-ABCDEF12.js.gz").write_bytes(b"gzipped")
    (folder / "main-ABCDEF12.js.br").write_bytes(b"brotli")
    return Page(folder)


@asynccontextmanager
async def served(source: Source, page: Page) -> AsyncIterator[int]:
    """The port."""
    listening = WebListening.here(0, TOKEN)
    until = asyncio.Event()
    task = asyncio.create_task(Server(source, page, TOKEN).serve(listening.socket, until))
    try:
        yield listening.socket.getsockname()[1]
    finally:
        until.set()
        await asyncio.wait_for(task, PATIENCE_S)
        await source.close()


@asynccontextmanager
async def opened(port: int, **more: Any) -> AsyncIterator[Viewer]:
    async with connect(
        f"ws://127.0.0.1:{port}/live", max_size=None, proxy=None, close_timeout=0.3, **more
    ) as socket:
        yield Viewer(socket)


def run(work: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(work(), 100))  # type: ignore[arg-type]


__all__ = ["TOKEN", "Viewer", "WebOptions", "contextlib", "fake_mesh", "opened", "page_in", "run", "served"]


class Still:
    """A mesh in which nothing happens but what a test says."""

    def __init__(self) -> None:
        self.ended, self.reason = asyncio.Event(), ""
        self.viewers: list[Served] = []
        self.asked: list[str] = []
        self.n_whole = 0

    async def enter(self, viewer: Served, after_event: int) -> None:
        viewer.put_all([told(hello=pb.Hello(scenario="still")), *self.whole(viewer)])
        self.viewers.append(viewer)

    def leave(self, viewer: Served) -> None:
        with contextlib.suppress(ValueError):
            self.viewers.remove(viewer)

    def whole(self, viewer: Served) -> Sequence[bytes]:
        self.n_whole += 1
        return [told(epoch=pb.Epoch(epoch_number=self.n_whole))]

    async def ask(self, viewer: Served, what: str, request: Any) -> dict[str, Any]:
        self.asked.append(what)
        if what == "pause":
            raise InputError("it <b>cannot</b> be paused")
        if what == "resume":
            raise ZeroDivisionError
        return {}

    async def close(self) -> None:
        pass
