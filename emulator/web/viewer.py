"""One page that looks: what waits to be sent to it, and what it has asked to be shown.

Nobody waits for it: of one that reads too slowly the news that wait are dropped, it is told how many, and
given the whole state again once it has caught up.
"""

from __future__ import annotations

from orbitmesh.web.v1 import web_pb2 as pb

from ..feed.audience.queue import Queue
from .messages import told

MOST_PAIRS = 8

Pair = tuple[int, int]
LayerOf = tuple[int, int]  # its kind, a gateway


class Viewer(Queue):
    """For the event loop's thread."""

    def __init__(self) -> None:
        super().__init__(lambda n: told(missed=pb.Missed(entries=n)))
        self.shown: LayerOf | None = None
        self.pairs: tuple[Pair, ...] = ()
        self.picked: int | None = None
