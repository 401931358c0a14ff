"""Who sees whom: satellites past the Earth's limb, and from the ground above a mask or within a range.

Satellites look past a sphere of the Earth's equatorial radius plus a grazing
altitude: towards the poles that is up to 21 km too strict, never too lax.
Light goes straight: the air's refraction is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..compiled import f64, function, i32, real, size, u8
from ..constants import EARTH_RADIUS_KM
from ..epoch import Bool, Float64, Int32, Int64
from ..scenario.model import Ground

_SATELLITES_OF_A_BOX = 16  # as in src/sight.c

_chords_clear = function("chords_clear", size, f64, f64, real, u8)
_in_sight = function(
    "in_sight", size, f64, size, f64, f64, f64, f64, f64, size, i32, i32, f64, f64, result=size
)


def clears_earth(a_itrs_km: Float64, b_itrs_km: Float64, grazing_altitude_km: float) -> Bool:
    """(n,) bool: whether chords between (n, 3) and (n, 3) float64, km, stay above the grazing altitude."""
    a, b = np.ascontiguousarray(a_itrs_km), np.ascontiguousarray(b_itrs_km)
    is_clear = np.empty(len(a), np.uint8)
    _chords_clear(len(a), a, b, EARTH_RADIUS_KM + grazing_altitude_km, is_clear)
    return is_clear.astype(np.bool_)


def longest_chord_km(radius_km: float, grazing_altitude_km: float) -> float:
    """The longest link between two satellites at most this far from the Earth's centre; 0 below the limit."""
    squared = radius_km**2 - (EARTH_RADIUS_KM + grazing_altitude_km) ** 2
    return float(2 * np.sqrt(max(squared, 0.0)))


@dataclass(frozen=True, eq=False)
class Look:
    """Satellites as stations see them; (m, n) arrays: slant range, sine of the elevation, whether visible."""

    range_km: Float64
    sine_elevation: Float64
    visible: Bool


@dataclass(frozen=True, eq=False)
class Sight:
    """Pairs of a station and a satellite that it sees, by station, then satellite.

    Station s sees ``satellite[first[s] : first[s + 1]]`` at ``range_km``;
    ``first`` is (m + 1,), the others are (p,).
    """

    first: Int64
    satellite: Int32
    range_km: Float64
    sine_elevation: Float64

    def of(self, station: int) -> tuple[Int32, Float64]:
        """(q,) satellites, rising, and their slant ranges."""
        rows = slice(int(self.first[station]), int(self.first[station + 1]))
        return self.satellite[rows], self.range_km[rows]

    def nearest(self, most: int) -> Sight:
        """Of each station the nearest only, at most so many."""
        count = np.diff(self.first)
        if count.max(initial=0) <= most:
            return self
        station = np.repeat(np.arange(len(count)), count)
        order = np.lexsort((self.satellite, self.range_km, station))
        rank = np.arange(len(order)) - self.first[station[order]]
        kept = np.sort(order[rank < most])
        first = np.append(0, np.cumsum(np.minimum(count, most)))
        return Sight(first, self.satellite[kept], self.range_km[kept], self.sine_elevation[kept])


@dataclass(frozen=True, eq=False)
class Stations:
    """Ground stations as arrays, their own limits over those for all.

    ``position_itrs_km`` and ``zenith_itrs`` (m, 3) float64; ``sine_mask`` and
    ``max_slant_range_km`` (m,) float64.  A satellite is visible where both
    limits hold; one that is not given does not limit, but a satellite below
    the horizon is never visible.
    """

    names: tuple[str, ...]
    position_itrs_km: Float64
    zenith_itrs: Float64
    sine_mask: Float64
    max_slant_range_km: Float64
    antennas: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.names)

    @classmethod
    def of(cls, ground: Ground, position_itrs_km: Float64, zenith_itrs: Float64) -> Stations:
        """The scenario's stations at their (m, 3) places."""
        masks_rad = [
            ground.min_elevation_rad if station.min_elevation_rad is None else station.min_elevation_rad
            for station in ground.stations
        ]
        ranges_km = [
            ground.max_slant_range_km if station.max_slant_range_km is None else station.max_slant_range_km
            for station in ground.stations
        ]
        return cls(
            names=tuple(station.name for station in ground.stations),
            position_itrs_km=position_itrs_km.reshape(-1, 3),
            zenith_itrs=zenith_itrs.reshape(-1, 3),
            sine_mask=np.sin([0.0 if mask is None else mask for mask in masks_rad]),
            max_slant_range_km=np.array(
                [np.inf if limit is None else limit for limit in ranges_km], np.float64
            ),
            antennas=tuple(station.antennas or ground.antennas for station in ground.stations),
        )

    def subset(self, rows: Sequence[int]) -> Stations:
        index = np.asarray(rows, np.int64)
        return Stations(
            tuple(self.names[row] for row in rows),
            self.position_itrs_km[index],
            self.zenith_itrs[index],
            self.sine_mask[index],
            self.max_slant_range_km[index],
            tuple(self.antennas[row] for row in rows),
        )

    def look(self, satellite_itrs_km: Float64) -> Look:
        """What (n, 3) float64 positions look like from here; a position of NaN is not visible."""
        to_satellite_km = satellite_itrs_km[None, :, :] - self.position_itrs_km[:, None, :]
        range_km = np.sqrt(np.einsum("mnj,mnj->mn", to_satellite_km, to_satellite_km))
        sine = np.einsum("mj,mnj->mn", self.zenith_itrs, to_satellite_km) / np.maximum(range_km, 1e-9)
        visible = (sine >= self.sine_mask[:, None]) & (range_km <= self.max_slant_range_km[:, None])
        return Look(range_km, sine, visible)

    def sight(self, satellite_itrs_km: Float64) -> Sight:
        """As ``look`` of (n, 3) positions, but only those that are visible: for a million satellites."""
        position_km = np.ascontiguousarray(satellite_itrs_km)
        n = len(position_km)
        boxes = np.empty((n // _SATELLITES_OF_A_BOX + 1, 6))
        room = 1024 + n * len(self) // 50  # in low orbit a station sees some 1 % of a shell
        while True:
            station, satellite = np.empty(room, np.int32), np.empty(room, np.int32)
            range_km, sine = np.empty(room), np.empty(room)
            found = _in_sight(
                n, position_km, len(self), self.position_itrs_km, self.zenith_itrs, self.sine_mask,
                self.max_slant_range_km, boxes, room, station, satellite, range_km, sine,
            )  # fmt: skip
            if found <= room:
                break
            room = found
        first = np.searchsorted(station[:found], np.arange(len(self) + 1))
        return Sight(first, satellite[:found], range_km[:found], sine[:found])

    def margin(self, rows: Int64, satellite_itrs_km: Float64) -> Float64:
        """By how much each of (p,) stations sees the position beside it, (p, ..., 3): visible where >= 0.

        The smaller of sine of elevation above the mask, and of range left as a
        share of the limit: continuous in time, so that a setting can be bisected.
        """
        extra = (slice(None), *(None,) * (satellite_itrs_km.ndim - 2))
        to_satellite_km = satellite_itrs_km - self.position_itrs_km[rows][(*extra, slice(None))]
        range_km = np.sqrt(np.einsum("...j,...j->...", to_satellite_km, to_satellite_km))
        sine = np.einsum(
            "...j,...j->...", self.zenith_itrs[rows][(*extra, slice(None))], to_satellite_km
        ) / np.maximum(range_km, 1e-9)
        limit_km = self.max_slant_range_km[rows][extra]
        left = np.where(np.isinf(limit_km), np.inf, 1 - range_km / limit_km)
        return np.asarray(np.minimum(sine - self.sine_mask[rows][extra], left))
