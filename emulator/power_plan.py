"""One satellite's power and heat over time, from orbit and demand alone: what ``orbitmesh power`` prints."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np

from .epoch import HELD_BACK_BY, NS_PER_S
from .errors import InputError
from .node_names import NodeNames
from .orbit import Fleet
from .platform import FleetPlatforms, holds_s
from .platform.advance import LONGEST_STEP_S
from .platform.fleet import Kept, Kind
from .platform.of_scenario import platforms_of_one
from .scenario import Scenario
from .shown import shown
from .suggest import suggest

MOST_ROWS = 1_000_000


class PowerRow(NamedTuple):
    """States at ``t_ns`` since the start; powers are means since the row before.

    ``peak_held_ns``: for how long the peak could be held from now on, if nothing around changed; None: for
    good.
    """

    t_ns: int
    sunlit_ratio: float
    battery_j: float
    temperature_k: float
    demand_w: float
    compute_w: float
    power_w: float
    capacity_ratio: float
    cause: str
    peak_held_ns: int | None


def power_rows(
    scenario: Scenario,
    satellite: str | None = None,
    *,
    start_utc: datetime | None = None,
    duration_ns: int | None = None,
    step_ns: int | None = None,
    demand_w: float | None = None,
) -> tuple[Kind, str, Iterator[PowerRow]]:
    """What the platform is, the satellite's name, and a row for each instant from start to end.

    By default the first satellite, and start, duration and step of the scenario's run.  InputError for what
    is wrong.
    """
    run = scenario.run
    if scenario.platform is None:
        raise scenario.error('the scenario has no platform: add [platform] with preset = "ai1"')
    duration_ns = run.duration_ns if duration_ns is None else duration_ns
    step_ns = run.step_ns if step_ns is None else step_ns
    start_utc = run.start_utc if start_utc is None else start_utc
    if duration_ns // step_ns >= MOST_ROWS:
        raise InputError(
            f"a step of {step_ns} ns in {duration_ns} ns makes more than {MOST_ROWS:,} rows: "
            "take a longer step"
        )
    start_ns = (start_utc - run.start_utc) // timedelta(microseconds=1) * 1000
    fleet = Fleet.build(scenario.constellation, run.start_utc, scenario.base)
    row = 0 if satellite is None else _find(fleet.names, satellite)
    platforms = platforms_of_one(scenario, fleet, row, demand_w)
    return platforms.kinds[0], fleet.names[row], _rows(fleet, row, platforms, start_ns, duration_ns, step_ns)


def _rows(
    fleet: Fleet,
    row: int,
    platforms: FleetPlatforms,
    start_ns: int,
    duration_ns: int,
    step_ns: int,
) -> Iterator[PowerRow]:
    platform = platforms.kinds[0].platform
    peak_w = platform.peak_w
    kept: Kept | None = None
    parts = max(1, -(-step_ns // round(LONGEST_STEP_S * NS_PER_S)))  # surroundings change within a long step
    for ahead_ns in range(0, duration_ns + 1, step_ns):
        demand_w = power_w = compute_w = capacity = 0.0
        cause = 0
        for part in range(1, parts + 1) if kept is not None else (parts,):
            sim_ns = start_ns + ahead_ns - step_ns + step_ns * part // parts
            states = fleet.states_of(np.array([row]), np.array([sim_ns], np.int64))
            if np.isnan(states.position_km).any():
                fleet.check_orbits(np.array([sim_ns], np.int64))  # says when, and what to do
            found, kept = platforms.at(kept, sim_ns, states.position_km[:, 0], states.velocity_km_per_s[:, 0])
            demand_w += float(found.demand_w[0])
            power_w += float(found.power_w[0])
            compute_w += float(found.compute_w[0])
            capacity += float(found.capacity_ratio[0])
            cause = int(found.cause[0]) or cause
        assert kept is not None
        n = parts if ahead_ns else 1
        held_s = float(holds_s(platform, kept.state, kept.around, peak_w)[0])
        yield PowerRow(
            t_ns=ahead_ns,
            sunlit_ratio=float(kept.around.sunlit_ratio[0]),
            battery_j=float(kept.state.battery_j[0]),
            temperature_k=float(kept.state.temperature_k[0]),
            demand_w=demand_w / n,
            compute_w=compute_w / n,
            power_w=power_w / n,
            capacity_ratio=capacity / n,
            cause=HELD_BACK_BY[cause],
            peak_held_ns=None if np.isinf(held_s) else round(held_s * NS_PER_S),
        )


def _find(names: NodeNames, satellite: str) -> int:
    if (row := names.find(satellite)) < 0:
        raise InputError(
            f"there is no satellite {shown(satellite)}: {suggest(satellite, names, 'satellites')}"
        )
    return row
