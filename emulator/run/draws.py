"""What accelerators really drew, gathered from their reports and told to the geometry process at each tick.

A power is a mean over the time between two reports, by the machine's clock, on which nodes live; it is felt
as that power for a step of emulated time, also where a paced clock stood still in between.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from orbitmesh.wire.energy import EnergyReport

from ..feed.feed import Feed
from ..platform import Draws

log = logging.getLogger(__name__)

_SILENT_PERIODS = 3.0
_LEAST_INTERVAL_NS = 1_000_000_000
_MOST_NAMED = 5


def report_interval_ns(step_ns: int) -> int:
    """A report a step; a second where steps are shorter: more would cost the nodes' parent time."""
    return max(step_ns, _LEAST_INTERVAL_NS)


@dataclass(frozen=True)
class _Drawn:
    report: EnergyReport
    drawn_w: float
    asked_w: float


class DrawsBook:
    """``satellites``: index and name of those that serve or train.  ``heard`` in the watcher's thread,
    ``at_tick`` in the conductor's; ``tell`` gets what is known, ``say`` each change of who
    goes by the load model."""

    def __init__(
        self,
        satellites: Mapping[int, str],
        interval_ns: int,
        dead: Mapping[str, str],
        tell: Callable[[Draws], None],
        say: Callable[[bool, Sequence[str]], None],
    ) -> None:
        self._satellites, self._interval_ns, self._dead = satellites, interval_ns, dead
        self._tell, self._say = tell, say
        self._lock = threading.Lock()
        self._latest: dict[str, EnergyReport] = {}
        self._drawn: dict[int, _Drawn] = {}
        self._first: dict[int, EnergyReport] = {}
        self._silent: set[int] = set()
        self._began_mono_ns: int | None = None

    def begin(self, at_mono_ns: int) -> None:
        """Their processes are there: from now on a report is due."""
        self._began_mono_ns = at_mono_ns

    def heard(self, report: EnergyReport) -> None:
        with self._lock:
            self._latest[report.name] = report

    def at_tick(self, now_mono_ns: int) -> None:
        if self._began_mono_ns is None:
            return
        with self._lock:
            latest = dict(self._latest)
        known: list[tuple[int, float, float]] = []
        silent = set()
        for index, name in self._satellites.items():
            report = latest.get(name)
            if report is not None:
                self._take(index, report)
            since_ns = self._began_mono_ns if report is None else report.at_mono_ns
            drawn = self._drawn.get(index)
            if name in self._dead or now_mono_ns - since_ns > _SILENT_PERIODS * self._interval_ns:
                silent.add(index)
            elif drawn is not None:
                known.append((index, drawn.drawn_w, drawn.asked_w))
        self._tell(_draws(known))
        self._say_changes(silent)

    def _take(self, index: int, report: EnergyReport) -> None:
        """The mean since the report before."""
        drawn = self._drawn.get(index)
        before = self._first.setdefault(index, report) if drawn is None else drawn.report
        duration_s = (report.at_mono_ns - before.at_mono_ns) / 1e9
        if duration_s > 0:
            self._drawn[index] = _Drawn(
                report,
                max(0.0, report.drawn_j - before.drawn_j) / duration_s,
                max(0.0, report.asked_j - before.asked_j) / duration_s,
            )

    def _say_changes(self, silent: set[int]) -> None:
        before, self._silent = self._silent, silent
        for is_silent, changed in ((True, silent - before), (False, before - silent)):
            if changed:
                self._say(is_silent, [self._satellites[index] for index in sorted(changed)])


def _draws(known: Sequence[tuple[int, float, float]]) -> Draws:
    rows = sorted(known)
    return Draws(
        np.array([index for index, _, _ in rows], np.int64),
        np.array([drawn_w for _, drawn_w, _ in rows], np.float64),
        np.array([asked_w for _, _, asked_w in rows], np.float64),
    )


def announce(feed: Feed, caution: Callable[[str], None]) -> Callable[[bool, Sequence[str]], None]:
    """To whoever watches, to the log, and where somebody is silent to the run's cautions."""

    def say(is_silent: bool, names: Sequence[str]) -> None:
        said = in_words(is_silent, names)
        feed.put("event", {"event": "load by model" if is_silent else "load measured", "of": list(names)})
        log.log(logging.WARNING if is_silent else logging.INFO, "%s", said)
        if is_silent:
            caution(said)

    return say


def in_words(is_silent: bool, names: Sequence[str]) -> str:
    """A warning, or that it is over."""
    listed = ", ".join(names[:_MOST_NAMED]) + (", …" if len(names) > _MOST_NAMED else "")
    who = f"{len(names)} satellite{'s' if len(names) > 1 else ''} ({listed})"
    if is_silent:
        return f"{who}: no report of what their accelerators draw: their power and heat go by the load model"
    return f"{who}: accelerators report again what they draw"
