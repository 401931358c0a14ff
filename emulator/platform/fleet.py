"""The one place that follows the power and heat of all satellites, from epoch to epoch.  Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..epoch import NS_PER_S, Float64, Platforms
from ..orbit import sun_itrs_au
from ..presets import Preset, preset
from ..scenario import model
from .advance import State, advance
from .parameters import Platform
from .surroundings import Surroundings, surroundings

EARTH_ROTATION_RAD_PER_S = 7.292_115e-5  # WGS84
_AN_INSTANT_S = 1e-3  # the step of what has no step before it
_TURN_STEP_S, _TURN_STEPS = 120.0, 50  # the turn before the start: at 600 km it takes 97 minutes


def chosen(section: model.Platform) -> tuple[Preset, Platform]:
    """What a scenario says: its preset with its own figures; InputError for what is wrong."""
    named = preset("platform", section.preset).with_own(section.figures)
    return named, Platform.of(named)


@dataclass(frozen=True, eq=False)
class Kept:
    """What the next instant follows from."""

    sim_ns: int
    state: State
    around: Surroundings


class FleetPlatforms:
    """``platform`` and ``preset``: what all satellites are; ``demand_w``: what each would draw unasked."""

    def __init__(self, section: model.Platform, n_satellites: int, start_unix_ns: int, dut1_s: float) -> None:
        self.preset, self.platform = chosen(section)
        self.demand_w = self.platform.average_w if section.demand_w is None else section.demand_w
        self._section, self._n = section, n_satellites
        self._start_unix_ns, self._dut1_s = start_unix_ns, dut1_s

    def at(
        self,
        before: Kept | None,
        sim_ns: int,
        position_itrs_km: Float64,
        velocity_itrs_km_per_s: Float64,
        demand_w: Float64,
    ) -> tuple[Platforms, Kept]:
        """At an instant, by (n, 3) places and velocities, Earth-fixed, and (n,) W asked for since.

        Over the step from ``before`` all around is taken as the mean of its two ends.
        """
        around = self._around(sim_ns, position_itrs_km, velocity_itrs_km_per_s)
        if before is None:
            state = self._begin(sim_ns, position_itrs_km, velocity_itrs_km_per_s, demand_w)
            _, out = advance(self.platform, state, around, demand_w, _AN_INSTANT_S)
        else:
            dt_s = (sim_ns - before.sim_ns) / NS_PER_S
            state, out = advance(self.platform, before.state, before.around.between(around), demand_w, dt_s)
        found = Platforms(
            sunlit_ratio=around.sunlit_ratio.astype(np.float32),
            battery_j=state.battery_j.astype(np.float32),
            temperature_k=state.temperature_k.astype(np.float32),
            demand_w=demand_w.astype(np.float32),
            compute_w=out.compute_w.astype(np.float32),
            power_w=(out.bus_w + out.compute_w).astype(np.float32),
            capacity_ratio=out.capacity_ratio.astype(np.float32),
            cause=out.cause,
        )
        return found, Kept(sim_ns, state, around)

    def offered_w(self, sim_ns: int, position_itrs_km: Float64, velocity_itrs_km_per_s: Float64) -> Float64:
        """(n,) W from arrays and the grid, of satellites at (n, 3) places at an instant."""
        around = self._around(sim_ns, position_itrs_km, velocity_itrs_km_per_s)
        return around.array_ratio * self.platform.array_w + self.platform.grid_w

    def _around(
        self, sim_ns: int, position_itrs_km: Float64, velocity_itrs_km_per_s: Float64
    ) -> Surroundings:
        velocity = None
        if self._section.pointing == "orbit-normal":
            velocity = _inertial(position_itrs_km, velocity_itrs_km_per_s)
        return self._in_the_sun(self._sun_au(sim_ns), position_itrs_km, velocity)

    def _sun_au(self, sim_ns: int) -> Float64:
        at = np.array([self._start_unix_ns + sim_ns], np.int64)
        return np.asarray(sun_itrs_au(at, self._dut1_s)[0])

    def _in_the_sun(self, sun_au: Float64, position_km: Float64, velocity: Float64 | None) -> Surroundings:
        return surroundings(self.platform, position_km, sun_au, self._section.pointing, velocity)

    def _begin(
        self, sim_ns: int, position_km: Float64, velocity_itrs_km_per_s: Float64, demand_w: Float64
    ) -> State:
        """As the turn before leaves it, where the scenario does not say: on a circle, with the Sun at rest.

        It begins full and warm, and after a turn hardly anything is left of that: heat comes and goes in a
        quarter of an hour.
        """
        platform, section = self.platform, self._section
        velocity = _inertial(position_km, velocity_itrs_km_per_s)
        radius_km = np.linalg.norm(position_km, axis=1)[:, None]
        normal = np.cross(position_km, velocity)
        rate = np.linalg.norm(normal, axis=1)[:, None] / radius_km**2
        ahead = np.cross(normal / np.linalg.norm(normal, axis=1)[:, None], position_km)
        sun_au, turns = self._sun_au(sim_ns), section.pointing == "orbit-normal"
        state = State(np.full(self._n, platform.battery_j), np.full(self._n, platform.warning_k))
        for left in range(_TURN_STEPS, 0, -1):
            angle = -rate * (left - 0.5) * _TURN_STEP_S
            place = np.cos(angle) * position_km + np.sin(angle) * ahead
            going = np.cross(normal, place) / radius_km**2 if turns else None
            around = self._in_the_sun(sun_au, place, going)
            state, _ = advance(platform, state, around, demand_w, _TURN_STEP_S, _TURN_STEP_S)
        if section.charge_ratio is not None:
            state = State(np.full(self._n, platform.battery_j * section.charge_ratio), state.temperature_k)
        if section.temperature_k is not None:
            state = State(state.battery_j, np.full(self._n, section.temperature_k))
        return state


def _inertial(position_itrs_km: Float64, velocity_itrs_km_per_s: Float64) -> Float64:
    """Velocities as one who does not turn with the Earth sees them."""
    turn = np.array([0.0, 0.0, EARTH_ROTATION_RAD_PER_S])
    return np.asarray(velocity_itrs_km_per_s + np.cross(turn, position_itrs_km))
