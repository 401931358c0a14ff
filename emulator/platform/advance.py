"""Battery and temperature as states, advanced from one instant to the next.

    battery      dE/dt = η_c (P_array - P_load)⁺ - (P_load - P_array)⁺ / η_d
    temperature  C dT/dt = P_bus + P_compute + losses of the battery + absorbed
                           - ε σ A (T⁴ - T_sink⁴) - G (T - T_sink)
    throttle     from all at the warning to rest at the maximum, in a line
    rate         rate_max ((P - P_idle) / (P_max - P_idle))^g

The bus goes first, and may empty the battery; computing stops at the depth of
discharge.  What the array offers and nobody takes is never made.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np

from ..compiled import f64, function, real, size, u8
from ..epoch import Float64, UInt8
from .parameters import Platform
from .surroundings import Surroundings

LONGEST_STEP_S = 10.0  # a longer one is taken in equal parts
_N_OUT = 10

_advance = function(
    "platform_advance", f64, size, real, size, f64, f64, f64, f64, f64, f64, f64, f64, u8
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class State:
    """(n,) float64 each."""

    battery_j: Float64
    temperature_k: Float64

    def __len__(self) -> int:
        return len(self.battery_j)


@dataclass(frozen=True, eq=False)
class Outputs:
    """Means over the step, (n,) float64 each; ``cause`` (n,) uint8, the latest, a number of
    ``epoch.HELD_BACK_BY``.

    array_w + discharge_w = bus_w + compute_w + charge_w + unused_w, and
    heat_w + absorbed_w = radiated_w + what warmed the satellite.
    """

    array_w: Float64  # offered, and from the grid
    unused_w: Float64
    bus_w: Float64
    compute_w: Float64
    allowed_w: Float64  # what the computers might have drawn
    capacity_ratio: Float64  # the rate that follows from it, over that at peak power
    charge_w: Float64  # into the battery, losses included
    discharge_w: Float64  # out of it, without them
    heat_w: Float64  # made on board
    radiated_w: Float64
    cause: UInt8


def advance(
    platform: Platform,
    state: State,
    around: Surroundings,
    demand_w: Float64 | float,
    dt_s: float,
    longest_step_s: float = LONGEST_STEP_S,
    *,
    most_w: Float64 | float | None = None,
) -> tuple[State, Outputs]:
    """``dt_s`` seconds on, with ``demand_w`` (n,) what the computers would draw on the mean.

    ``most_w`` (n,): what they ask for at any instant, by default no more than
    that; to be allowed less is to be held back.

    Energy is exact to rounding: what came in is what went out and what is
    stored.  Within a step nothing around changes.
    """
    n = len(state)
    demand = np.ascontiguousarray(np.broadcast_to(np.asarray(demand_w, np.float64), n))
    most = demand
    if most_w is not None:
        most = np.ascontiguousarray(np.broadcast_to(np.asarray(most_w, np.float64), n))
    steps = max(1, math.ceil(dt_s / longest_step_s - 1e-9))
    after = State(state.battery_j.astype(np.float64), state.temperature_k.astype(np.float64))
    out, cause = np.empty((_N_OUT, n)), np.empty(n, np.uint8)
    _advance(
        _values(platform), steps, dt_s / steps, n, around.sunlit_ratio, around.array_ratio, around.absorbed_w,
        demand, most, after.battery_j, after.temperature_k, out, cause,
    )  # fmt: skip
    # in the order of src/advance.c
    names = [field.name for field in fields(Outputs) if field.name != "cause"]
    return after, Outputs(**dict(zip(names, out, strict=True)), cause=cause)


def _values(p: Platform) -> Float64:
    """As src/advance.c holds them."""
    return np.array(
        [
            p.peak_w, p.idle_w, p.bus_w, p.grid_w, p.array_w,
            p.battery_j, p.battery_w, p.charge_ratio, p.discharge_ratio, p.floor_j,
            p.radiation_w_per_k4, p.sink_k, p.conductance_w_per_k, p.heat_capacity_j_per_k,
            p.warning_k, p.maximum_k, p.power_exponent,
        ]
    )  # fmt: skip
