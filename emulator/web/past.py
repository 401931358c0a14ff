"""What was measured since the run began, for the charts of pages that come later.  Pure.

Bounded however long the run is: a line is means over bins of emulated time, and once there are too many bins
they are made twice as wide.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from orbitmesh.web.v1 import web_pb2 as pb

from . import messages
from .sample_bins import Binned

MOST_POINTS = 2_000  # of a line
MOST_POINTS_OF_GATEWAYS = 100_000  # of all their lines together
LEAST_POINTS = 100
FIRST_WIDTH_NS = 10**9
_LATE_NS = 10 * 10**9  # so much after the beginning counts as from the beginning

_NAN = math.nan


class _Bin:
    """Sums, and of how many."""

    __slots__ = ("beside", "n_beside", "n_sim", "n_value", "number", "sim_ns", "value")

    def __init__(self, number: int) -> None:
        self.number = number
        self.sim_ns = self.n_sim = self.n_value = self.n_beside = 0
        self.value = self.beside = 0.0

    def add(self, other: _Bin) -> None:
        for name in ("sim_ns", "n_sim", "value", "n_value", "beside", "n_beside"):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def point(self) -> tuple[float, float, float]:
        value = self.value / self.n_value if self.n_value else _NAN
        beside = self.beside / self.n_beside if self.n_beside else _NAN
        return self.sim_ns / self.n_sim / 1e9, value, beside


class Line:
    def __init__(self, most_points: int = MOST_POINTS) -> None:
        self._most, self.width_ns = most_points, FIRST_WIDTH_NS
        self._bins: list[_Bin] = []  # rising

    def __len__(self) -> int:
        return len(self._bins)

    def add(self, sim_ns: int, value: float | None, beside: float | None = None) -> None:
        """None and NaN: not known, then."""
        told = _Bin(sim_ns // self.width_ns)
        told.sim_ns, told.n_sim = sim_ns, 1
        if value is not None and not math.isnan(value):
            told.value, told.n_value = value, 1
        if beside is not None and not math.isnan(beside):
            told.beside, told.n_beside = beside, 1
        at = len(self._bins)
        if at and self._bins[-1].number >= told.number:
            at = bisect_left(self._bins, told.number, key=lambda each: each.number)
        if at < len(self._bins) and self._bins[at].number == told.number:
            self._bins[at].add(told)
            return
        self._bins.insert(at, told)
        while len(self._bins) > self._most:
            self._widen()

    def points(self) -> tuple[list[float], list[float], list[float]]:
        """Instants, s, rising; values; what stands beside them; NaN: not known."""
        if not self._bins:
            return [], [], []
        sim_s, values, beside = zip(*(each.point() for each in self._bins), strict=True)
        return [*sim_s], [*values], [*beside]

    def _widen(self) -> None:
        self.width_ns *= 2
        bins: list[_Bin] = []
        for each in self._bins:
            each.number //= 2
            if bins and bins[-1].number == each.number:
                bins[-1].add(each)
            else:
                bins.append(each)
        self._bins = bins


class Past:
    """For one thread at a time.  ``gateways`` by row: nodes from the number ``first_gateway`` on."""

    def __init__(self, gateways: Sequence[str], first_gateway: int) -> None:
        most = min(MOST_POINTS, max(LEAST_POINTS, MOST_POINTS_OF_GATEWAYS // max(1, len(gateways))))
        self._row = {name: row for row, name in enumerate(gateways)}
        self._first = first_gateway
        self.latency_ms = [Line(most) for _ in gateways]
        self.lateness_ms, self.carried, self.lost = Line(), Line(), Line()
        self._since_ns: dict[int, int] = {}  # by kind: the first instant of which anything was told
        self._first_status_ns: int | None = None

    def status(self, value: Mapping[str, Any]) -> None:
        """As the feed tells it each second."""
        sim_ns = value["sim_ns"]
        if self._first_status_ns is None:
            self._first_status_ns = sim_ns
        self._told_of(pb.SERIES_KIND_LATENESS, sim_ns)
        self._told_of(pb.SERIES_KIND_LATENCY, sim_ns)
        late = (_ms(value.get(f"engine_lateness_{each}_ns")) for each in ("p99", "p50"))
        self.lateness_ms.add(sim_ns, *late)
        for row in (value.get("digest") or {}).get("gateways", ()):
            number = self._row.get(row["gateway"])
            if number is not None:
                measured_ns = row.get("udp_p50_ns") or row.get("grpc_p50_ns")
                self.latency_ms[number].add(sim_ns, _ms(measured_ns), _ms(row.get("physical_p50_ns")))

    def traffic(self, sim_ns: int, of: Any) -> None:
        """``of``: a Traffic."""
        self._told_of(pb.SERIES_KIND_THROUGHPUT, sim_ns)
        self._told_of(pb.SERIES_KIND_LOSS, sim_ns)
        self.carried.add(sim_ns, of.carried_bps, of.packets_per_s)
        self.lost.add(sim_ns, of.lost_per_s)

    def samples(self, found: Iterable[Binned], began_sim_ns: int) -> None:
        """Of the record, which holds all since the run began; after the first status that counts alone."""
        until_ns = self._first_status_ns
        for each in found:
            line = self.latency_ms[each.gateway]
            columns = (column.tolist() for column in (each.sim_s, each.measured_ms, each.physical_ms))
            for sim_s, measured_ms, physical_ms in zip(*columns, strict=True):
                sim_ns = round(sim_s * 1e9)
                if until_ns is None or sim_ns < until_ns:
                    line.add(sim_ns, measured_ms, physical_ms)
        self._told_of(pb.SERIES_KIND_LATENCY, began_sim_ns)

    def messages(self, began_sim_ns: int) -> Iterator[bytes]:
        every = [
            (pb.SERIES_KIND_LATENESS, 0, self.lateness_ms),
            (pb.SERIES_KIND_THROUGHPUT, 0, self.carried),
            (pb.SERIES_KIND_LOSS, 0, self.lost),
        ]
        every += [
            (pb.SERIES_KIND_LATENCY, self._first + row, line) for row, line in enumerate(self.latency_ms)
        ]
        for kind, gateway, line in every:
            if not len(line):
                continue
            since_ns = self._since_ns.get(kind)
            is_late = since_ns is not None and since_ns > began_sim_ns + _LATE_NS
            yield messages.series(kind, gateway, *line.points(), since_sim_ns=since_ns if is_late else None)

    def _told_of(self, kind: int, sim_ns: int) -> None:
        self._since_ns[kind] = min(sim_ns, self._since_ns.get(kind, sim_ns))


def _ms(ns: float | None) -> float | None:
    return None if ns is None else ns / 1e6
