"""What should have been measured: counted by the schedule and by what the epochs say of ways.  Pure.

A probe of a kind is due at each instant of its grid (``wire.schedule``) from
each satellite with a process to each of the gateways that are its to measure.
Where fewer gateways can be reached than it is to measure, those that lack are
due too, and there was no way.  An order reaches a node some ms after the epoch
that it follows from; so EDGE_NS at both ends of an assignment nothing counts as
due here, and only what was measured then does in ``account``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from orbitmesh.wire.schedule import node_seed, phase_ns, probe_stream, task_stream

from ..assignment import assign
from ..epoch import Bool, Epoch, Int64, Nodes

EDGE_NS = 100_000_000


@dataclass(frozen=True)
class TaskDue:
    """A task that a gateway sends every interval; its ``number`` among those of this gateway."""

    gateway: str
    number: int
    kind: str
    satellite: str
    interval_ns: int


@dataclass(frozen=True)
class Schedule:
    """Who is to measure what.  ``satellites``: those with a node process, by name."""

    seed: int
    satellites: tuple[str, ...]
    kinds: tuple[str, ...]
    interval_ns: int
    timeout_ns: int
    gateways_each: int | Literal["all"]
    tasks: tuple[TaskDue, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return {
            "satellites": len(self.satellites),
            "kinds": list(self.kinds),
            "interval_ns": self.interval_ns,
            "timeout_ns": self.timeout_ns,
            "gateways_each": self.gateways_each,
            "tasks": len(self.tasks),
        }


@dataclass(eq=False)
class Pairs:
    """Per satellite (rows) and gateway (columns), over a time of ``lasted_ns``.

    ``with_way_ns`` and ``longest_gap_ns`` (s, g): how long there was a way, and
    the longest time without; ``due`` (kinds, s, g) probes.  Of gateways,
    ``gateway_with_way_ns`` and ``gateway_gap_ns`` (g,): a way to any of the satellites.
    ``no_way`` (s,): probes of a satellite that had too few gateways to go to.
    ``tasks_due`` by gateway.
    """

    lasted_ns: int
    with_way_ns: Int64
    longest_gap_ns: Int64
    due: Int64
    gateway_with_way_ns: Int64
    gateway_gap_ns: Int64
    no_way: Int64
    tasks_due: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class _Span:
    from_mono_ns: int
    reach: NDArray[np.uint8]  # packed bits of (s, g)
    assigned: NDArray[np.uint8]


class DueCounter:
    """``epoch`` for each, in order; ``pairs`` at the end."""

    def __init__(self, schedule: Schedule, nodes: Nodes) -> None:
        self.schedule = schedule
        self.gateways = nodes.names[nodes.n_satellites :]
        self._n_satellites = nodes.n_satellites
        self._rows = np.array([nodes.index[name] for name in schedule.satellites], np.int32)
        self._hosting = np.zeros(len(nodes), np.bool_)
        self._hosting[self._rows] = True
        self._columns = np.arange(nodes.n_satellites, len(nodes), dtype=np.int32)
        order = np.argsort(self._rows)
        self._rows, self.satellites = self._rows[order], tuple(schedule.satellites[i] for i in order)
        self._spans: list[_Span] = []
        # of each gateway: for how long of ``watched_ns``, up to the last epoch, it had a way to any satellite
        self.with_way_ns = np.zeros(len(self._columns), np.int64)
        self.has_way: Bool = np.zeros(len(self._columns), np.bool_)
        self.watched_ns = 0
        self._watched_until_ns: int | None = None

    @property
    def shape(self) -> tuple[int, int]:
        return len(self._rows), len(self._columns)

    def epoch(self, epoch: Epoch, in_force_mono_ns: int) -> None:
        if 0 in self.shape:
            return
        reach = np.isfinite(epoch.way_delays_ns(self._rows, self._columns)).T
        self._watch(reach, in_force_mono_ns)
        assigned = np.zeros(self.shape, np.bool_)
        found = assign(epoch, self._n_satellites, self._hosting, self.schedule.gateways_each)
        for row, satellite in enumerate(self._rows.tolist()):
            assigned[row, [g - self._n_satellites for g in found.probe_gateways[satellite]]] = True
        span = _Span(in_force_mono_ns, np.packbits(reach), np.packbits(assigned))
        if self._spans:
            last = self._spans[-1]
            if (last.reach == span.reach).all() and (last.assigned == span.assigned).all():
                return
        self._spans.append(span)

    def _watch(self, reach: Bool, in_force_mono_ns: int) -> None:
        if self._watched_until_ns is not None:
            lasted_ns = max(0, in_force_mono_ns - self._watched_until_ns)
            self.watched_ns += lasted_ns
            self.with_way_ns += self.has_way * lasted_ns
        self._watched_until_ns, self.has_way = in_force_mono_ns, np.asarray(reach.any(axis=0), np.bool_)

    def pairs(self, from_mono_ns: int, to_mono_ns: int) -> Pairs:
        """Between two instants; before the first epoch nothing is known, and nothing due."""
        s, g = self.shape
        found = Pairs(
            max(0, to_mono_ns - from_mono_ns),
            np.zeros((s, g), np.int64), np.zeros((s, g), np.int64),
            np.zeros((len(self.schedule.kinds), s, g), np.int64),
            np.zeros(g, np.int64), np.zeros(g, np.int64), np.zeros(s, np.int64),
        )  # fmt: skip
        if s and g:
            self._count(found, from_mono_ns, to_mono_ns)
        for task in self.schedule.tasks:
            offset_ns = phase_ns(
                node_seed(self.schedule.seed, task.gateway),
                task_stream(task.number, task.kind),
                task.interval_ns,
            )
            due = int(_on_grid(from_mono_ns, to_mono_ns - EDGE_NS, offset_ns, task.interval_ns))
            found.tasks_due[task.gateway] = found.tasks_due.get(task.gateway, 0) + due
        return found

    def _count(self, found: Pairs, from_mono_ns: int, to_mono_ns: int) -> None:
        (s, g), wanted = self.shape, self.schedule.gateways_each
        each = g if wanted == "all" else min(wanted, g)
        phase = self._phases_ns()
        gap, any_gap = np.zeros((s, g), np.int64), np.zeros(g, np.int64)
        unassigned_ns = np.zeros(s, np.int64)
        since = np.full((s, g), -1, np.int64)  # of an assignment that holds, its begin
        last = to_mono_ns
        ends = [*(span.from_mono_ns for span in self._spans[1:]), last]
        for span, end in zip(self._spans, ends, strict=True):
            begin, end = max(span.from_mono_ns, from_mono_ns), min(end, last)
            if end <= begin:
                continue
            reach, assigned = self._bits(span.reach), self._bits(span.assigned)
            lasted_ns = end - begin
            found.with_way_ns += reach * lasted_ns
            gap = np.where(reach, 0, gap + lasted_ns)
            np.maximum(found.longest_gap_ns, gap, out=found.longest_gap_ns)
            any_way = reach.any(axis=0)
            found.gateway_with_way_ns += any_way * lasted_ns
            any_gap = np.where(any_way, 0, any_gap + lasted_ns)
            np.maximum(found.gateway_gap_ns, any_gap, out=found.gateway_gap_ns)
            unassigned_ns += np.maximum(each - assigned.sum(axis=1), 0) * lasted_ns
            # an assignment counts from its begin to its end, however many epochs it lasts
            self._close(found.due, phase, (since >= 0) & ~assigned, since, begin)
            since = np.where(assigned, np.where(since >= 0, since, begin), -1)
        self._close(found.due, phase, since >= 0, since, last)
        kinds = len(self.schedule.kinds)
        found.no_way += unassigned_ns * kinds // self.schedule.interval_ns

    def _close(self, due: Int64, phase: Int64, closing: Bool, since: Int64, end: int) -> None:
        if not closing.any():
            return
        begin = np.where(closing, since + EDGE_NS, 0)
        until = np.where(closing, np.maximum(end - EDGE_NS, begin), 0)
        due += _on_grid(begin[None], until[None], phase, self.schedule.interval_ns)

    def _phases_ns(self) -> Int64:
        """(kinds, s, g): where the grid of each stream lies."""
        found = np.zeros((len(self.schedule.kinds), *self.shape), np.int64)
        for row, name in enumerate(self.satellites):
            seed = node_seed(self.schedule.seed, name)
            for k, kind in enumerate(self.schedule.kinds):
                for column, gateway in enumerate(self.gateways):
                    stream = probe_stream(kind, gateway)
                    found[k, row, column] = phase_ns(seed, stream, self.schedule.interval_ns)
        return found

    def _bits(self, packed: NDArray[np.uint8]) -> Bool:
        s, g = self.shape
        return np.unpackbits(packed, count=s * g).astype(np.bool_).reshape(s, g)


def _on_grid(from_ns: Any, to_ns: Any, offset_ns: Any, interval_ns: int) -> Any:
    """How many instants of the grid lie in [from, to)."""
    return np.maximum((to_ns - 1 - offset_ns) // interval_ns - (from_ns - 1 - offset_ns) // interval_ns, 0)
