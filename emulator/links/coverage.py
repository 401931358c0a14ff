"""Stations that no satellite ever passes, and those that are out of sight for a while.

A mistake of this kind (a mask of 55° for a shell made for 25°, a city beyond
the shell's latitudes, a slant range shorter than the altitude) shows at once,
not as a gateway that is silently unreachable.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..epoch import NS_PER_S, Float64, Int64
from ..errors import ScenarioError
from ..orbit import Fleet
from ..scenario import Scenario
from .passes import states_of
from .visibility import Stations

log = logging.getLogger(__name__)

_DAY_NS = 24 * 3600 * NS_PER_S
_SAMPLES_OF_A_RUN = 50_000  # satellites × instants: some 0.1 s
_SAMPLES_OF_A_DAY = 2_500_000
_SPREAD = 48  # satellites that are searched before all of them are
_BATCH = 60  # instants
_STATES_AT_ONCE = 500_000  # 24 MB
_LOOKED_AT = 50_000  # satellites at once, by each station

# Mean elements against true places over a day: periodic terms move the radius by up to 15 km, geodetic and
# geocentric latitude differ by up to 0.2 deg, the Sun and the Moon turn high orbits by up to 0.1 deg a day.
_SLACK_KM = 20.0
_SLACK_RAD = math.radians(0.2)


@dataclass(frozen=True)
class Window:
    """What is looked at: of the run, or of a plan, from ``begin_sim_ns`` on."""

    begin_sim_ns: int
    duration_ns: int
    what: str = "run"


def check_coverage(scenario: Scenario, fleet: Fleet, stations: Stations, window: Window) -> None:
    """ScenarioError for the first station that no satellite passes within a day; a warning for one with gaps.

    Most are settled by looking at the window itself (sampled).  One that sees
    nobody there is held against what the orbits can reach at all, and then
    searched for over the day from the start, first with a few satellites and
    then with all, every 10 s to 60 s by how many there are.
    """
    if len(stations) == 0:
        return
    count = max(2, min(61, _SAMPLES_OF_A_RUN // len(fleet)))
    ahead_ns = np.linspace(0, window.duration_ns, count).astype(np.int64)
    instants = window.begin_sim_ns + ahead_ns
    seen = np.stack(
        [np.diff(stations.sight(position).first) > 0 for position in _positions(fleet, instants)], axis=1
    )
    for row in np.flatnonzero(~seen.all(axis=1)).tolist():
        if seen[row].any():
            log.warning(
                "station %s sees no satellite in %d of %d samples of the %s (first %g s after its start): "
                "it is unreachable meanwhile",
                stations.names[row],
                int((~seen[row]).sum()),
                count,
                window.what,
                ahead_ns[np.argmin(seen[row])] / NS_PER_S,
            )
    never = np.flatnonzero(~seen.any(axis=1))
    if len(never) == 0:
        return
    waiting = stations.subset(never.tolist())
    _refuse_out_of_reach(scenario, fleet, waiting, never)
    first_ns, highest, nearest_km = _search_day(fleet, waiting, window.begin_sim_ns)
    for row, since_ns in enumerate(first_ns.tolist()):
        if since_ns == np.inf:
            raise _unseen(
                scenario,
                waiting,
                row,
                int(never[row]),
                "in the day from the start",
                float(highest[row]),
                float(nearest_km[row]),
            )
        log.warning(
            "station %s sees no satellite during the %s (the next one %s after its start): it is unreachable",
            waiting.names[row],
            window.what,
            _words(since_ns / NS_PER_S),
        )


def _words(duration_s: float) -> str:
    return f"{max(1, round(duration_s / 60))} min" if duration_s < 5400 else f"{duration_s / 3600:.1f} h"


def reach(stations: Stations, fleet: Fleet) -> tuple[Float64, Float64]:
    """The highest elevation, rad, and the least slant range, km, that each orbit reaches; (m, o) float64.

    Bounds by mean elements, of the o distinct orbits of ``Fleet.orbits``: a
    satellite of inclination i gets no nearer to a place at geocentric latitude
    φ than |φ| − i, and no higher than its apogee.
    """
    orbits = fleet.orbits()
    # the highest latitude
    turn_rad = np.minimum(orbits.inclination_rad, np.pi - orbits.inclination_rad) + _SLACK_RAD
    apogee_km = orbits.apogee_km + _SLACK_KM
    perigee_km = orbits.perigee_km - _SLACK_KM
    from_centre_km = np.linalg.norm(stations.position_itrs_km, axis=1)[:, None]
    latitude_rad = np.arcsin(stations.position_itrs_km[:, 2] / from_centre_km[:, 0])
    angle_rad = np.maximum(np.abs(latitude_rad)[:, None] - turn_rad, 0.0)
    elevation_rad = np.arctan2(apogee_km * np.cos(angle_rad) - from_centre_km, apogee_km * np.sin(angle_rad))
    across, along = np.sin(angle_rad), np.cos(angle_rad)
    # nearest where the ray from the centre at that angle passes the station, if the orbit goes there
    at_km = np.clip(from_centre_km * along, perigee_km, apogee_km)
    range_km = np.hypot(at_km * across, at_km * along - from_centre_km)
    return np.minimum(elevation_rad + _SLACK_RAD, np.pi / 2), range_km


def _refuse_out_of_reach(scenario: Scenario, fleet: Fleet, waiting: Stations, index: Int64) -> None:
    elevation_rad, range_km = reach(waiting, fleet)
    possible = (np.sin(elevation_rad) >= waiting.sine_mask[:, None]) & (
        range_km <= waiting.max_slant_range_km[:, None]
    )
    for row in np.flatnonzero(~possible.any(axis=1)).tolist():
        raise _unseen(
            scenario,
            waiting,
            row,
            int(index[row]),
            "by their orbits",
            math.sin(elevation_rad[row].max()),
            float(range_km[row].min()),
        )


def _search_day(fleet: Fleet, stations: Stations, from_sim_ns: int) -> tuple[Float64, Float64, Float64]:
    """First sight of each station (ns, or inf), its greatest sine of elevation, its least slant range."""
    first_ns = np.full(len(stations), np.inf)
    highest, nearest_km = np.full(len(stations), -1.0), np.full(len(stations), np.inf)
    step_ns = int(np.clip(len(fleet) * _DAY_NS // _SAMPLES_OF_A_DAY, 10 * NS_PER_S, 60 * NS_PER_S))
    spread = np.unique(np.arange(min(_SPREAD, len(fleet))) * len(fleet) // min(_SPREAD, len(fleet)))
    everybody = np.arange(len(fleet))
    for satellites in (spread, everybody) if len(fleet) > _SPREAD else (everybody,):
        for begin_ns in range(0, _DAY_NS, _BATCH * step_ns):
            if np.isfinite(first_ns).all():
                return first_ns, highest, nearest_km
            instants = np.arange(begin_ns, min(begin_ns + _BATCH * step_ns, _DAY_NS), step_ns, dtype=np.int64)
            for instant, position in zip(
                instants, _positions(fleet, from_sim_ns + instants, satellites), strict=True
            ):
                for begin in range(0, len(position), _LOOKED_AT):
                    look = stations.look(position[begin : begin + _LOOKED_AT])
                    found = look.visible.any(axis=1) & ~np.isfinite(first_ns)
                    first_ns[found] = instant
                    highest = np.fmax(highest, np.fmax.reduce(look.sine_elevation, axis=1))
                    nearest_km = np.fmin(nearest_km, np.fmin.reduce(look.range_km, axis=1))
    return first_ns, highest, nearest_km


def _positions(fleet: Fleet, sim_ns: Int64, satellites: Int64 | None = None) -> Iterator[Float64]:
    """(n, 3) float64 km for each instant; NaN for a satellite that is down by then: no error here, where
    instants long after the run's end are looked at."""
    n = len(fleet) if satellites is None else len(satellites)
    at_once = max(1, _STATES_AT_ONCE // n)
    for begin in range(0, len(sim_ns), at_once):
        some_ns = sim_ns[begin : begin + at_once]
        states = (
            fleet.states_itrs(some_ns, check=False)
            if satellites is None or n == len(fleet)
            else states_of(fleet, satellites, some_ns)
        )
        for time in range(len(some_ns)):
            yield np.ascontiguousarray(states.position_km[:, time])


def _unseen(
    scenario: Scenario,
    stations: Stations,
    row: int,
    index: int,
    when: str,
    highest: float,
    nearest_km: float,
) -> ScenarioError:
    mask_deg = math.degrees(math.asin(stations.sine_mask[row]))
    limit_km = float(stations.max_slant_range_km[row])
    best_deg = math.degrees(math.asin(min(1.0, highest)))
    height = (
        f"the highest stands at {best_deg:.1f} deg, where the mask is {mask_deg:g} deg"
        if best_deg >= 0
        else f"none rises (the best stays {-best_deg:.1f} deg below the horizon)"
    )
    distance = f", and the nearest is {nearest_km:.0f} km away, where the limit is {limit_km:g} km"
    remedies = ["lower its min-elevation"] if best_deg >= 0 and best_deg < mask_deg else []
    remedies += ["raise its max-slant-range"] if limit_km < nearest_km else []
    remedies += ["move it to a latitude that the satellites pass, or add a shell that reaches it"]
    return scenario.error(
        f"station {stations.names[row]!r} never sees a satellite: {when} {height}"
        f"{distance if math.isfinite(limit_km) else ''}; {', or '.join(remedies)}",
        "ground",
        "stations",
        index,
    )
