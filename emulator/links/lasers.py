"""The lasers of an instant: the pattern's pairs that see each other, are in range, and whose link closes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..epoch import Bool, Float64, Int32, Int64
from ..orbit import Fleet
from ..scenario import Scenario
from .budget import rate_bps
from .closure import gaps
from .pattern import nearest_neighbours, plus_grid
from .presets import terminal
from .visibility import clears_earth, longest_chord_km


@dataclass(frozen=True, eq=False)
class Lasers:
    """``pairs``, (m, 2) int32, a < b, sorted; ``rate_bps``, (m,) int64, the same both ways."""

    pairs: Int32
    rate_bps: Int64


class LaserMesh:
    """What of a constellation is joined by lasers.

    Cross-plane lasers are those between satellites of different planes; above
    a latitude (geocentric, which differs from geodetic by up to 0.2°) they are
    off where either end is above it, if the scenario says so.
    """

    def __init__(self, scenario: Scenario, fleet: Fleet) -> None:
        """ScenarioError for an unknown terminal, and for a +grid that needs more terminals than there are."""
        self._lasers = scenario.lasers
        self._terminal = terminal(scenario.lasers.terminal)
        self._plane = fleet.plane
        limits = (scenario.lasers.max_range_km, self._terminal.max_range_km)
        self._max_range_km = min((limit for limit in limits if limit is not None), default=np.inf)
        #: what of the pattern cannot be closed, a sentence each
        self.gaps: list[str] = []
        self._grid = np.empty((0, 2), np.int32)
        if self._lasers.pattern == "+grid":
            self._grid, _ = plus_grid(fleet.shells)
            self.gaps = gaps(fleet.shells)
            needed = int(np.bincount(self._grid.ravel(), minlength=1).max())
            if needed > self._lasers.terminals:
                raise scenario.error(
                    f"+grid needs {needed} laser terminals on a satellite here, and it has "
                    f'{self._lasers.terminals}: write at least {needed}, or pattern = "nearest"',
                    "lasers",
                    "terminals",
                )

    def at(self, satellite_itrs_km: Float64) -> Lasers:
        """The lasers between (n, 3) float64 positions."""
        if self._lasers.pattern == "nearest":
            farthest_km = float(
                np.sqrt(np.einsum("ij,ij->i", satellite_itrs_km, satellite_itrs_km).max(initial=0.0))
            )
            # a nanometre in a metre more, so that rounding does not cut what is just in sight
            in_sight_km = longest_chord_km(farthest_km, self._lasers.grazing_altitude_km) * (1 + 1e-9)

            def joinable(pairs: Int64, range_km: Float64) -> Bool:
                return self._rates(satellite_itrs_km, pairs, range_km) > 0

            pairs = nearest_neighbours(
                satellite_itrs_km, self._lasers.terminals, min(self._max_range_km, in_sight_km), joinable
            )
        else:
            pairs = self._grid
        along = satellite_itrs_km[pairs[:, 1]] - satellite_itrs_km[pairs[:, 0]]
        rates = self._rates(satellite_itrs_km, pairs, np.sqrt(np.einsum("ij,ij->i", along, along)))
        return Lasers(pairs[rates > 0], rates[rates > 0])

    def _rates(self, satellite_itrs_km: Float64, pairs: Int32 | Int64, range_km: Float64) -> Int64:
        """(m,) int64, bit/s; 0 where there is no laser."""
        a, b = satellite_itrs_km[pairs[:, 0]], satellite_itrs_km[pairs[:, 1]]
        there = (range_km <= self._max_range_km) & clears_earth(a, b, self._lasers.grazing_altitude_km)
        limit_rad = self._lasers.cross_plane_max_latitude_rad
        if limit_rad is not None:
            sine = np.abs(satellite_itrs_km[:, 2]) / np.linalg.norm(satellite_itrs_km, axis=1)
            same_plane = self._plane[pairs[:, 0]] == self._plane[pairs[:, 1]]
            there &= same_plane | (sine[pairs] <= np.sin(limit_rad)).all(axis=1)
        return np.where(there, rate_bps(self._terminal, range_km), 0)
