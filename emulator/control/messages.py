"""What goes through the door: lines of JSON, some with descriptors beside them; all of it bounded."""

from __future__ import annotations

import json
import os
import socket
import struct
import time
from collections.abc import Sequence
from typing import Any

MOST_FDS = 4
MOST_REQUEST_BYTES = 1 << 20
MOST_ANSWER_BYTES = 16 << 20
_CHUNK_BYTES = 1 << 16


class NotAMessageError(ValueError):
    """What came is no line of JSON with an object in it."""


def peer_uid(connection: socket.socket) -> int:
    """Of the process on the other side, as it was when it called or listened; the kernel says it."""
    return _peer(connection)[1]


def peer_pid(connection: socket.socket) -> int:
    """The same of its number; 0 where it is not among the processes that are seen from here."""
    return _peer(connection)[0]


def _peer(connection: socket.socket) -> tuple[int, int]:
    pid, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return pid, uid


def encode(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode() + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """NotAMessageError for whatever is no object, however deep it is nested."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise NotAMessageError(type(error).__name__) from None
    if not isinstance(value, dict):
        raise NotAMessageError(f"a {type(value).__name__}")
    return value


def send(connection: socket.socket, line: bytes, fds: Sequence[int] = ()) -> None:
    """The whole line; a stream takes as much at once as it has room for."""
    sent = socket.send_fds(connection, [line], list(fds))
    if sent < len(line):
        connection.sendall(line[sent:])


class Lines:
    """Lines as they come, with the descriptors that came with them."""

    def __init__(self, connection: socket.socket, most_bytes: int) -> None:
        self._connection, self._most_bytes = connection, most_bytes
        self._data = bytearray()
        self._fds: list[int] = []

    def next(self, limit_s: float | None = None) -> tuple[bytes, list[int]] | None:
        """None at the end.  TimeoutError: not whole in time.  NotAMessageError: too long."""
        deadline_s = None if limit_s is None else time.monotonic() + limit_s
        searched = 0
        while (end := self._data.find(b"\n", searched)) < 0:
            if len(self._data) > self._most_bytes:
                raise NotAMessageError(f"more than {self._most_bytes} bytes")
            if deadline_s is not None:
                left_s = deadline_s - time.monotonic()
                if left_s <= 0:
                    raise TimeoutError
                self._connection.settimeout(left_s)
            searched = len(self._data)
            more, came, flags, _ = socket.recv_fds(self._connection, _CHUNK_BYTES, MOST_FDS)
            self._fds += came
            if flags & socket.MSG_CTRUNC or len(self._fds) > MOST_FDS:
                raise NotAMessageError(f"more than {MOST_FDS} descriptors")
            if not more:
                return None
            self._data += more
        line = bytes(self._data[:end])
        del self._data[: end + 1]
        fds, self._fds = self._fds, []
        return line, fds

    def close(self) -> None:
        """Descriptors that came with no whole line are closed."""
        close_all(self._fds)
        self._fds = []


def close_all(fds: Sequence[int]) -> None:
    for fd in fds:
        os.close(fd)
