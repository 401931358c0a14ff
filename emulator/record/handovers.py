"""The book of handovers: which gateway went over from which satellites to which, with which epoch.

A row a gateway and epoch.  Of very many at one instant the first are named, and the others counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import pyarrow as pa

from ..epoch import Epoch, Nodes
from ..safe_files import Folder
from . import files
from .writer import TableWriter

HANDOVERS = pa.schema(
    [
        ("sim_utc", pa.timestamp("ns", tz="UTC")),
        ("sim_ns", pa.int64()),
        ("epoch_number", pa.int64()),
        ("gateway", pa.string()),
        ("left", pa.string()),
        ("joined", pa.string()),
        ("cause", pa.string()),
    ]
)
_BETWEEN = "+"  # of gateways with several antennas


class Handed(Protocol):
    """As links.changes.Handover: nodes by number."""

    @property
    def gateway(self) -> int: ...
    @property
    def left(self) -> tuple[int, ...]: ...
    @property
    def joined(self) -> tuple[int, ...]: ...
    @property
    def cause(self) -> str | None: ...


class HandoverBook:
    def __init__(self, out: Folder, nodes: Nodes, start_unix_ns: int) -> None:
        self.table = TableWriter(out, files.HANDOVERS, HANDOVERS)
        self.count = self.not_in_table = 0
        self._names, self._start_unix_ns = nodes.names, start_unix_ns

    def add(self, epoch: Epoch, handed: Sequence[Handed], n: int) -> None:
        """``n``: how many there are, those that nobody names included."""
        self.count += n
        self.not_in_table += n - len(handed)
        for each in handed:
            self.table.add(
                (
                    self._start_unix_ns + epoch.sim_ns, epoch.sim_ns, epoch.number,
                    self._names[each.gateway], self._joined(each.left), self._joined(each.joined), each.cause,
                )
            )  # fmt: skip

    def _joined(self, satellites: Sequence[int]) -> str | None:
        return _BETWEEN.join(self._names[satellite] for satellite in satellites) or None
