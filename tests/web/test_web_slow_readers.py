"""Viewers that read slowly, or not at all: told what they missed, and never without what they begin with."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest
from web_lab import TOKEN, Still, opened, page_in, pb, run, served

from orbitmesh.emulator.feed.audience import queue
from orbitmesh.emulator.web.messages import told
from orbitmesh.emulator.web.viewer import Viewer


def test_who_reads_slowly_is_told_what_it_missed_and_given_the_whole_state(tmp_path: Path) -> None:
    async def work() -> None:
        source = Still()
        async with served(source, page_in(tmp_path / "page")) as port, opened(port, max_queue=1) as slow:
            await slow.enter()
            await slow.until(lambda: "answer" in slow.news, "an answer")
            large = told(layer=pb.Layer(value_f32le=bytes(4 << 20)))
            for _ in range(40):  # 160 MB: more than sockets and the queue hold
                source.viewers[0].put(large)
                await asyncio.sleep(0)
            waiting_bytes = source.viewers[0]._waiting_bytes
            assert waiting_bytes <= queue.MOST_BYTES + len(large)
            await slow.until(lambda: "missed" in slow.news, "what it missed")
            before = slow.came.count("epoch")
            await slow.until(lambda: slow.came.count("epoch") > before, "the state")
            await slow.until(lambda: slow.came.count("layer") + slow.missed == 40, "the rest")
            assert slow.missed > 4

    run(work)


def entered_by_hand(port: int) -> socket.socket:
    """A viewer that does nothing by itself: it reads only where a test does."""
    raw = socket.create_connection(("127.0.0.1", port), timeout=20)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.sendall(
        f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    said = b""
    while b"\r\n\r\n" not in said:
        said += raw.recv(1)
    assert b" 101 " in said
    enter = pb.ToServer(number=1, enter=pb.Enter(token=TOKEN)).SerializeToString()
    raw.sendall(bytes([0x82, 0x80 | len(enter), 0, 0, 0, 0]) + enter)  # masked by zeros
    return raw


def test_who_stops_reading_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "STALL_S", 0.5)

    async def work() -> None:
        source = Still()
        async with served(source, page_in(tmp_path / "page")) as port:
            with await asyncio.to_thread(entered_by_hand, port):
                while not source.viewers:
                    await asyncio.sleep(0.01)
                while source.viewers:  # more than sockets hold, however much that is
                    source.viewers[0].put(told(layer=pb.Layer(value_f32le=bytes(4 << 20))))
                    await asyncio.sleep(0.02)

    run(work)


def test_what_a_page_is_given_as_it_enters_is_never_dropped() -> None:
    """Of a million satellites they are more than may wait, and the page never heard who they are."""

    async def work() -> None:
        viewer, came = Viewer(), list[bytes]()

        async def send(data: bytes) -> None:
            came.append(data)
            await asyncio.sleep(0)

        given = [b"hello", b"nodes" * (2 << 20), b"epoch" * (2 << 20)]
        viewer.put_all(given)
        viewer.put(b"answer")
        writing = asyncio.create_task(viewer.write(send, lambda: []))
        viewer.put(b"status")
        viewer.end(b"end")
        await writing
        assert [data[:6] for data in came] == [data[:6] for data in (*given, b"answer", b"status", b"end")]

    run(work)
