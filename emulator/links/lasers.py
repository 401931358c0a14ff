"""The lasers of an instant: the pattern's pairs that see each other, are in range, and whose link closes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..arrays import pair_keys
from ..compiled import f64, function, i32, i64, size
from ..constants import EARTH_RADIUS_KM
from ..epoch import UNUSED, Bool, Float64, Int32, Int64, UInt8
from ..orbit import Fleet
from ..scenario import Scenario
from . import terminals
from .between_shells import Junctions, Partners
from .blocked import never_there
from .budget import budget
from .closure import gaps
from .offset import offset_grid
from .pattern import nearest_neighbours, plus_grid
from .presets import terminal
from .visibility import longest_chord_km

_WITH_DIAGONALS = 8  # terminals of a satellite from which on a formation's grid has them

_lasers_between = function("lasers_between", f64, size, f64, size, i32, f64, i32, i64)


@dataclass(frozen=True, eq=False)
class Held:
    """What the lasers of the next instant follow from."""

    neighbour: Int32  # (n_satellites, terminals), of the pattern "nearest"
    partners: Partners


@dataclass(frozen=True, eq=False)
class Lasers:
    """``pairs``, (m, 2) int32, a < b, sorted; ``rate_bps``, (m,) int64, the same both ways.

    ``terminals``, (m, 2) uint8: of all of a satellite's, the one that is
    pointed at the other end.
    """

    pairs: Int32
    rate_bps: Int64
    terminals: UInt8
    held: Held

    def only(self, rows: Int64) -> Lasers:
        """(k,) rising."""
        if len(rows) == len(self.pairs):
            return self
        pairs, terminals = self.pairs.take(rows, 0), self.terminals.take(rows, 0)
        return Lasers(pairs, self.rate_bps.take(rows), terminals, self.held)


class LaserMesh:
    """What of a constellation is joined by lasers.

    Cross-plane lasers are those between satellites of different planes; above
    a latitude (geocentric, which differs from geodetic by up to 0.2°) they are
    off where either end is above it, if the scenario says so.

    ``laser_slots``: how many terminals a satellite may have, those of
    junctions between shells included.
    """

    laser_slots: int

    def __init__(self, scenario: Scenario, fleet: Fleet) -> None:
        """ScenarioError for an unknown terminal, and for a +grid that needs more terminals than there are."""
        self._lasers = lasers = scenario.lasers
        optics = terminal(lasers.terminal)
        self._plane = fleet.plane
        limits = (lasers.max_range_km, optics.max_range_km)
        self.max_range_km = min((limit for limit in limits if limit is not None), default=np.inf)
        at_1_m_bps, ceiling_bps, self._ladder_bps = budget(optics)
        limit_rad = lasers.cross_plane_max_latitude_rad
        self._optics = np.array(
            [
                self.max_range_km,
                EARTH_RADIUS_KM + lasers.grazing_altitude_km,
                np.inf if limit_rad is None else np.sin(limit_rad),
                at_1_m_bps,
                ceiling_bps,
            ]
        )
        #: what of the pattern cannot be closed, a sentence each
        self.gaps: list[str] = []
        #: which slots +grid joins across planes, a sentence each shell
        self.offsets: tuple[str, ...] = ()
        self._grid, self._grid_terminals = np.empty((0, 2), np.int32), np.empty((0, 2), np.uint8)
        if lasers.pattern == "+grid":
            grid = offset_grid(fleet, lasers.cross_plane_offset)
            self.offsets = grid.chosen
            self._grid, self._grid_terminals = plus_grid(
                grid.shells, diagonals=lasers.terminals >= _WITH_DIAGONALS
            )
            self.gaps = gaps(fleet.shells)
            needed = int(np.bincount(self._grid.ravel(), minlength=1).max())
            if needed > lasers.terminals:
                raise scenario.error(
                    f"+grid needs {needed} laser terminals on a satellite here, and it has "
                    f'{lasers.terminals}: write at least {needed}, or pattern = "nearest"',
                    "lasers",
                    "terminals",
                )
        self.gaps += never_there(fleet, self._grid, self._rates, lasers.grazing_altitude_km)
        self.laser_slots = terminals.laser_slots(lasers)
        self._junctions: Junctions | None = None
        if lasers.junction_every is not None:
            if len(fleet.shells) < 2:
                raise scenario.error(
                    "junctions join a shell to the next one, and there is one shell: add another, or leave "
                    "junction-every out",
                    "lasers",
                    "junction-every",
                )
            self._junctions = Junctions(fleet.shells, lasers.junction_every)

    def nothing_held(self) -> Held:
        rows = len(self._plane) if self._lasers.pattern == "nearest" else 0
        return Held(
            np.full((rows, self._lasers.terminals), UNUSED, np.int32),
            () if self._junctions is None else self._junctions.nothing_held(),
        )

    def at(self, satellite_itrs_km: Float64, held: Held | None = None) -> Lasers:
        """The lasers between (n, 3) float64 positions; ``held`` of the instant before, None: of nothing."""
        held = self.nothing_held() if held is None else held
        neighbour, partners = held.neighbour, held.partners
        pairs, at = self._grid, self._grid_terminals
        if self._lasers.pattern == "nearest":
            pairs = self._nearest(satellite_itrs_km)
            at, neighbour = terminals.follow(pairs, neighbour)
        if self._junctions is not None:
            between, partners = self._junctions.at(
                satellite_itrs_km,
                self._reach_km(satellite_itrs_km),
                partners,
                lambda pairs, _: self._rates(satellite_itrs_km, pairs) > 0,
            )
            terminal = terminals.junction_terminal(self._lasers)
            row = np.searchsorted(pair_keys(*pairs.T), pair_keys(*between.T))
            pairs = _insert(pairs, row, between, np.int64)
            at = _insert(at, row, np.full((len(between), 2), terminal, np.uint8), np.uint16)
        rates = self._rates(satellite_itrs_km, pairs)
        return Lasers(pairs, rates, at, Held(neighbour, partners)).only(np.flatnonzero(rates))

    def _nearest(self, satellite_itrs_km: Float64) -> Int32:
        def joinable(pairs: Int64, range_km: Float64) -> Bool:
            return self._rates(satellite_itrs_km, pairs) > 0

        reach_km = self._reach_km(satellite_itrs_km)
        return nearest_neighbours(satellite_itrs_km, self._lasers.terminals, reach_km, joinable)

    def _reach_km(self, satellite_itrs_km: Float64) -> float:
        """Beyond this no laser is looked for: its range, or the horizon of the highest."""
        farthest_km = float(
            np.sqrt(np.einsum("ij,ij->i", satellite_itrs_km, satellite_itrs_km).max(initial=0.0))
        )
        # a nanometre in a metre more, so that rounding does not cut what is just in sight
        in_sight_km = longest_chord_km(farthest_km, self._lasers.grazing_altitude_km) * (1 + 1e-9)
        return float(min(self.max_range_km, in_sight_km))

    def _rates(self, satellite_itrs_km: Float64, pairs: Int32 | Int64) -> Int64:
        """(m,) int64, bit/s; 0 where there is no laser."""
        pairs = np.ascontiguousarray(pairs, np.int32)
        rates = np.empty(len(pairs), np.int64)
        position_km = np.ascontiguousarray(satellite_itrs_km)
        ladder_bps = self._ladder_bps
        _lasers_between(
            self._optics, len(ladder_bps), ladder_bps, len(pairs), pairs, position_km, self._plane, rates
        )
        return rates


def _insert(into: NDArray[Any], row: Int64, more: NDArray[Any], both: DTypeLike) -> NDArray[Any]:
    """Rows of two, put in before those of ``row``; as one number of kind ``both`` they move at once."""
    whole = np.insert(into.view(both)[:, 0], row, np.ascontiguousarray(more).view(both)[:, 0])
    return whole.view(into.dtype).reshape(-1, 2)
