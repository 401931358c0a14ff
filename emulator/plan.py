"""Paths and their round trips over time, from geometry alone: what ``orbitmesh plan`` prints."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from .epoch import UNUSED
from .errors import InputError
from .geometry import Geometry
from .links.coverage import Window
from .outlook.sets import NEAREST, Pairs, pairs_of
from .outlook.sweep import Look
from .scenario import Scenario

log = logging.getLogger(__name__)

MOST_ROWS = 10_000_000  # hours of work; a step of 5 ns asks for more than anybody waits for


class PlanRow(NamedTuple):
    """``t_ns`` counts from the plan's start; ``rtt_ns`` is twice the propagation delay of the path one way.

    Where there is no way, ``rtt_ns`` and ``hops`` are None and ``path`` is empty.  ``known_as``: the path by
    the names that satellites have in their file, if any has one.
    """

    t_ns: int
    src: str
    dst: str
    rtt_ns: int | None
    hops: int | None
    path: tuple[str, ...]
    known_as: tuple[str, ...] = ()


def plan_rows(
    scenario: Scenario,
    pairs: Sequence[str],
    *,
    start_utc: datetime | None = None,
    duration_ns: int | None = None,
    step_ns: int | None = None,
    say: Callable[[str], None] | None = None,
) -> Iterator[PlanRow]:
    """A row for each instant and each pair, in that order, computed as they are asked for.

    Pairs are written ``A:B``, by any nodes' names, or sets of them (see ``outlook.sets``); a station's name
    without its ``gw-`` will do, and a satellite's name or number in its file.  The instants
    are ``start_utc`` + k · ``step_ns``, as long as they lie before the end; what is not given is the
    scenario's run.
    ``say`` is told what was chosen, as which slots lasers join across planes.
    Raises InputError at once for what is wrong.
    """
    if not pairs:
        raise InputError("no pair of nodes is given: name one, as in gw-london:gw-tokyo")
    window = window_of(scenario, start_utc, duration_ns, step_ns, len(pairs))
    geometry = planned(scenario, window, say)
    meant = pairs_of(pairs, geometry.nodes, geometry.hosting)
    check_rows(window, len(meant))
    geometry.set_destinations(meant.routed_to)
    return _rows(geometry, meant, window)


@dataclass(frozen=True)
class PlanWindow:
    """The instants ``start_sim_ns`` + k · ``step_ns`` before the end."""

    start_sim_ns: int
    duration_ns: int
    step_ns: int

    @property
    def instants_ns(self) -> range:
        """From the start."""
        return range(0, self.duration_ns, self.step_ns)


def window_of(
    scenario: Scenario,
    start_utc: datetime | None,
    duration_ns: int | None,
    step_ns: int | None,
    rows_each: int,
) -> PlanWindow:
    """What is not given is the scenario's run.  InputError for what is wrong, and for too many rows."""
    run = scenario.run
    duration_ns = run.duration_ns if duration_ns is None else duration_ns
    step_ns = run.step_ns if step_ns is None else step_ns
    start_utc = run.start_utc if start_utc is None else start_utc
    if step_ns <= 0 or duration_ns <= 0:
        raise InputError(f"the step ({step_ns} ns) and the duration ({duration_ns} ns) must be above 0")
    if start_utc.tzinfo is None:
        raise InputError(
            f"the start {start_utc.isoformat()} has no offset from UTC: write {start_utc.isoformat()}Z"
        )
    start_sim_ns = (start_utc - run.start_utc) // timedelta(microseconds=1) * 1000
    window = PlanWindow(start_sim_ns, duration_ns, step_ns)
    check_rows(window, rows_each)
    return window


def check_rows(window: PlanWindow, rows_each: int) -> None:
    """InputError where an instant each so many rows would be too many."""
    n_rows = len(window.instants_ns) * rows_each
    if n_rows > MOST_ROWS:
        raise InputError(
            f"{window.duration_ns / 1e9:.12g} s in steps of {window.step_ns / 1e9:.12g} s "
            f"makes {n_rows:,} rows, "
            f"more than {MOST_ROWS:,}: take a shorter duration, or a longer step"
        )


def planned(scenario: Scenario, window: PlanWindow, say: Callable[[str], None] | None) -> Geometry:
    """The geometry of a plan; ``say`` is told what was chosen in it."""
    geometry = Geometry(scenario, Window(window.start_sim_ns, window.duration_ns, "plan"))
    for caution in geometry.cautions:
        log.warning("%s", caution)
    if say is not None:
        if geometry.arrangements:
            say(f"satellites of files: {'; '.join(map(str, geometry.arrangements))}")
        if geometry.offsets:
            say(f"lasers across planes: {'; '.join(geometry.offsets)}")
        say(f"ground links: {geometry.ground_links}")
    return geometry


def _rows(geometry: Geometry, pairs: Pairs, window: PlanWindow) -> Iterator[PlanRow]:
    names, known = geometry.nodes.names, geometry.nodes.known_as.by_node
    epochs = geometry.epochs(window.start_sim_ns, window.step_ns, at_faults=False)
    look, ends = Look(pairs), pairs.destinations
    for ahead_ns in window.instants_ns:
        epoch = next(epochs)
        if pairs.has_nearest:
            ends = look.ends(epoch)
        for source, destination in zip(pairs.sources.tolist(), ends.tolist(), strict=True):
            path = None if destination == UNUSED else epoch.path(source, destination)
            yield PlanRow(
                t_ns=ahead_ns,
                src=names[source],
                dst=NEAREST if destination == UNUSED else names[destination],
                rtt_ns=None if path is None else round(2 * epoch.path_delay_ns(path)),
                hops=None if path is None else len(path) - 1,
                path=() if path is None else tuple(names[node] for node in path),
                known_as=tuple(known[node].short if node in known else names[node] for node in path)
                if path and any(node in known for node in path)
                else (),
            )
