"""Samples on their way to the recorder: sent without blocking, kept for a while when it is busy."""

from __future__ import annotations

import asyncio
import errno
import json
import socket
from collections import Counter, deque

from orbitmesh.wire import missed
from orbitmesh.wire.answers import Answer
from orbitmesh.wire.spec import Sample
from orbitmesh.wire.training import TrainingStep

from .statistics import Statistics

_RETRY_S = 0.02
_MISSED_S = 0.5  # how soon what was missed is told; they come in swarms
_MOST_KEPT = 512
# the recorder is behind, or (ENOBUFS) the kernel is
_BUSY = (errno.EAGAIN, errno.ENOBUFS)


class Outbox:
    """One datagram per sample.  The socket is shared by all nodes, so its flags are left alone.

    What cannot be kept either is counted, and the count goes out as
    ``{"dropped": n, "src": name}`` as soon as there is room again.  So does
    what was due and not measured (``wire.missed``).
    """

    def __init__(self, node: str, samples_fd: int, statistics: Statistics) -> None:
        self._node = node
        self._socket = socket.socket(fileno=samples_fd)
        self._statistics = statistics
        self._kept: deque[bytes] = deque()
        self._dropped = 0
        self._retry: asyncio.TimerHandle | None = None
        self._ending = False
        self._missed: missed.Missed = Counter()
        self._telling: asyncio.TimerHandle | None = None

    def end(self) -> None:
        """Take no more.  What breaks off from now on is broken off by the run's end, not by the mesh."""
        self._tell_missed()
        self.flush()
        self._ending = True

    def miss(self, kind: str, dst: str, why: str, count: int = 1) -> None:
        """Something was due, and is not measured."""
        if self._ending:
            return
        self._missed[kind, dst, why] += count
        if self._telling is None:
            self._telling = asyncio.get_running_loop().call_later(_MISSED_S, self._tell_missed)

    def _tell_missed(self) -> None:
        if self._telling is not None:
            self._telling.cancel()
            self._telling = None
        if self._missed and self._send(missed.to_json(self._node, self._missed)):
            self._missed.clear()
        elif self._missed:
            self._telling = asyncio.get_running_loop().call_later(_MISSED_S, self._tell_missed)

    def put(self, sample: Sample) -> None:
        """Count a sample in the node's statistics and send it."""
        if self._ending:
            return
        self._statistics.add(sample)
        self._put(sample.to_json())

    def answer(self, answer: Answer) -> None:
        """What a customer got."""
        if not self._ending:
            self._put(answer.to_json())

    def training(self, step: TrainingStep) -> None:
        """What it did in a step of training."""
        if not self._ending:
            self._put(step.to_json())

    def _put(self, datagram: bytes) -> None:
        if len(self._kept) >= _MOST_KEPT:
            self._dropped += 1
        else:
            self._kept.append(datagram)
        if self._retry is None:
            self.flush()

    def flush(self) -> None:
        """Send what is kept, as far as there is room; try again later for the rest."""
        self._retry = None
        while self._kept:
            if not self._send(self._kept[0]):
                self._retry = asyncio.get_running_loop().call_later(_RETRY_S, self.flush)
                return
            self._kept.popleft()
        if self._dropped and self._send(json.dumps({"dropped": self._dropped, "src": self._node}).encode()):
            self._dropped = 0

    def close(self) -> None:
        """Try once more, then give up what is still kept."""
        if self._retry is not None:
            self._retry.cancel()
            self.flush()
        if self._retry is not None:
            self._retry.cancel()
        self._socket.close()

    def _send(self, datagram: bytes) -> bool:
        try:
            self._socket.send(datagram, socket.MSG_DONTWAIT)
        except OSError as error:
            if error.errno in _BUSY:
                return False
            # no recorder any more: the run is ending, and whoever ends it says why
            self._dropped += 1
        return True
