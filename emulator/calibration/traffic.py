"""Streams between two nodes, by the program ``orbitmesh-traffic`` (src/traffic.c)."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ..epoch import Int64
from ..errors import HostError, RunError

PROGRAM = Path(__file__).with_name("orbitmesh-traffic")
_PATIENCE_S = 60.0
_ROW_BYTES = 24


class Ends(Protocol):
    """What a stream needs of the nodes at its ends, by number."""

    def address(self, node: int) -> str: ...

    def spawn(self, node: int, argv: Sequence[str], **popen: Any) -> subprocess.Popen[bytes]: ...


@dataclass(frozen=True)
class Stream:
    """(n,) int64 each, in order of arrival; ``sent`` datagrams were, in ``sending_ns``."""

    sent: int
    sending_ns: int
    number: Int64
    sent_mono_ns: Int64
    received_mono_ns: Int64

    @property
    def took_ns(self) -> Int64:
        return self.received_mono_ns - self.sent_mono_ns


class Streaming:
    """A stream under way; ``result()`` waits for its end."""

    def __init__(
        self,
        ends: Ends,
        source: int,
        destination: int,
        count: int,
        per_second: float,
        *,
        payload_bytes: int = 64,
        burst: int = 1,
        idle_ms: int = 500,
        seed: int = 0,
    ) -> None:
        """``burst`` datagrams go at once; with a ``seed`` each one at random within its own interval.

        What has not come ``idle_ms`` after the sender's end, or the last that came since, is lost.
        """
        self._receiver = _spawn(
            ends, destination, "receive", stdin=subprocess.PIPE, count=count, idle_ms=idle_ms
        )
        try:
            port = _port(self._receiver)
            self._sender = _spawn(
                ends, source, "send",
                to=ends.address(destination), port=port, count=count, per_second=per_second,
                bytes=payload_bytes, burst=burst, seed=seed,
            )  # fmt: skip
        except BaseException:
            _end(self._receiver)
            raise
        self._count = count

    def result(self) -> Stream:
        try:
            said = _answer(self._sender)
            data = _answer(self._receiver)  # which closes its stdin
        except subprocess.TimeoutExpired as error:
            raise RunError(
                f"the traffic did not end within {_PATIENCE_S:.0f} s: is the machine overloaded?"
            ) from error
        finally:
            _end(self._sender)
            _end(self._receiver)
        rows = np.frombuffer(data[: len(data) // _ROW_BYTES * _ROW_BYTES], np.int64).reshape(-1, 3)
        return Stream(self._count, int(said.split()[3]), rows[:, 0], rows[:, 1], rows[:, 2])


@contextmanager
def flooded(ends: Ends, source: int, destination: int, seconds: float) -> Iterator[None]:
    """A TCP flow from one node to another, as much as it takes, for the time given."""
    sink = _spawn(ends, destination, "sink")
    flood = None
    try:
        flood = _spawn(ends, source, "flood", to=ends.address(destination), port=_port(sink), seconds=seconds)
        yield
        if flood.poll() is not None:
            _answer(flood)
    finally:
        if flood is not None:
            _end(flood)
        _end(sink)


def _spawn(
    ends: Ends, node: int, mode: str, *, stdin: int = subprocess.DEVNULL, **options: Any
) -> subprocess.Popen[bytes]:
    if not PROGRAM.exists():
        raise HostError(f"{PROGRAM} is missing: install the project again")
    words = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    return ends.spawn(
        node,
        [str(PROGRAM), mode, *words],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def _port(receiver: subprocess.Popen[bytes]) -> int:
    assert receiver.stdout is not None
    said = receiver.stdout.readline().split()  # what follows stays in the pipe for communicate()
    if len(said) != 2:
        _answer(receiver)
        raise RunError("the receiver of the traffic named no port")
    return int(said[1])


def _answer(process: subprocess.Popen[bytes]) -> bytes:
    """All it prints until its end, which must be a good one."""
    said, complaint = process.communicate(timeout=_PATIENCE_S)
    if process.returncode:
        raise RunError(f"{complaint.decode().strip() or 'it said nothing'} (status {process.returncode})")
    return bytes(said)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.kill()
        process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
