"""The book of how a run went: each second a row of the whole of it, and one of each gateway."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from ..safe_files import Folder
from . import files
from .writer import TableWriter

_WHOLE = ("late_packets", "late_p50_ns", "late_p99_ns", "late_max_ns", "bytes", "packets", "lost")
_OF_GATEWAY = ("samples", "measured_p50_ns", "physical_p50_ns")
COURSE = pa.schema(
    [
        ("sim_utc", pa.timestamp("ns", tz="UTC")),
        ("sim_ns", pa.int64()),
        ("mono_ns", pa.int64()),
        ("lasted_ns", pa.int64()),
        *((name, pa.int64()) for name in _WHOLE),
        ("gateway", pa.string()),
        *((name, pa.int64()) for name in _OF_GATEWAY),
    ]
)
_MOST_GATEWAYS = 50  # rows of them a second; more of them are told every few seconds
_TOGETHER = 10  # seconds in a part: one a second would leave thousands of parts to be merged


class CourseBook:
    def __init__(self, out: Folder, start_unix_ns: int) -> None:
        self.table = TableWriter(out, files.COURSE, COURSE)
        self._start_unix_ns, self._seconds = start_unix_ns, 0
        self._waiting: list[dict[str, Any]] = []

    def add(self, row: dict[str, Any], gateways: Sequence[dict[str, Any]]) -> None:
        """As the run's CourseWatch tells it, what it does not know is not there; and rows of a digest."""
        self._waiting.append(row)
        every = -(-len(gateways) // _MOST_GATEWAYS)
        if gateways and self._seconds % every == 0:
            self._waiting += [self._of_gateway(row, each) for each in gateways if each["samples"]]
        self._seconds += 1
        if self._seconds % _TOGETHER == 0:
            self.settle()

    def _of_gateway(self, row: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
        measured_ns = told["grpc_p50_ns"] if told["udp_p50_ns"] is None else told["udp_p50_ns"]
        return {
            "sim_ns": row["sim_ns"], "mono_ns": row["mono_ns"],
            "gateway": told["gateway"], "samples": told["samples"],
            "measured_p50_ns": _whole(measured_ns), "physical_p50_ns": _whole(told["physical_p50_ns"]),
        }  # fmt: skip

    def settle(self) -> None:
        for row in self._waiting:
            at = self._start_unix_ns + row["sim_ns"]
            self.table.add((at, *(row.get(name) for name in COURSE.names[1:])))
        self._waiting.clear()


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)
