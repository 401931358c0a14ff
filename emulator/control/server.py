"""The run's side of its door: only the user who started it, and root, are let in.

A request is one line of JSON, an answer one line of JSON; ``enter`` also hands over two namespace
descriptors, and ``capture`` takes the file to write to.  A client that stays connected learns of the
run's end by end-of-file, and what it asked for ends with it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import struct
import threading
from collections.abc import Callable, Sequence
from typing import Any

from ..errors import InputError, OrbitmeshError, ProcessDied, RunEnded, UnknownName
from ..priority import go_before_nodes
from ..shown import shown
from . import messages
from .messages import NotAMessageError, close_all, decode, encode, peer_uid
from .places import Entry

# A client that reads no answer keeps a thread, and not for ever.
_SEND_S = 10
# Why a caller may not be let in just now: it went away, or there is no room.  The next one may.
_PASSING = {
    errno.ECONNABORTED, errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EPERM,
}  # fmt: skip
_PASSING_S = 0.1

Answer = tuple[dict[str, Any], Sequence[int]]


class Request(dict[str, Any]):
    """``fds`` came with it and are closed after the answer, ``to_close`` when it has been sent.

    ``at_end`` is called when the client has gone.
    """

    fds: Sequence[int] = ()
    to_close: list[int]
    at_end: list[Callable[[], None]]

    def text(self, key: str) -> str:
        """InputError where it is missing, or no text."""
        if key not in self:
            raise InputError(f"the request lacks {key!r}: give it a text")
        if not isinstance(value := self[key], str):
            raise InputError(f"the request's {key!r} is {shown(value)}: give it a text")
        return value

    def text_or_none(self, key: str) -> str | None:
        return None if self.get(key) is None else self.text(key)

    def texts(self, key: str) -> list[str]:
        value = self.get(key)
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise InputError(f"the request's {key!r} is {shown(value)}: give it a list of names")
        return value

    def file(self) -> int:
        """The descriptor that came with it."""
        if len(self.fds) != 1:
            raise InputError(f"the request came with {len(self.fds)} descriptors: send that of the one file")
        return self.fds[0]


Handler = Callable[[Request], Answer]


class ControlServer:
    """Answers requests in threads of its own; ``handlers`` maps a verb to what answers it.

    ``on_failure`` is told when no more callers can be let in, though nobody has closed it.
    """

    def __init__(
        self, run_id: str, handlers: dict[str, Handler], on_failure: Callable[[BaseException], None]
    ) -> None:
        self._handlers, self._on_failure = handlers, on_failure
        self._closing = threading.Event()
        self._clients: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.entry = Entry(run_id)
        self._socket = self.entry.socket
        self._accepter = threading.Thread(target=self._accept, name="control", daemon=True)
        self._accepter.start()

    def close(self) -> None:
        self._closing.set()
        self.entry.withdraw()
        with self._lock:
            clients, self._clients = self._clients, set()
        self.entry.api_socket.close()
        for client in (self._socket, *clients):
            with contextlib.suppress(OSError):  # a client may have gone first
                client.shutdown(socket.SHUT_RDWR)
            client.close()
        self._accepter.join()

    def _accept(self) -> None:
        try:
            go_before_nodes()
            while not self._closing.is_set():
                try:
                    self._let_in()
                except OSError as error:
                    if error.errno not in _PASSING:
                        raise
                    self._closing.wait(_PASSING_S)
        except BaseException as error:
            if not self._closing.is_set():  # a run that nobody can ask or end must not go on
                self._on_failure(ProcessDied(f"the control socket takes no more callers: {error}"))

    def _let_in(self) -> None:
        client, _ = self._socket.accept()
        if peer_uid(client) not in (0, os.geteuid()):
            client.close()
            return
        with self._lock:
            self._clients.add(client)
        thread = threading.Thread(target=self._serve, args=(client,), name="control client", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # no room for one more: this caller has to call again
            with self._lock:
                self._clients.discard(client)
            client.close()
            raise OSError(errno.EAGAIN, str(error)) from error

    def _serve(self, client: socket.socket) -> None:
        at_end: list[Callable[[], None]] = []
        lines = messages.Lines(client, messages.MOST_REQUEST_BYTES)
        try:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", _SEND_S, 0))
            while (came := lines.next()) is not None:
                line, fds = came
                to_close: list[int] = []
                try:
                    try:
                        if _has_gone(client):
                            return  # it was told that nothing came of it: this process was stopped
                        answer, given = self._answer(line, fds, at_end, to_close)
                    finally:
                        close_all(fds)
                    messages.send(client, encode(answer), given)
                finally:
                    close_all(to_close)
        except (OSError, NotAMessageError):
            pass  # the client went away, or sends what is no request and has no end
        finally:
            lines.close()
            for end in at_end:
                with contextlib.suppress(OrbitmeshError):  # the mesh may have ended first
                    end()
            with self._lock:
                self._clients.discard(client)
            client.close()

    def _answer(
        self, line: bytes, fds: Sequence[int], at_end: list[Callable[[], None]], to_close: list[int]
    ) -> Answer:
        try:
            request = Request(decode(line))
            request.fds, request.at_end, request.to_close = fds, at_end, to_close
            if (verb := request.text("verb")) not in self._handlers:
                raise InputError(f"{shown(verb)} is no verb: there are {', '.join(sorted(self._handlers))}")
            return self._handlers[verb](request)
        except NotAMessageError as error:
            return {"error": f"this is no line of JSON with an object in it ({error})", "exit_status": 2}, ()
        except OrbitmeshError as error:
            kind = {"kind": type(error).__name__} if isinstance(error, UnknownName | RunEnded) else {}
            return {"error": str(error), "exit_status": error.exit_status} | kind, ()
        except Exception as error:  # a defect of ours must not leave the client waiting
            return {"error": f"{type(error).__name__}: {error}", "exit_status": 1}, ()


def _has_gone(client: socket.socket) -> bool:
    """Not one that only sends no more: it waits for the answer."""
    poll = select.poll()
    poll.register(client, 0)
    return any(events & select.POLLHUP for _, events in poll.poll(0))
