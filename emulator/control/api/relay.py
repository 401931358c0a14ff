"""From the sockets that the run holds to the server's own, connection by connection.

gRPC takes no socket that somebody else listens on.  So it listens on one of its own, which only this
process's user reaches, and what comes is spliced there and back by the kernel: a megabyte at a time, two
threads a connection, which wait outside of Python's lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import threading
import time

from ..messages import peer_uid

MOST_CONNECTIONS = 128
_AT_ONCE_BYTES = 1 << 20
_NO_ROOM_S = 0.2


class Relay:
    """``idle_s()``: for how long there has been no connection."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._n_connections = 0
        self._idle_since_s = time.monotonic()

    def serve(self, listening: socket.socket, inner_path: str) -> None:
        threading.Thread(
            target=self._accept, args=(listening, inner_path), name="accept", daemon=True
        ).start()

    def idle_s(self) -> float:
        with self._lock:
            return 0.0 if self._n_connections else time.monotonic() - self._idle_since_s

    def _accept(self, listening: socket.socket, inner_path: str) -> None:
        is_local = listening.family == socket.AF_UNIX
        while True:
            try:
                caller, _ = listening.accept()
            except OSError:
                time.sleep(_NO_ROOM_S)  # it went away, or there are too many descriptors: the next one may
                continue
            if is_local and peer_uid(caller) not in (0, os.geteuid()):
                caller.close()
                continue
            with self._lock:
                has_room = self._n_connections < MOST_CONNECTIONS
                self._n_connections += has_room
            if not has_room:
                caller.close()
                continue
            if not is_local:
                caller.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._join, args=(caller, inner_path), daemon=True).start()

    def _join(self, caller: socket.socket, inner_path: str) -> None:
        try:
            with caller, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as inner:
                inner.connect(inner_path)
                back = threading.Thread(target=_pump, args=(inner, caller), daemon=True)
                back.start()
                _pump(caller, inner)
                back.join()
        except OSError:
            pass  # one of the two has gone, and so does the other
        finally:
            with self._lock:
                self._n_connections -= 1
                self._idle_since_s = time.monotonic()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    """What comes, until the end of it; then both are at their end, as gRPC has no half of a connection."""
    out, into = os.pipe2(os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):  # a user may have no right to large pipes
            fcntl.fcntl(into, fcntl.F_SETPIPE_SZ, _AT_ONCE_BYTES)
        while n_bytes := os.splice(source.fileno(), into, _AT_ONCE_BYTES):
            while n_bytes:
                n_bytes -= os.splice(out, sink.fileno(), n_bytes)
    except OSError:
        pass
    finally:
        os.close(out)
        os.close(into)
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
