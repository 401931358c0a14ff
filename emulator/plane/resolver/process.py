"""The resolver as a child process: its start, the sockets that it is handed, its end."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from ...errors import HostError, ProcessDied
from ...stopped import let_go_on
from .messages import PORT
from .server import FORGET, NODES_PER_MESSAGE, SERVE
from .table import table_text

log = logging.getLogger(__name__)

ADDRESS = "127.0.0.1"

#: the two sockets of a node
Pair = tuple[socket.socket, socket.socket]

# of this package alone, without what the package around it imports
_PROGRAM = (
    "import sys; sys.path.append(sys.argv[1]); "
    "from resolver.server import main; main(int(sys.argv[2]), int(sys.argv[3]))"
)


def make_pair() -> Pair:
    """Bound in the namespace of the calling thread, whose loopback is up."""
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    connections = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # after a connection of before: a restart must not have to wait
        connections.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        for sock in (datagrams, connections):
            sock.bind((ADDRESS, PORT))
        connections.listen(16)
    except OSError as error:
        datagrams.close()
        connections.close()
        raise HostError(f"cannot listen on {ADDRESS}:{PORT} of a node: {error.strerror}") from error
    return datagrams, connections


class Resolver:
    """Serves nodes from ``serve`` to ``forget``; the others' programs find nobody at the port."""

    def __init__(self, lines: str) -> None:
        """``lines``: ``address name`` each, as in a hosts file."""
        self._table_fd = os.memfd_create("orbitmesh-names", os.MFD_CLOEXEC)
        with os.fdopen(os.dup(self._table_fd), "wb") as file:
            file.write(table_text(lines))
        self._start()

    def _start(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        folder = Path(__file__).parent.parent
        with theirs:
            fds = [theirs.fileno(), self._table_fd]
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _PROGRAM, str(folder), *map(str, fds)],
                pass_fds=fds,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,
            )
        self._lifeline = ours

    @property
    def pid(self) -> int:
        return self._process.pid

    def serve(self, pairs: dict[int, Pair]) -> None:
        """Hand it the sockets of nodes, which are closed here.  ProcessDied where it has gone."""
        nodes = list(pairs)
        try:
            for first in range(0, len(nodes), NODES_PER_MESSAGE):
                chunk = nodes[first : first + NODES_PER_MESSAGE]
                fds = [sock.fileno() for node in chunk for sock in pairs[node]]
                self._send(SERVE, chunk, fds)
        finally:
            for sock in (sock for pair in pairs.values() for sock in pair):
                sock.close()

    def forget(self, nodes: Iterable[int]) -> None:
        """It lets go of nodes' sockets, which keep their namespaces."""
        with contextlib.suppress(ProcessDied):  # then it has none any more
            self._send(FORGET, list(nodes), [])

    def _send(self, what: bytes, nodes: Sequence[int], fds: Sequence[int]) -> None:
        try:
            socket.send_fds(self._lifeline, [what + struct.pack(f"={len(nodes)}I", *nodes)], list(fds))
        except OSError as error:
            raise ProcessDied(
                f"the process that answers for names (pid {self.pid}) {self._how() or error.strerror}"
            ) from error

    def ensure(self, make_pairs: Callable[[], dict[int, Pair]]) -> None:
        """Start it again, with new sockets for all nodes, if it has gone."""
        if self._process.poll() is None:
            return
        log.warning("the process that answers for names (pid %d) %s: started again", self.pid, self._how())
        self._lifeline.close()
        self._start()
        self.serve(make_pairs())

    def _how(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):  # it has just closed its socket
            status = self._process.wait(1.0)
            return f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended ({status})"
        return ""

    def close(self) -> None:
        self._lifeline.close()
        let_go_on(self.pid)
        os.close(self._table_fd)
        try:
            self._process.wait(5.0)
        except subprocess.TimeoutExpired:  # somebody has stopped it
            self._process.kill()
            self._process.wait()
