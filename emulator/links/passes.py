"""How long satellites stay in a station's sight, and where some of a fleet are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..epoch import NS_PER_S, Float64, Int64
from ..orbit import Fleet, States
from .visibility import Stations

# (satellites (u,) int64, instants (t,) int64 sim_ns) -> States of shape (u, t)
Propagate = Callable[[Int64, Int64], States]

STEP_NS = 30 * NS_PER_S
HORIZON_NS = 6 * 3600 * NS_PER_S
_BATCH_STEPS = 24  # 12 minutes: most passes in low orbit end within one batch
_HALVINGS = 20  # of 30 s: 30 µs


def states_of(fleet: Fleet, satellites: Int64, sim_ns: Int64) -> States:
    """States of some satellites, (u,) int64, at (t,) int64 ns since the scenario's start.

    NaN, and no error, for one that is down by then: this serves looking ahead,
    past the end of the run.
    """
    return fleet.states_of(satellites, sim_ns)


def remaining_ns(
    stations: Stations, rows: Int64, satellites: Int64, sim_ns: int, propagate: Propagate
) -> Float64:
    """For how long from now the satellite stays visible from the station beside it; (p,) float64, ns.

    ``rows`` and ``satellites``, (p,) int64, are pairs that see each other now.
    Looks ahead in steps of 30 s for the first one after the setting, then
    bisects between the last two on the cubic through their positions and
    velocities: over 30 s it lies within 0.1 m of the orbit (h⁴/384 · n⁴ r),
    which is 15 µs of a setting.  What stays longer than six hours counts as
    staying six hours.
    """
    remaining = np.full(len(rows), float(HORIZON_NS))
    up = np.arange(len(rows))  # pairs whose setting is not found yet
    for begin_ns in range(0, HORIZON_NS, _BATCH_STEPS * STEP_NS):
        if len(up) == 0:
            break
        ahead_ns = begin_ns + np.arange(_BATCH_STEPS + 1, dtype=np.int64) * STEP_NS
        who, which = np.unique(satellites[up], return_inverse=True)
        states = propagate(who, sim_ns + ahead_ns)
        position, velocity = states.position_km, states.velocity_km_per_s
        # the first instant was looked at before: as the last of the batch before, or as now
        visible = stations.margin(rows[up], position[which, 1:]) >= 0
        sets = ~visible.all(axis=1)
        last_up = np.argmin(visible[sets], axis=1)  # index of the last instant at which it is up
        pairs = which[sets]
        fraction = _setting(
            stations,
            rows[up[sets]],
            (position[pairs, last_up], position[pairs, last_up + 1]),
            (velocity[pairs, last_up], velocity[pairs, last_up + 1]),
        )
        remaining[up[sets]] = ahead_ns[last_up] + fraction * STEP_NS
        up = up[~sets]
    return remaining


def _setting(
    stations: Stations, rows: Int64, position: tuple[Float64, Float64], velocity: tuple[Float64, Float64]
) -> Float64:
    """Where in the step, 0..1, the margin passes 0: each of the pairs is up at its start, not at its end."""
    step_s = STEP_NS / NS_PER_S
    low, high = np.zeros(len(rows)), np.ones(len(rows))
    for _ in range(_HALVINGS):
        u = (low + high) / 2
        w = u[:, None]
        at = (
            (1 + 2 * w) * (1 - w) ** 2 * position[0]
            + w**2 * (3 - 2 * w) * position[1]
            + step_s * (w * (1 - w) ** 2 * velocity[0] - w**2 * (1 - w) * velocity[1])
        )
        is_up = stations.margin(rows, at) >= 0
        low, high = np.where(is_up, u, low), np.where(is_up, high, u)
    return low
