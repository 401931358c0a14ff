"""When a pair of nodes has a way, and by which path: a pure function of the geometry ahead.

A run decides ways once a step; here the instant at which one changes is
bisected within the step, with what is held on to (ground links, lasers) as it
was at the step's begin.  So it is the instant from which on a run may change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from .constants import SPEED_OF_LIGHT_KM_PER_S
from .epoch import NS_PER_S, Epoch, Int64
from .errors import InputError
from .geometry import Geometry
from .links.contacts import Contacts, laser_contacts, station_contacts
from .links.passes import states_of
from .orbit import States
from .series import Before

_Look = Callable[[int, Before], "_At"]

TOLERANCE_NS = 10_000_000


@dataclass(frozen=True)
class WayInterval:
    """From ``begin_sim_ns`` up to ``end_sim_ns`` one path, or none; its delays one way at both ends."""

    begin_sim_ns: int
    end_sim_ns: int
    path: tuple[int, ...] | None
    begin_delay_ns: float | None
    end_delay_ns: float | None


@dataclass(frozen=True)
class Interval:
    """For whoever prints it: two nodes see each other, or have a way by ``path`` (None: by none).

    ``begins``, ``ends``: whether that edge lies within what was asked about.  Round trips: what light needs.
    """

    begin_sim_ns: int
    end_sim_ns: int
    begins: bool
    ends: bool
    begin_rtt_ns: int | None
    end_rtt_ns: int | None
    path: tuple[int, ...] | None


@dataclass(frozen=True)
class _At:
    epoch: Epoch
    before: Before  # of the epoch after it
    path: tuple[int, ...] | None

    def delay_ns(self, path: tuple[int, ...] | None) -> float | None:
        return None if path is None else self.epoch.path_delay_ns(path)


def sight(geometry: Geometry, a: int, b: int, begin_sim_ns: int, end_sim_ns: int) -> Contacts:
    """When a station and a satellite, or two satellites, see each other; InputError for two stations.

    Two satellites: past the Earth by the scenario's grazing altitude, and within its lasers' range.
    """
    n, fleet = geometry.nodes.n_satellites, geometry.fleet

    def propagate(who: Int64, when: Int64) -> States:
        return states_of(fleet, who, when)

    low, high = np.array([min(a, b)]), np.array([max(a, b)])
    if min(a, b) >= n or a == b:
        names = [geometry.nodes.names[node] for node in (a, b)]
        raise InputError(
            f"{names[0]} and {names[1]} do not see each other: name a satellite, or ask for ways (--way)"
        )
    if max(a, b) >= n:
        return station_contacts(geometry.stations, high - n, low, propagate, begin_sim_ns, end_sim_ns)
    return laser_contacts(
        low, high, propagate, begin_sim_ns, end_sim_ns,
        grazing_altitude_km=geometry.grazing_altitude_km, max_range_km=geometry.laser_range_km,
    )  # fmt: skip


def rtt_ns(geometry: Geometry, a: int, b: int, sim_ns: int) -> int:
    """What light needs there and back on the straight line between two nodes."""
    at, n = np.array([sim_ns], np.int64), geometry.nodes.n_satellites
    places = [
        geometry.stations.position_itrs_km[node - n]
        if node >= n
        else geometry.fleet.states_of(np.array([node]), at).position_km[0, 0]
        for node in (a, b)
    ]
    range_km = float(np.linalg.norm(places[0] - places[1]))
    return round(2 * range_km / SPEED_OF_LIGHT_KM_PER_S * NS_PER_S)


def ways(
    geometry: Geometry,
    source: int,
    destination: int,
    begin_sim_ns: int,
    end_sim_ns: int,
    step_ns: int,
    tolerance_ns: int = TOLERANCE_NS,
) -> Iterator[WayInterval]:
    """Intervals in time, joined without a gap, from begin to end; found as they are asked for.

    A way that changes and changes back within a step is not seen.  ``geometry``
    routes to ``destination`` alone from here on.
    """
    geometry.set_destinations([destination])

    def at(sim_ns: int, before: Before) -> _At:
        epoch, after = geometry.after(before, sim_ns)
        return _At(epoch, after, epoch.path(source, destination))

    here = at(begin_sim_ns, geometry.nothing_before())
    began_ns, began_delay_ns = begin_sim_ns, here.delay_ns(here.path)
    for sim_ns in range(begin_sim_ns + step_ns, end_sim_ns + step_ns, step_ns):
        there = at(min(sim_ns, end_sim_ns), here.before)
        while here.path != there.path:
            last, first = _edge(at, here, there, tolerance_ns)
            edge_ns = first.epoch.sim_ns
            yield WayInterval(began_ns, edge_ns, here.path, began_delay_ns, last.delay_ns(here.path))
            began_ns, began_delay_ns, here = edge_ns, first.delay_ns(first.path), first
        here = there
    yield WayInterval(began_ns, end_sim_ns, here.path, began_delay_ns, here.delay_ns(here.path))


def intervals(
    geometry: Geometry, a: int, b: int, begin_sim_ns: int, end_sim_ns: int, step_ns: int, *, way: bool
) -> Iterator[Interval]:
    """Of ``ways``, or of ``sight``."""
    if not way:
        found = sight(geometry, a, b, begin_sim_ns, end_sim_ns)
        for k, (first, last) in enumerate(found.of(0)):
            rtts = rtt_ns(geometry, a, b, first), rtt_ns(geometry, a, b, last)
            yield Interval(
                int(first), int(last), bool(found.begins[k]), bool(found.ends[k]), *rtts, (a, b)
            )  # fmt: skip
        return
    for each in ways(geometry, a, b, begin_sim_ns, end_sim_ns, step_ns):
        begins, ends = each.begin_sim_ns > begin_sim_ns, each.end_sim_ns < end_sim_ns
        begin_rtt_ns, end_rtt_ns = (
            None if delay_ns is None else round(2 * delay_ns)
            for delay_ns in (each.begin_delay_ns, each.end_delay_ns)
        )
        yield Interval(
            each.begin_sim_ns, each.end_sim_ns, begins, ends, begin_rtt_ns, end_rtt_ns, each.path
        )  # fmt: skip


def next_way(
    geometry: Geometry, source: int, destination: int, begin_sim_ns: int, end_sim_ns: int, step_ns: int
) -> int | None:
    """The first instant of the window at which there is a way; None: there is none in it."""
    for interval in ways(geometry, source, destination, begin_sim_ns, end_sim_ns, step_ns):
        if interval.path is not None:
            return interval.begin_sim_ns
    return None


def _edge(at: _Look, here: _At, there: _At, tolerance_ns: int) -> tuple[_At, _At]:
    """The last instant of the path at ``here``, and the first of another, at most the tolerance apart."""
    last, first = here, there
    while first.epoch.sim_ns - last.epoch.sim_ns > tolerance_ns:
        middle = at((last.epoch.sim_ns + first.epoch.sim_ns) // 2, here.before)
        last, first = (middle, first) if middle.path == here.path else (last, middle)
    return last, first
