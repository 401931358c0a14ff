"""The one place that follows the power and heat of all satellites, from epoch to epoch.  Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import TypeVar

import numpy as np

from ..epoch import NS_PER_S, Float64, Int64, Platforms
from ..orbit import sun_itrs_au
from ..presets import Preset, preset
from ..scenario.platforms import STEADY
from ..scenario.satellite import ShellPlatform
from .advance import Outputs, State, advance
from .load import Accelerators, Draws, Load, LoadModel
from .parameters import Platform
from .surroundings import Surroundings, surroundings

_Arrays = TypeVar("_Arrays", Platforms, State, Surroundings)

EARTH_ROTATION_RAD_PER_S = 7.292_115e-5  # WGS84
_AN_INSTANT_S = 1e-3  # the step of what has no step before it
_TURN_STEP_S, _TURN_STEPS = 120.0, 50  # the turn before the start: at 600 km it takes 97 minutes


def chosen(section: ShellPlatform) -> tuple[Preset, Platform]:
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
    """Satellites in order: so many of each section, one after the other.

    ``customers_hours`` shapes the load where a section does not; ``cards`` are the modelled accelerators
    of each of the satellites ``hosts``, rising, which may report what they draw.
    """

    def __init__(
        self,
        shells: Sequence[tuple[ShellPlatform, int]],
        start_unix_ns: int,
        dut1_s: float,
        *,
        customers_hours: Sequence[float] = STEADY,
        cards: Accelerators | None = None,
        hosts: Sequence[int] = (),
    ) -> None:
        self._start_unix_ns, self._dut1_s, self._cards = start_unix_ns, dut1_s, cards
        of = np.array(hosts, np.int64)
        self.kinds: list[Kind] = []
        first = end = 0
        for place, (section, n) in enumerate(shells):
            end += n
            if place + 1 < len(shells) and shells[place + 1][0] == section:
                continue  # alike: computed together
            self.kinds.append(
                Kind(section, first, end, customers_hours, of[(of >= first) & (of < end)] - first)
            )
            first = end

    def at(
        self,
        before: Kept | None,
        sim_ns: int,
        position_itrs_km: Float64,
        velocity_itrs_km_per_s: Float64,
        draws: Draws | None = None,
    ) -> tuple[Platforms, Kept]:
        """At an instant, by (n, 3) places and velocities, Earth-fixed.

        Over the step from ``before`` all around is taken as the mean of its two ends, the load as at this
        end, or as ``draws`` tell it.
        """
        now = _Now(sim_ns, self._start_unix_ns + sim_ns, self._sun_au(sim_ns))
        made = []
        for kind in self.kinds:
            rows = slice(kind.first, kind.end)
            where = _Where(now, position_itrs_km[rows], velocity_itrs_km_per_s[rows])
            old = None if before is None else _rows_of(before, rows)
            made.append(kind.at(old, where, _within(draws, kind), self._cards))
        if len(made) == 1:
            return made[0]
        return _joined(Platforms, [each[0] for each in made]), Kept(
            sim_ns,
            _joined(State, [each[1].state for each in made]),
            _joined(Surroundings, [each[1].around for each in made]),
        )

    def offered_w(
        self, satellites: Int64, sim_ns: int, position_itrs_km: Float64, velocity_itrs_km_per_s: Float64
    ) -> Float64:
        """(u,) W from arrays and the grid, of some satellites at (u, 3) places at an instant."""
        now = _Now(sim_ns, self._start_unix_ns + sim_ns, self._sun_au(sim_ns))
        found = np.empty(len(satellites))
        for kind in self.kinds:
            of = (satellites >= kind.first) & (satellites < kind.end)
            if of.any():
                found[of] = kind.offered_w(_Where(now, position_itrs_km[of], velocity_itrs_km_per_s[of]))
        return found

    def of_each(self, what: Callable[[Platform], float]) -> Float64:
        """(n,) a figure of each satellite's platform."""
        return np.repeat([what(kind.platform) for kind in self.kinds], [len(kind) for kind in self.kinds])

    def _sun_au(self, sim_ns: int) -> Float64:
        at = np.array([self._start_unix_ns + sim_ns], np.int64)
        return np.asarray(sun_itrs_au(at, self._dut1_s)[0])


@dataclass(frozen=True, eq=False)
class _Now:
    sim_ns: int
    unix_ns: int
    sun_au: Float64


@dataclass(frozen=True, eq=False)
class _Where:
    """(n, 3) each, of satellites of a kind."""

    now: _Now
    position_km: Float64
    velocity_km_per_s: Float64


class Kind:
    """Satellites ``first`` to ``end - 1``, which are alike: one platform, one load."""

    def __init__(
        self,
        section: ShellPlatform,
        first: int,
        end: int,
        customers_hours: Sequence[float],
        hosts: Int64 | None = None,
    ) -> None:
        """``hosts`` counted from ``first``."""
        self.section, self.first, self.end = section, first, end
        self._hosts = np.empty(0, np.int64) if hosts is None else hosts
        self.preset, self.platform = chosen(section)
        self.load = LoadModel.of(section, self.platform, customers_hours)

    def __len__(self) -> int:
        return self.end - self.first

    @property
    def load_kind(self) -> str:
        """Of the load's mean: the scenario's own, or of the kind of the preset's."""
        section = self.section
        stated = section.demand_w is not None or section.utilisation_ratio is not None
        return "own" if stated else self.preset.figures["average-power"].kind

    @property
    def load_hours(self) -> str:
        """Whose hours shape the load: "none", where it is steady, "own" or "customers"."""
        if self.load.hourly_w is None:
            return "none"
        return "customers" if self.section.hours is None else "own"

    def at(
        self, before: Kept | None, where: _Where, draws: Draws | None, cards: Accelerators | None
    ) -> tuple[Platforms, Kept]:
        now, platform = where.now, self.platform
        around = self._around(where)
        load = Load.modelled(self.load.at(now.unix_ns, where.position_km), self._hosts, platform)
        if before is None:
            state = self._begin(where)
            _, out = advance(platform, state, around, load.drawn_w, _AN_INSTANT_S, most_w=load.most_w)
        else:
            if draws is not None and cards is not None:
                load = Load.with_draws(load.drawn_w, self._hosts, draws, cards, platform)
            dt_s = (now.sim_ns - before.sim_ns) / NS_PER_S
            state, out = advance(
                platform, before.state, before.around.between(around), load.drawn_w, dt_s, most_w=load.most_w
            )
        return _platforms(state, around, load, out), Kept(now.sim_ns, state, around)

    def offered_w(self, where: _Where) -> Float64:
        return self._around(where).array_ratio * self.platform.array_w + self.platform.grid_w

    def _around(self, where: _Where) -> Surroundings:
        velocity = None
        if self.section.pointing == "orbit-normal":
            velocity = _inertial(where.position_km, where.velocity_km_per_s)
        return self._in_the_sun(where.now.sun_au, where.position_km, velocity)

    def _in_the_sun(self, sun_au: Float64, position_km: Float64, velocity: Float64 | None) -> Surroundings:
        return surroundings(self.platform, position_km, sun_au, self.section.pointing, velocity)

    def _begin(self, where: _Where) -> State:
        """As the turn before leaves it, where the scenario does not say: on a circle, with the Sun at rest.

        It begins full and warm, and after a turn hardly anything is left of that: heat comes and goes in a
        quarter of an hour.
        """
        platform, section, n = self.platform, self.section, len(self)
        now, position_km = where.now, where.position_km
        velocity = _inertial(position_km, where.velocity_km_per_s)
        radius_km = np.linalg.norm(position_km, axis=1)[:, None]
        normal = np.cross(position_km, velocity)
        rate = np.linalg.norm(normal, axis=1)[:, None] / radius_km**2
        ahead = np.cross(normal / np.linalg.norm(normal, axis=1)[:, None], position_km)
        turns = section.pointing == "orbit-normal"
        state = State(np.full(n, platform.battery_j), np.full(n, platform.warning_k))
        for left in range(_TURN_STEPS, 0, -1):
            angle = -rate * (left - 0.5) * _TURN_STEP_S
            place = np.cos(angle) * position_km + np.sin(angle) * ahead
            going = np.cross(normal, place) / radius_km**2 if turns else None
            around = self._in_the_sun(now.sun_au, place, going)
            load_w = self.load.at(now.unix_ns, place)
            state, _ = advance(platform, state, around, load_w, _TURN_STEP_S, _TURN_STEP_S)
        if section.charge_ratio is not None:
            state = State(np.full(n, platform.battery_j * section.charge_ratio), state.temperature_k)
        if section.temperature_k is not None:
            state = State(state.battery_j, np.full(n, section.temperature_k))
        return state


def _platforms(state: State, around: Surroundings, load: Load, out: Outputs) -> Platforms:
    return Platforms(
        sunlit_ratio=around.sunlit_ratio.astype(np.float32),
        battery_j=state.battery_j.astype(np.float32),
        temperature_k=state.temperature_k.astype(np.float32),
        demand_w=load.asked_w.astype(np.float32),
        compute_w=out.compute_w.astype(np.float32),
        power_w=(out.bus_w + out.compute_w).astype(np.float32),
        capacity_ratio=out.capacity_ratio.astype(np.float32),
        cause=out.cause,
        measured=load.measured,
    )


def _within(draws: Draws | None, kind: Kind) -> Draws | None:
    if draws is None:
        return None
    some = slice(*np.searchsorted(draws.satellites, [kind.first, kind.end]).tolist())
    return Draws(draws.satellites[some] - kind.first, draws.drawn_w[some], draws.asked_w[some])


def _rows_of(kept: Kept, rows: slice) -> Kept:
    state = State(*(getattr(kept.state, field.name)[rows] for field in fields(State)))
    around = Surroundings(*(getattr(kept.around, field.name)[rows] for field in fields(Surroundings)))
    return Kept(kept.sim_ns, state, around)


def _joined(made: type[_Arrays], parts: Sequence[_Arrays]) -> _Arrays:
    """Dataclasses of (n,) arrays, one after the other."""
    return made(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(made)))


def _inertial(position_itrs_km: Float64, velocity_itrs_km_per_s: Float64) -> Float64:
    """Velocities as one who does not turn with the Earth sees them."""
    turn = np.array([0.0, 0.0, EARTH_ROTATION_RAD_PER_S])
    return np.asarray(velocity_itrs_km_per_s + np.cross(turn, position_itrs_km))
