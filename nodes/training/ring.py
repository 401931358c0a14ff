"""The ring as one member has it: a connection from the member before, one to the next.  Blocks its thread.

Both directions at once: where all members first sent and then received, chunks larger than the sockets'
buffers would leave each waiting for the next.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time

import numpy as np

from orbitmesh.wire.training import HEADER, TRAINING_PORT, TrainingSpec

from .gradient import Float32
from .schedule import rounds

_RETRY_S = 0.05
_HELLO = 0xFFFF_FFFF  # in the place of a round: which step comes next


class RingBroken(Exception):
    """A neighbour is gone, or says nothing; the message is the reason in a word or two."""


class Ring:
    """``connect``, ``agree`` on the step that comes next, then ``all_reduce`` again and again.

    Any RingBroken leaves it unusable until it is connected again.
    """

    def __init__(self, spec: TrainingSpec, address: str, port: int = TRAINING_PORT) -> None:
        """OSError where the port cannot be had."""
        self._spec, self._port = spec, port
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._listener.bind((address, port))
        except OSError as error:
            raise OSError(error.errno, f"training port {port} on {address}: {error.strerror}") from error
        self._listener.listen(4)
        self._listener.setblocking(False)
        self._before: socket.socket | None = None
        self._next: socket.socket | None = None
        self._out = bytearray(HEADER.size + spec.chunk_bytes)
        self._in = bytearray(HEADER.size + spec.chunk_bytes)
        self.closed = threading.Event()
        self.waited_ns = 0  # of the last all-reduce, until the first message came
        self.bytes_sent = 0

    def connect(self) -> None:
        """Returns when both connections stand, however long that takes; a later connection goes first."""
        self._let_go()
        while self._next is None or self._before is None:
            if self.closed.is_set():
                raise RingBroken("closed")
            if self._next is None:
                self._next = self._try_next()
            with contextlib.suppress(BlockingIOError, InterruptedError):
                self._before = self._accepted(self._before)
            if self._next is None or self._before is None:
                time.sleep(_RETRY_S)

    def agree(self, step: int) -> int:
        """The largest of what all members propose.  N - 1 small messages."""
        for _ in range(self._spec.members - 1):
            HEADER.pack_into(self._out, 0, step, _HELLO)
            self._exchange(memoryview(self._out)[: HEADER.size], memoryview(self._in)[: HEADER.size])
            other, what = HEADER.unpack_from(self._in)
            if what != _HELLO:
                raise RingBroken("out of step")
            step = max(step, other)
        return step

    def all_reduce(self, step: int, vector: Float32) -> None:
        """In place: afterwards each member has the sum of all."""
        members, began_ns = self._spec.members, time.monotonic_ns()
        chunks = vector.reshape(members, -1)
        out, into = memoryview(self._out), memoryview(self._in)
        sent = np.frombuffer(self._out, np.float32, offset=HEADER.size)
        got = np.frombuffer(self._in, np.float32, offset=HEADER.size)
        self.bytes_sent = 0
        for number, each in enumerate(rounds(self._spec.place, members)):
            HEADER.pack_into(self._out, 0, step, number)
            sent[:] = chunks[each.sends]
            self._exchange(out, into)
            if number == 0:
                self.waited_ns = time.monotonic_ns() - began_ns
            if HEADER.unpack_from(self._in) != (step, number):
                raise RingBroken("out of step")
            if each.adds:
                chunks[each.receives] += got
            else:
                chunks[each.receives] = got
            self.bytes_sent += len(out)

    def close(self) -> None:
        """From another thread: who waits for a neighbour is told so, by RingBroken."""
        self.closed.set()
        for each in (self._before, self._next):
            if each is not None:
                with contextlib.suppress(OSError):  # it may have gone already
                    each.shutdown(socket.SHUT_RDWR)

    def release(self) -> None:
        """Once nobody uses it any more."""
        self._let_go()
        self._listener.close()

    def _exchange(self, out: memoryview, into: memoryview) -> None:
        """Send all of one and fill all of the other."""
        if self._next is None or self._before is None:
            raise RingBroken("not connected")
        until = time.monotonic() + self._spec.timeout_ns / 1e9
        sent = got = 0
        try:
            while sent < len(out) or got < len(into):
                n_out = _send(self._next, out[sent:]) if sent < len(out) else 0
                n_in = _receive(self._before, into[got:]) if got < len(into) else 0
                sent, got = sent + n_out, got + n_in
                if not n_out and not n_in:
                    _wait(self._before, self._next if sent < len(out) else None, until)
        except OSError as error:
            raise RingBroken(error.strerror or type(error).__name__) from error

    def _try_next(self) -> socket.socket | None:
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        made.settimeout(1.0)
        try:
            made.connect((self._spec.next_address, self._port))
        except OSError:
            made.close()
            return None
        return _tuned(made)

    def _accepted(self, before: socket.socket | None) -> socket.socket:
        """The newest of those that wait; BlockingIOError where none does."""
        while True:
            try:
                newer, _ = self._listener.accept()
            except BlockingIOError:
                if before is None:
                    raise
                return before
            if before is not None:
                before.close()
            before = _tuned(newer)

    def _let_go(self) -> None:
        for each in (self._before, self._next):
            if each is not None:
                each.close()
        self._before = self._next = None


def _tuned(made: socket.socket) -> socket.socket:
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    made.setblocking(False)
    return made


def _send(to: socket.socket, data: memoryview) -> int:
    try:
        return to.send(data)
    except (BlockingIOError, InterruptedError):
        return 0


def _receive(of: socket.socket, into: memoryview) -> int:
    try:
        n = of.recv_into(into)
    except (BlockingIOError, InterruptedError):
        return 0
    if n == 0:
        raise RingBroken("a neighbour closed")
    return n


def _wait(before: socket.socket, to: socket.socket | None, until: float) -> None:
    poll = select.poll()
    poll.register(before, select.POLLIN)
    if to is not None:
        poll.register(to, select.POLLOUT)
    if not poll.poll(max(0.0, until - time.monotonic()) * 1e3):
        raise RingBroken("timeout")
