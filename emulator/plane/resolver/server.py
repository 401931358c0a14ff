"""The process that answers: it is handed sockets bound on the loopback of nodes, and needs no rights.

It ends when its lifeline does.  Standard library only: it starts in some 20 ms
and stays small.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import resource
import select
import signal
import socket
import struct
import sys
from collections.abc import Callable

from .messages import MOST_BYTES, answer
from .table import Table

SERVE, FORGET = b"s", b"f"
FDS_PER_MESSAGE = 252  # SCM_MAX_FD of the kernel is 253, and each node has two
NODES_PER_MESSAGE = FDS_PER_MESSAGE // 2

_MESSAGE_BYTES = 1 + 4 * NODES_PER_MESSAGE
_DATAGRAMS_AT_ONCE = 16  # then the others have their turn
_MOST_CONNECTIONS = 64
_NOBODY = 65534

Ready = Callable[[], None]


class Server:
    """``lifeline`` brings sockets; whoever closes its other end ends the server."""

    def __init__(self, lifeline: socket.socket, table: Table) -> None:
        self._lifeline, self._table = lifeline, table
        self._poll = select.epoll()
        self._ready: dict[int, Ready] = {}
        self._of_node: dict[int, tuple[socket.socket, socket.socket]] = {}
        self._connections: dict[int, tuple[socket.socket, bytearray]] = {}
        self._ended = False

    def run(self) -> None:
        self._watch(self._lifeline, self._take_orders)
        while not self._ended:
            for fd, _events in self._poll.poll():
                if (ready := self._ready.get(fd)) is not None:  # else closed in this very round
                    ready()

    def _watch(self, sock: socket.socket, ready: Ready) -> None:
        self._ready[sock.fileno()] = ready
        self._poll.register(sock.fileno(), select.EPOLLIN)

    def _unwatch(self, sock: socket.socket) -> None:
        del self._ready[sock.fileno()]
        self._poll.unregister(sock.fileno())
        sock.close()

    def _take_orders(self) -> None:
        message, fds, flags, _ = socket.recv_fds(self._lifeline, _MESSAGE_BYTES, FDS_PER_MESSAGE)
        if not message:
            self._ended = True
            return
        nodes = struct.unpack(f"={len(message) // 4}I", message[1:])
        if message[:1] == FORGET:
            self._forget(nodes)
            return
        sockets = [socket.socket(fileno=fd) for fd in fds]
        if flags & socket.MSG_CTRUNC or len(sockets) != 2 * len(nodes):
            sys.exit(f"of {2 * len(nodes)} sockets {len(sockets)} came: too many open files?")
        self._forget(nodes)
        for row, node in enumerate(nodes):
            datagrams, connections = sockets[2 * row : 2 * row + 2]
            for sock in (datagrams, connections):
                sock.setblocking(False)
            self._of_node[node] = datagrams, connections
            self._watch(datagrams, lambda sock=datagrams: self._datagrams(sock))  # type: ignore[misc]
            self._watch(connections, lambda sock=connections: self._accept(sock))  # type: ignore[misc]

    def _forget(self, nodes: tuple[int, ...]) -> None:
        for node in nodes:
            for sock in self._of_node.pop(node, ()):
                self._unwatch(sock)

    def _datagrams(self, sock: socket.socket) -> None:
        for _ in range(_DATAGRAMS_AT_ONCE):
            try:
                query, asker = sock.recvfrom(MOST_BYTES)
                reply = answer(query, self._table)
                if reply is not None:
                    sock.sendto(reply, asker)
            except OSError:  # nothing more; or the asker does not take it, or has gone
                return

    def _accept(self, sock: socket.socket) -> None:
        try:
            connection, _ = sock.accept()
        except OSError:
            return  # it has gone again
        connection.setblocking(False)
        if len(self._connections) == _MOST_CONNECTIONS:  # the one that has been quiet for longest makes room
            self._hang_up(next(iter(self._connections)))
        fd = connection.fileno()
        self._connections[fd] = connection, bytearray()
        self._watch(connection, lambda: self._connection(fd))

    def _hang_up(self, fd: int) -> None:
        self._unwatch(self._connections.pop(fd)[0])

    def _connection(self, fd: int) -> None:
        connection, came = self._connections.pop(fd)
        self._connections[fd] = connection, came  # the last that spoke stands last
        try:
            data = connection.recv(MOST_BYTES)
            came += data
            while len(came) >= 2 and len(came) >= 2 + int.from_bytes(came[:2], "big"):
                end = 2 + int.from_bytes(came[:2], "big")
                reply = answer(bytes(came[2:end]), self._table)
                del came[:end]
                if reply is None or connection.send(len(reply).to_bytes(2, "big") + reply) < 2 + len(reply):
                    data = b""
                    break
            is_over = not data or len(came) > 2 + MOST_BYTES
        except OSError:
            is_over = True
        if is_over:
            self._hang_up(fd)


def _allow_descriptors() -> None:
    with open("/proc/sys/fs/nr_open") as file:  # noqa: PTH123 - pathlib is slow to import
        most = min(int(file.read()), 1 << 20)
    with contextlib.suppress(ValueError, OSError):  # then as many as there may be
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _become_nobody() -> None:
    """A user namespace may not have such a user: root is without power there anyway."""
    with contextlib.suppress(OSError):
        os.setgroups([])
        os.setgid(_NOBODY)
        os.setuid(_NOBODY)


def main(lifeline_fd: int, table_fd: int) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it ends with the mesh
    table = Table(mmap.mmap(table_fd, 0, prot=mmap.PROT_READ))
    _allow_descriptors()
    if os.geteuid() == 0:
        _become_nobody()
    Server(socket.socket(fileno=lifeline_fd), table).run()
