"""The server's side of the starter: what it is asked to start, and the socket to each."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Sequence
from typing import Any

from ...errors import FailureError, InputError, OrbitmeshError, RunEnded
from ..client import error_of
from .starter import END, MOST_BYTES

_GONE_S = 0.5  # from the end of what it started to the starter's own


class Starting:
    """``gone``: the starter has; ``in_order``: since the run ends."""

    def __init__(self, starter_fd: int) -> None:
        self._socket = socket.socket(fileno=starter_fd)
        self._socket.setblocking(False)
        self.gone, self.in_order = asyncio.Event(), False
        asyncio.get_running_loop().add_reader(self._socket, self._read)

    def _read(self) -> None:
        """It says one word, at its end."""
        with contextlib.suppress(OSError):
            self.in_order = self._socket.recv(64) == END
        asyncio.get_running_loop().remove_reader(self._socket)
        self.gone.set()

    def start(self, request: dict[str, Any], fds: Sequence[int] = ()) -> socket.socket:
        """The other end of the socket that goes with it."""
        data = json.dumps(request).encode()
        if len(data) > MOST_BYTES:
            raise InputError(
                f"arguments and environment are {len(data):,} bytes: at most {MOST_BYTES:,} can be"
            )
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                socket.send_fds(self._socket, [data], [*fds, theirs.fileno()])
        except BlockingIOError:
            ours.close()
            raise FailureError("too much is being started at once: ask again in a moment") from None
        except OSError:
            ours.close()
            raise FailureError("the run is ending") from None
        ours.setblocking(False)
        return ours

    async def lost(self, what: str) -> OrbitmeshError:
        """Why its socket closed before it had said all: with the run, or it alone."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.gone.wait(), _GONE_S)
        if self.gone.is_set():
            return RunEnded("the run is ending")
        return FailureError(f"{what} was lost before it had answered: ask again")


async def lines(connection: socket.socket) -> AsyncIterator[dict[str, Any]]:
    """What it says, until it closes; an error that it tells is raised."""
    loop, data = asyncio.get_running_loop(), b""
    while more := await loop.sock_recv(connection, 1 << 16):
        *whole, data = (data + more).split(b"\n")
        for line in whole:
            value: dict[str, Any] = json.loads(line)
            if "error" in value:
                raise error_of(value)
            yield value
