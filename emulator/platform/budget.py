"""How long a power may still be held: until heat would slow the computers, or the battery is at its floor."""

from __future__ import annotations

import numpy as np

from ..epoch import Float64
from .advance import State
from .parameters import Platform
from .surroundings import Surroundings, at_rest

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)


def holds_s(platform: Platform, state: State, around: Surroundings, compute_w: float) -> Float64:
    """(n,) float64, s: for how long ``compute_w`` may be held with nothing changing around; inf: for good.

    0 where it cannot be held at all.  The end of sunlight is not foreseen
    here: it is one of the things around.
    """
    return np.minimum(
        until_warm_s(platform, state, around, compute_w), until_empty_s(platform, state, around, compute_w)
    )


def until_empty_s(platform: Platform, state: State, around: Surroundings, compute_w: float) -> Float64:
    """(n,) float64, s, until the battery is at its floor."""
    lacks_w = platform.bus_w + compute_w - (platform.array_w * around.array_ratio + platform.grid_w)
    left_j = np.maximum(state.battery_j - platform.floor_j, 0) * platform.discharge_ratio
    with np.errstate(divide="ignore", invalid="ignore"):
        seconds = np.where(lacks_w > 0, left_j / lacks_w, np.inf)
    return np.asarray(np.where(lacks_w > platform.battery_w, 0.0, seconds))


def until_warm_s(platform: Platform, state: State, around: Surroundings, compute_w: float) -> Float64:
    """(n,) float64, s, until the temperature is at the warning.

    ∫ C dT / (heat - radiated), by Gauss and Legendre in u = ln(T_rest - T),
    which takes away the pole at the temperature of rest.  The losses of the
    battery are counted as at this instant.
    """
    over_w = platform.array_w * around.array_ratio + platform.grid_w - platform.bus_w - compute_w
    full = state.battery_j >= platform.battery_j
    charge_w = np.where(full, 0.0, np.clip(over_w, 0, platform.battery_w))
    discharge_w = np.clip(-over_w, 0, platform.battery_w)
    lost_w = charge_w * (1 - platform.charge_ratio) + discharge_w * (1 / platform.discharge_ratio - 1)
    heat_w = platform.bus_w + compute_w + lost_w + around.absorbed_w
    rest_k, now_k = at_rest(platform, heat_w), state.temperature_k
    warms = (rest_k > platform.warning_k) & (now_k < platform.warning_k)
    low = np.log(np.where(warms, rest_k - platform.warning_k, 1.0))
    high = np.log(np.where(warms, rest_k - now_k, 1.0))
    u = (low + high)[:, None] / 2 + (high - low)[:, None] / 2 * _NODES
    below_k = np.exp(u)  # how far below the temperature of rest
    b, g = platform.radiation_w_per_k4, platform.conductance_w_per_k
    t, r = rest_k[:, None] - below_k, rest_k[:, None]
    per_k = b * (r + t) * (r**2 + t**2) + g  # (heat - radiated) / (T_rest - T), with nothing that cancels
    seconds = platform.heat_capacity_j_per_k * (high - low) / 2 * ((1 / per_k) @ _WEIGHTS)
    return np.asarray(np.where(warms, seconds, np.where(now_k >= platform.warning_k, 0.0, np.inf)))
