"""Mirrors of nodes and of lasers, which move to other pipes as links come and go."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from ...epoch import Nodes
from ...errors import FailureError, InputError
from .engine import FabricCarrier, Mirrored
from .pcapng import head


@dataclass
class _Capture:
    fd: int
    pipe: int | None


class Captures:
    """One file for each node, or each direction of a link.  One caller at a time."""

    def __init__(
        self, nodes: Nodes, carrier: FabricCarrier, pipe_of: Callable[[int, int], int | None]
    ) -> None:
        """``pipe_of(u, v)``: the pipe from u to v now, or None."""
        self._nodes, self._carrier, self._pipe_of = nodes, carrier, pipe_of
        self._running: dict[tuple[int, int | None], _Capture] = {}

    def begin(self, u: int, v: int | None, fd: int) -> None:
        """What arrives at u (v None), or goes from u to v, into a file that stays the caller's."""
        if (u, v) in self._running:
            raise InputError(f"{self._name(u, v)} is being captured already: into one file at a time")
        pipe = None if v is None else self._pipe_of(u, v)
        if v is not None and pipe is None:
            one, other = self._nodes.names[u], self._nodes.names[v]
            raise InputError(
                f"{one} and {other} have no link now; to see the way: orbitmesh trace {one} {other}"
            )
        self._mirror(u, v, pipe, fd)
        self._running[u, v] = _Capture(os.dup(fd), pipe)

    def end(self, u: int, v: int | None) -> None:
        capture = self._running.pop((u, v))
        os.close(capture.fd)
        if v is None:
            self._carrier.end_mirror(Mirrored.NODE, u)
        elif capture.pipe is not None:
            self._carrier.end_mirror(Mirrored.PIPE, capture.pipe)

    def follow(self) -> None:
        """Another epoch: a link may be gone, or be back on another pipe (a new section of its file)."""
        for (u, v), capture in self._running.items():
            if v is None or (pipe := self._pipe_of(u, v)) == capture.pipe:
                continue
            if capture.pipe is not None:
                self._carrier.end_mirror(Mirrored.PIPE, capture.pipe)
            if pipe is not None:
                self._mirror(u, v, pipe, capture.fd)
            capture.pipe = pipe

    def close(self) -> None:
        """The engine's own descriptors go with it."""
        for capture in self._running.values():
            os.close(capture.fd)
        self._running.clear()

    def _mirror(self, node: int, peer: int | None, pipe: int | None, fd: int) -> None:
        os.set_blocking(fd, False)  # nobody here waits for a reader
        told = self._head(node, peer)
        try:
            written = os.write(fd, told)
        except OSError as error:
            raise FailureError(f"cannot write the capture: {error.strerror}") from None
        if written != len(told):
            raise FailureError("cannot write the capture: its file takes no more")
        if pipe is None:
            self._carrier.mirror(Mirrored.NODE, node, fd)
        else:
            self._carrier.mirror(Mirrored.PIPE, pipe, fd)

    def _head(self, u: int, v: int | None) -> bytes:
        if v is None:
            words = f"what arrives at {self._said(u)}, stamped as it is handed over"
        else:
            kind = "the laser" if max(u, v) < self._nodes.n_satellites else "the ground link"
            words = (
                f"{kind} from {self._said(u)} to {self._said(v)}: what passes in this direction, stamped as "
                "it leaves the near end"
            )
        return head(self._name(u, v), words, f"orbitmesh capture {self._name(u, v)}: {words}")

    def _said(self, node: int) -> str:
        known, own = self._nodes.known_as.by_node.get(node), self._nodes.names[node]
        return own if known is None else f"{own} ({known})"

    def _name(self, u: int, v: int | None) -> str:
        names = self._nodes.names
        return names[u] if v is None else f"{names[u]}:{names[v]}"
