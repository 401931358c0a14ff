"""The door to a running mesh: an abstract unix socket, and the client that knocks.

An abstract socket vanishes with its process, however that ends.  Only the user
who started the run, and root, are let in.  A request is one line of JSON, an
answer one line of JSON; ``enter`` also hands over two namespace descriptors,
and ``capture`` takes the file to write to.  A client that stays connected
learns of the run's end by end-of-file, and what it asked for ends with it.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ..errors import FailureError, InputError, OrbitmeshError
from ..priority import go_before_nodes

_PREFIX = "orbitmesh/"
_LINE_BYTES = 1 << 20
_TIMEOUT_S = 10.0
_MOST_FDS = 4
_ACCEPTS_CONNECTIONS = 1 << 16  # __SO_ACCEPTCON in /proc/net/unix

Answer = tuple[dict[str, Any], Sequence[int]]


class Request(dict[str, Any]):
    """``fds`` came with it and are closed after the answer; ``at_end`` is called when the client has gone."""

    fds: Sequence[int] = ()
    at_end: list[Callable[[], None]]


Handler = Callable[[Request], Answer]


class ControlServer:
    """Answers requests in threads of its own; ``handlers`` maps a verb to what answers it."""

    def __init__(self, run_id: str, handlers: dict[str, Handler]) -> None:
        self._handlers = handlers
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._clients: set[socket.socket] = set()
        self._lock = threading.Lock()
        try:
            self._socket.bind(f"\0{_PREFIX}{run_id}")
        except OSError as error:
            self._socket.close()
            raise FailureError(f"a run with the id {run_id!r} is under way; end it, or try again") from error
        self._socket.listen(64)
        self._accepter = threading.Thread(target=self._accept, name="control", daemon=True)
        self._accepter.start()

    def close(self) -> None:
        with self._lock:
            clients, self._clients = self._clients, set()
        for client in (self._socket, *clients):
            with contextlib.suppress(OSError):  # a client may have gone first
                client.shutdown(socket.SHUT_RDWR)
            client.close()
        self._accepter.join()

    def _accept(self) -> None:
        go_before_nodes()
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return  # closed
            if _peer_uid(client) not in (0, os.geteuid()):
                client.close()
                continue
            with self._lock:
                self._clients.add(client)
            threading.Thread(target=self._serve, args=(client,), name="control client", daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        at_end: list[Callable[[], None]] = []
        try:
            for line, fds in _lines(client):
                try:
                    answer, given = self._answer(line, fds, at_end)
                finally:
                    for fd in fds:
                        os.close(fd)
                socket.send_fds(client, [json.dumps(answer).encode() + b"\n"], list(given))
        except OSError:
            pass  # the client went away
        finally:
            for end in at_end:
                with contextlib.suppress(OrbitmeshError):  # the mesh may have ended first
                    end()
            with self._lock:
                self._clients.discard(client)
            client.close()

    def _answer(self, line: bytes, fds: Sequence[int], at_end: list[Callable[[], None]]) -> Answer:
        try:
            request = Request(json.loads(line))
            handler = self._handlers[request["verb"]]
        except (ValueError, KeyError, TypeError):
            return {"error": "not a request", "exit_status": 2}, ()
        request.fds, request.at_end = fds, at_end
        try:
            return handler(request)
        except OrbitmeshError as error:
            return {"error": str(error), "exit_status": error.exit_status}, ()
        except Exception as error:  # a defect of ours must not leave the client waiting
            return {"error": f"{type(error).__name__}: {error}", "exit_status": 1}, ()


def _lines(connection: socket.socket) -> Iterator[tuple[bytes, list[int]]]:
    """Lines as they come, with the descriptors beside them; the end where one is too long."""
    data: bytes = b""
    fds: list[int] = []
    while True:
        line, newline, rest = data.partition(b"\n")
        if newline:
            data, given, fds = rest, fds, []
            yield line, given
            continue
        if len(data) > _LINE_BYTES:
            break
        more, came, _, _ = socket.recv_fds(connection, 1 << 16, _MOST_FDS)
        fds += came
        if not more:
            break
        data += more
    for fd in fds:
        os.close(fd)


def _peer_uid(connection: socket.socket) -> int:
    """Of the process on the other side, as it was when it called or listened."""
    _, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return int(uid)


def find_runs() -> list[str]:
    """Ids of the runs under way on this machine."""
    found = set()
    for line in Path("/proc/net/unix").read_text().splitlines()[1:]:
        _, _, _, flags, *_, name = line.split()
        if name.startswith(f"@{_PREFIX}") and int(flags, 16) & _ACCEPTS_CONNECTIONS:
            found.add(name.removeprefix(f"@{_PREFIX}"))
    return sorted(found)


class Client:
    """A connection to a run; use as a context manager."""

    def __init__(self, run_id: str, connection: socket.socket) -> None:
        self.run_id = run_id
        self.socket = connection

    @classmethod
    def connect(cls, run_id: str | None = None) -> Client:
        if run_id is None:
            runs = find_runs()
            if not runs:
                raise FailureError("no mesh is running here; start one with: orbitmesh run demo --keep")
            if len(runs) > 1:
                raise InputError(
                    f"{len(runs)} meshes are running: {', '.join(runs)}; choose one with --run ID"
                )
            run_id = runs[0]
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(f"\0{_PREFIX}{run_id}")
        except OSError as error:
            connection.close()
            others = ", ".join(find_runs()) or "none"
            raise InputError(f"no run {run_id!r} is under way (running: {others})") from error
        owner_uid = _peer_uid(connection)
        if os.geteuid() not in (0, owner_uid):  # it would close the connection without a word
            connection.close()
            owner = "root" if owner_uid == 0 else f"user {owner_uid}"
            raise FailureError(f"the mesh {run_id} belongs to {owner}: call orbitmesh with sudo")
        connection.settimeout(_TIMEOUT_S)
        return cls(run_id, connection)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def status(self) -> dict[str, Any]:
        return self._ask({"verb": "status"})[0]

    def enter(self, node: str) -> tuple[int, int]:
        """Open descriptors of a node's network and mount namespaces; from now on the node is routed to."""
        _, fds = self._ask({"verb": "enter", "node": node})
        return fds[0], fds[1]

    def path(self, source: str, destination: str) -> dict[str, Any]:
        """``path`` (names; None where there is none), ``hops``, ``delay_ns`` one way, as routed now."""
        return self._ask({"verb": "path", "source": source, "destination": destination})[0]

    def capture(self, node: str, peer: str | None, fd: int) -> None:
        """Copy what arrives at a node, or passes from it to a peer, into a file; until this client closes."""
        self._ask({"verb": "capture", "node": node, "peer": peer}, [fd])

    def down(self) -> None:
        """End the run; returns when it has gone."""
        self._ask({"verb": "down"})
        self.socket.settimeout(60)
        with contextlib.suppress(ConnectionError):  # as gone as end-of-file
            while self.socket.recv(4096):
                pass

    def _ask(self, request: dict[str, Any], given: Sequence[int] = ()) -> tuple[dict[str, Any], list[int]]:
        answer, received = b"", []
        try:
            # a line is short: it goes as a whole
            socket.send_fds(self.socket, [json.dumps(request).encode() + b"\n"], list(given))
            while not answer.endswith(b"\n"):
                data, fds, _, _ = socket.recv_fds(self.socket, 1 << 16, 2)
                received.extend(fds)
                if not data:
                    raise FailureError(f"run {self.run_id} ended before it answered")
                answer += data
        except TimeoutError as error:
            raise FailureError(f"run {self.run_id} did not answer within {_TIMEOUT_S:.0f} s") from error
        except OSError as error:
            raise FailureError(f"run {self.run_id} cannot be reached: {error}") from error
        value: dict[str, Any] = json.loads(answer)
        if "error" in value:
            kind = InputError if value["exit_status"] == 2 else FailureError
            raise kind(value["error"])
        return value, received


def run_in_node(client: Client, node: str, argv: Sequence[str]) -> int:
    """Run a program in a node with this terminal; its exit status as a shell gives it (128 + signal).

    When the run ends first, what still runs in the node is killed.
    """
    from ..plane.kernel.processes import spawn_in

    netns_fd, mntns_fd = client.enter(node)
    # Ctrl-C is for the program; a handler, since SIG_IGN would be inherited by it
    ignored = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        process = spawn_in(netns_fd, mntns_fd, list(argv))
        pid_fd = os.pidfd_open(process.pid)
        with selectors.DefaultSelector() as selector:
            selector.register(pid_fd, selectors.EVENT_READ)
            selector.register(client.socket, selectors.EVENT_READ)
            ready = {key.fd for key, _ in selector.select()}
        if pid_fd not in ready:
            process.kill()
        status = process.wait()
        os.close(pid_fd)
    finally:
        signal.signal(signal.SIGINT, ignored)
        os.close(netns_fd)
        os.close(mntns_fd)
    return status if status >= 0 else 128 - status
