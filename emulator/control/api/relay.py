"""From the sockets that the run holds to the server's own, connection by connection.

gRPC takes no socket that somebody else listens on.  So it listens on one of its own, which only this
process's user reaches, and what comes is spliced there and back by the kernel: a megabyte at a time, two
threads a connection, which wait outside of Python's lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import socket
import threading
import time
from collections import Counter
from typing import Any

from ..messages import peer_uid

MOST_CONNECTIONS = 128  # by each socket: who calls from elsewhere takes no room from those who call here
#: of one address elsewhere (of a network of 64 bits, where addresses are IPv6): one alone cannot take all
MOST_OF_ADDRESS = 32
_AT_ONCE_BYTES = 1 << 20
_NO_ROOM_S = 0.2
_IPV4_MAPPED = bytes(10) + b"\xff\xff"


class Relay:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._n_connections: dict[str, int] = {}  # by the path inside
        self._n_of_address: Counter[bytes] = Counter()
        self._idle_since_s = time.monotonic()
        self._is_closed = False

    def serve(self, listening: socket.socket, inner_path: str) -> None:
        self._n_connections[inner_path] = 0
        listening.setblocking(False)  # for the run too, which only waits for it
        threading.Thread(
            target=self._accept, args=(listening, inner_path), name="accept", daemon=True
        ).start()

    def close_if_idle(self, for_s: float) -> bool:
        """Where there has been no connection for so long.  Who calls later waits at the run's socket."""
        with self._lock:
            is_idle = not any(self._n_connections.values())
            self._is_closed = is_idle and time.monotonic() - self._idle_since_s > for_s
            return self._is_closed

    def _accept(self, listening: socket.socket, inner_path: str) -> None:
        waiting = select.poll()
        waiting.register(listening, select.POLLIN)
        while True:
            caller: socket.socket | None = None
            has_room, address = False, None
            waiting.poll()
            with self._lock:
                if self._is_closed:
                    return
                try:
                    caller, peer = listening.accept()
                except BlockingIOError:
                    continue
                except OSError:
                    pass  # it went away, or there are too many descriptors: the next one may
                else:
                    address = _address(caller.family, peer)
                    has_room = self._take(inner_path, address)
            if caller is None:
                time.sleep(_NO_ROOM_S)
            elif not has_room:
                caller.close()
            else:
                self._begin(caller, inner_path, address)

    def _take(self, inner_path: str, address: bytes | None) -> bool:
        """A place, if there is one; in the lock."""
        if self._n_connections[inner_path] >= MOST_CONNECTIONS:
            return False
        if address is not None:
            if self._n_of_address[address] >= MOST_OF_ADDRESS:
                return False
            self._n_of_address[address] += 1
        self._n_connections[inner_path] += 1
        return True

    def _begin(self, caller: socket.socket, inner_path: str, address: bytes | None) -> None:
        try:
            threading.Thread(target=self._join, args=(caller, inner_path, address), daemon=True).start()
        except RuntimeError:  # no room for one more thread: this caller has to call again
            caller.close()
            self._left(inner_path, address)

    def _left(self, inner_path: str, address: bytes | None) -> None:
        with self._lock:
            self._n_connections[inner_path] -= 1
            if address is not None:
                self._n_of_address[address] -= 1
                if not self._n_of_address[address]:
                    del self._n_of_address[address]
            self._idle_since_s = time.monotonic()

    def _join(self, caller: socket.socket, inner_path: str, address: bytes | None) -> None:
        try:
            with caller, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as inner:
                if caller.family == socket.AF_UNIX:
                    if peer_uid(caller) not in (0, os.geteuid()):
                        return
                else:
                    caller.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                inner.connect(inner_path)
                back = threading.Thread(target=_pump, args=(inner, caller), daemon=True)
                back.start()
                _pump(caller, inner)
                back.join()
        except (OSError, RuntimeError):
            pass  # one of the two has gone, and so does the other; or there is no room for a thread
        finally:
            self._left(inner_path, address)


def _address(family: int, peer: Any) -> bytes | None:
    """From where somebody calls; None: from this machine, by its socket."""
    if family == socket.AF_INET:
        return socket.inet_pton(family, peer[0])
    if family == socket.AF_INET6:
        address = socket.inet_pton(family, peer[0].partition("%")[0])
        # one that has IPv4 keeps it; whoever has one of IPv6 has 64 bits of them
        return address[12:] if address.startswith(_IPV4_MAPPED) else address[:8]
    return None


def _pump(source: socket.socket, sink: socket.socket) -> None:
    """What comes, until the end of it; then both are at their end, as gRPC has no half of a connection."""
    pipe: tuple[int, ...] = ()
    try:
        out, into = pipe = os.pipe2(os.O_CLOEXEC)
        with contextlib.suppress(OSError):  # a user may have no right to large pipes
            fcntl.fcntl(into, fcntl.F_SETPIPE_SZ, _AT_ONCE_BYTES)
        while n_bytes := os.splice(source.fileno(), into, _AT_ONCE_BYTES):
            while n_bytes:
                n_bytes -= os.splice(out, sink.fileno(), n_bytes)
    except OSError:
        pass
    finally:
        for fd in pipe:
            os.close(fd)
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
