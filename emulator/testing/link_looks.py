"""What packets waited on the links of a way while a test measured, looked at ten times a second."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..epoch import Int64
from ..record.spans import Way
from ..run.link_watch import Row, rows_between, ways_of

if TYPE_CHECKING:
    from ..plane.mesh import LinkReader
    from ..run.running import RunningMesh

LOOK_S = 0.1


class LinkLooks:
    """Of the ways between two nodes, there and back.  ``look`` often; it begins anew with each epoch."""

    def __init__(self, mesh: RunningMesh, a: int, b: int) -> None:
        self._mesh, self._pair = mesh, (a, b)
        self._number = -1
        self._reader: LinkReader | None = None
        self._before: tuple[int, Int64] | None = None
        self.rows: list[Row] = []

    def look(self) -> None:
        epoch = self._mesh.epoch
        if epoch is None:
            return
        if epoch.number != self._number:
            # what waited between the last look and the tick is not known: a tenth of a second of it
            self._number = epoch.number
            self._reader = self._mesh.plane.link_reader(ways_of(epoch, [self._pair]))
            self._before = None if self._reader is None else (time.monotonic_ns(), self._reader.read())
            return
        if self._reader is None or self._before is None:
            return
        since_ns, before = self._before
        self._before = now_ns, now = time.monotonic_ns(), self._reader.read()
        names = self._mesh.nodes.names
        links = [f"{names[u]}>{names[v]}" for u, v in self._reader.ways]
        self.rows += rows_between(links, since_ns, before, now_ns, now)

    @property
    def is_counted(self) -> bool:
        """Whether what carries the links counts what waits."""
        return self._reader is not None

    def waited_ns(self, ways: Sequence[Way | None], names: Sequence[str], sent_ns: int, done_ns: int) -> int:
        """On all links of these ways, by the mean of the packets that came meanwhile."""
        total = 0
        for way in ways:
            if way is None:
                continue
            for u, v in zip(way.nodes[:-1], way.nodes[1:], strict=True):
                link = f"{names[u]}>{names[v]}"
                looks = [
                    row for row in self.rows if row[2] == link and row[0] <= done_ns and row[1] >= sent_ns
                ]
                if packets := sum(row[3] for row in looks):
                    total += sum(row[4] for row in looks) // packets
        return total
