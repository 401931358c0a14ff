"""Captures on behalf of callers: each in a memory file here, bounded, until it has been fetched.

The link engine writes into the file itself, and waits for nobody; so a caller who fetches slowly, or not at
all, costs memory of this process and nothing else.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from orbitmesh.control.v1 import control_pb2 as pb

from ...errors import InputError, TooManyAtOnce, UnknownName
from ..client import Client
from .doors import Doors

MOST_CAPTURES = 16
_USUAL_BYTES, _MOST_BYTES = 64 << 20, 1 << 30
_PIECE_BYTES = 1 << 20
_LOOK_EVERY_S = 0.05
_KEPT_S = 600.0  # of one that is over and was not fetched


@dataclass(eq=False)
class _Capture:
    fd: int
    most_bytes: int
    ends_s: float | None
    client: Client | None  # whose end is the capture's
    over_s: float | None = None

    @property
    def size_bytes(self) -> int:
        return min(os.fstat(self.fd).st_size, self.most_bytes)


class Captures:
    def __init__(self, doors: Doors) -> None:
        self._doors = doors
        self._kept: dict[int, _Capture] = {}
        self._next = 1
        self._looking: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._kept)

    async def start(self, request: Any) -> Any:
        if not request.node:
            raise InputError("node is empty: name a node")
        if not 0 <= request.most_bytes <= _MOST_BYTES:
            raise InputError(f"most_bytes is {request.most_bytes}: at most {_MOST_BYTES:,} bytes are kept")
        if request.HasField("lasts_ns") and request.lasts_ns <= 0:
            raise InputError(f"lasts_ns is {request.lasts_ns}: write more than 0")
        if len(self._kept) >= MOST_CAPTURES:
            raise TooManyAtOnce(f"there are {MOST_CAPTURES} captures already: fetch one of them to its end")
        fd = os.memfd_create("orbitmesh-capture", os.MFD_CLOEXEC)
        try:
            append = os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
            try:
                client = await asyncio.to_thread(self._begin, request.node, request.peer or None, append)
            finally:
                os.close(append)
        except BaseException:
            os.close(fd)
            raise
        ends_s = time.monotonic() + request.lasts_ns / 1e9 if request.HasField("lasts_ns") else None
        number, self._next = self._next, self._next + 1
        self._kept[number] = _Capture(fd, request.most_bytes or _USUAL_BYTES, ends_s, client)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        return pb.StartCaptureResponse(capture_number=number)

    def _begin(self, node: str, peer: str | None, fd: int) -> Client:
        client = self._doors.new()
        try:
            client.capture(node, peer, fd)
        except BaseException:
            client.__exit__()
            raise
        return client

    async def fetch(self, request: Any) -> AsyncIterator[Any]:
        capture = self._kept.get(request.capture_number)
        if capture is None:
            there = ", ".join(map(str, self._kept)) or "none"
            raise UnknownName(f"there is no capture {request.capture_number} (there are: {there})")
        if not request.follow:
            self._end(capture)
        # its own: another caller may have fetched it to its end meanwhile, or this one takes too long
        fd, at = os.dup(capture.fd), 0
        try:
            while True:
                size_bytes, is_over = min(os.fstat(fd).st_size, capture.most_bytes), capture.client is None
                while at < size_bytes:
                    data = os.pread(fd, min(_PIECE_BYTES, size_bytes - at), at)
                    at += len(data)
                    yield pb.FetchCaptureResponse(pcapng=data)
                if is_over:
                    break
                await asyncio.sleep(_LOOK_EVERY_S)
        finally:
            os.close(fd)
        if self._kept.pop(request.capture_number, None) is not None:
            os.close(capture.fd)

    async def _look(self) -> None:
        """End those whose time or bytes are over, and forget what nobody fetches."""
        while self._kept:
            now_s = time.monotonic()
            for number, each in list(self._kept.items()):
                is_late = each.ends_s is not None and now_s >= each.ends_s
                if each.client is not None and (is_late or each.size_bytes >= each.most_bytes):
                    self._end(each)
                if each.over_s is not None and now_s - each.over_s > _KEPT_S:
                    del self._kept[number]
                    os.close(each.fd)
            await asyncio.sleep(_LOOK_EVERY_S)

    def _end(self, capture: _Capture) -> None:
        if capture.client is not None:
            capture.client.__exit__()
            capture.client, capture.over_s = None, time.monotonic()
