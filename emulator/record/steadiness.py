"""When the emulation was not steady: late ticks, a host that stood still, a recorder or a node that did.

Gathers the windows (``soundness``) of a run while it lasts.  No clock and no
process: the watch on the host is handed in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import pyarrow as pa

from ..course import Course
from .due import DueCounter, Pairs
from .facts import RunFacts
from .host_watch import HostWatch
from .soundness import LATE_TICK_NS, STALL_NS, STOLEN_OVER_NS, STOLEN_RATIO, TICK, Window, joined

# A watch that has given no sign of life for so long has ended.
_WATCH_ALIVE_NS = 5_000_000_000


class Watch(Protocol):
    """``host_watch.HostWatch``; instants are CLOCK_MONOTONIC."""

    alive_mono_ns: int | None
    knows_stolen: bool

    def read(self) -> list[tuple[int, int, str, int]]: ...
    def close(self) -> list[tuple[int, int, str, int]]: ...


def watch_host() -> Watch | None:
    """None where it cannot be started: the verdict says that nobody watched."""
    try:
        return HostWatch(STALL_NS, STOLEN_RATIO, STOLEN_OVER_NS)
    except OSError:
        return None


class Stillness:
    """``tick`` for each epoch, ``looked`` several times a second; then ``untold`` and ``windows``."""

    def __init__(self, watch: Watch | None) -> None:
        self._watch = watch
        self._windows: list[Window] = []
        self._n_told = 0
        self._course = Course(0, 0)  # since the last tick
        self._looked_mono_ns: int | None = None
        self.recorder_gap_ns = 0

    @property
    def host_watched(self) -> bool:
        """From the first look to the last."""
        if self._watch is None or self._watch.alive_mono_ns is None or self._looked_mono_ns is None:
            return False
        return self._looked_mono_ns - self._watch.alive_mono_ns < _WATCH_ALIVE_NS

    @property
    def knows_stolen(self) -> bool:
        """Whether the kernel says what the hypervisor took; nobody asked it where nobody watched."""
        return self._watch is None or self._watch.knows_stolen

    def turn(self, course: Course) -> None:
        """No tick, and time goes another way from now on."""
        self._course = course

    def tick(self, course: Course, began_mono_ns: int, in_force_mono_ns: int) -> None:
        self._course, t0_mono_ns = course, course.mono_ns
        if (late_ns := began_mono_ns - t0_mono_ns) > LATE_TICK_NS:
            self._windows.append(Window(t0_mono_ns, in_force_mono_ns, TICK, late_ns))

    def looked(self, now_mono_ns: int) -> None:
        if self._looked_mono_ns is not None:
            self.recorder_gap_ns = max(self.recorder_gap_ns, now_mono_ns - self._looked_mono_ns)
        self._looked_mono_ns = now_mono_ns
        if self._watch is not None:
            self._windows += [Window(*each) for each in self._watch.read()]

    def untold(self) -> Sequence[Window]:
        """Since the last call."""
        new, self._n_told = self._windows[self._n_told :], len(self._windows)
        return new

    def close(self) -> None:
        if self._watch is not None:
            self._windows += [Window(*each) for each in self._watch.close()]
            self._watch = _Ended(self._watch.alive_mono_ns, knows_stolen=self._watch.knows_stolen)

    def windows(self, facts: RunFacts) -> list[Window]:
        """Of the time in which nodes were to measure, with those that main alone knew."""
        self.close()
        course = self._course
        overdue = [  # a tick that should have come and has not
            Window(due_ns := course.mono_at(late.sim_ns), due_ns + late.late_ns, TICK, late.late_ns)
            for late in facts.late_ticks
            if late.sim_ns > course.sim_ns and not course.is_still
        ]
        found = joined([*self._windows, *facts.windows, *overdue])
        if facts.began_mono_ns is None or facts.ended_mono_ns is None:
            return found
        begin, end = facts.began_mono_ns, facts.ended_mono_ns
        return [window for window in found if window.to_mono_ns >= begin and window.from_mono_ns <= end]


class _Ended:
    def __init__(self, alive_mono_ns: int | None, *, knows_stolen: bool) -> None:
        self.alive_mono_ns, self.knows_stolen = alive_mono_ns, knows_stolen

    def read(self) -> list[tuple[int, int, str, int]]:
        return []

    close = read


def gaps_of(counter: DueCounter, pairs: Pairs, samples: pa.Table, facts: RunFacts) -> list[tuple[str, int]]:
    """(node, ns) of satellites that had somebody to measure all the time, and for a while measured nothing.

    The longest such time of each, the longest first.
    """
    if facts.began_mono_ns is None or facts.ended_mono_ns is None or not counter.gateways:
        return []
    schedule = counter.schedule
    bound_ns = 2 * schedule.interval_ns + schedule.timeout_ns
    sent = samples["sent_mono_ns"].to_numpy()
    src = np.array(samples["src"].to_pylist(), object)
    probes = np.array(samples["kind"].to_pylist(), object) != "task"
    order = np.argsort(src[probes], kind="stable")
    names, starts = np.unique(src[probes][order], return_index=True) if len(order) else ((), ())
    of = dict(zip(names, np.split(sent[probes][order], starts[1:]) if len(order) else (), strict=True))
    found = []
    for row, name in enumerate(counter.satellites):
        if pairs.no_way[row] or not pairs.due[:, row].any():
            continue
        instants = np.sort(of.get(name, np.empty(0, np.int64)))
        edges = np.concatenate([[facts.began_mono_ns], instants, [facts.ended_mono_ns]])
        if (gap_ns := int(np.diff(edges).max())) > bound_ns:
            found.append((name, gap_ns))
    return sorted(found, key=lambda each: -each[1])
