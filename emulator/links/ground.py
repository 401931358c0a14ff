"""Which satellites a ground station is linked to.

``nearest`` depends on the instant alone.  ``longest-visibility`` holds a
satellite until it sets and then takes the one that will stay longest: what it
chooses depends on what it held, which is passed in and handed back.

An epoch holds the chosen links only.  With make-before-break the emulated
network keeps a link that was given up for the scenario's overlap after the
routes have moved; physically it is still there, a little below the mask.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..epoch import Bool, Float64, Int64
from ..errors import ScenarioError
from ..scenario.model import Ground
from .visibility import sine_of_elevation

Held = tuple[tuple[int, ...], ...]  # per station, the satellites it is linked to, rising

# (times since now in ns) -> satellite positions (n, t, 3), ITRS, km
Propagate = Callable[[Int64], Float64]

_LOOK_AHEAD_STEP_NS = 20_000_000_000
_LOOK_AHEAD_STEPS = 90  # half an hour: longer than a pass below 2,000 km


@dataclass(frozen=True, eq=False)
class Stations:
    """The stations as arrays: (m, 3) positions and zeniths (ITRS, km), and (m,) limits."""

    names: tuple[str, ...]
    position_km: Float64
    zenith: Float64
    sine_min_elevation: Float64
    max_slant_range_km: Float64
    antennas: tuple[int, ...]

    @classmethod
    def of(cls, ground: Ground, position_km: Float64, zenith: Float64) -> Stations:
        sines, ranges = [], []
        for station in ground.stations:
            elevation = station.min_elevation_rad
            slant = station.max_slant_range_km
            elevation = ground.min_elevation_rad if elevation is None else elevation
            slant = ground.max_slant_range_km if slant is None else slant
            if elevation is None and slant is None:
                raise ScenarioError(
                    f"station {station.name!r} has neither an elevation mask nor a slant-range limit: "
                    "give min-elevation or max-slant-range",
                    key="ground",
                )
            # a slant-range limit alone still needs the satellite above the horizon
            sines.append(0.0 if elevation is None else np.sin(elevation))
            ranges.append(np.inf if slant is None else slant)
        return cls(
            names=tuple(station.name for station in ground.stations),
            position_km=position_km.reshape(-1, 3),
            zenith=zenith.reshape(-1, 3),
            sine_min_elevation=np.array(sines, np.float64),
            max_slant_range_km=np.array(ranges, np.float64),
            antennas=tuple(station.antennas or ground.antennas for station in ground.stations),
        )

    def look(self, satellite_km: Float64) -> tuple[Float64, Bool, Float64]:
        """Slant ranges (m, n) km, who is visible (m, n), and sin(elevation) (m, n), for (n, 3) positions."""
        to_km = satellite_km[None, :, :] - self.position_km[:, None, :]
        range_km = np.sqrt(np.einsum("ijk,ijk->ij", to_km, to_km))
        sine = sine_of_elevation(self.zenith[:, None, :], to_km, range_km)
        seen = (sine >= self.sine_min_elevation[:, None]) & (range_km <= self.max_slant_range_km[:, None])
        return range_km, seen, sine


def select_nearest(stations: Stations, satellite_km: Float64) -> Held:
    """Per station, the nearest visible satellites, as many as it has antennas (ties by index)."""
    range_km, seen, _ = stations.look(satellite_km)
    held = []
    for station, antennas in enumerate(stations.antennas):
        visible = np.flatnonzero(seen[station])
        order = np.argsort(range_km[station, visible], kind="stable")[:antennas]
        held.append(tuple(sorted(visible[order].tolist())))
    return tuple(held)


def select_longest(stations: Stations, satellite_km: Float64, held: Held, propagate: Propagate) -> Held:
    """Keep what is still visible; fill free antennas with whoever stays longest from now.

    Remaining visibility is sampled every 20 s, half an hour ahead; of two that
    stay equally long by that measure the nearer is taken.
    """
    range_km, seen, _ = stations.look(satellite_km)
    kept = [tuple(s for s in held[i] if seen[i, s]) for i in range(len(stations.names))]
    open_stations = [
        i
        for i, antennas in enumerate(stations.antennas)
        if len(kept[i]) < antennas and seen[i].sum() > len(kept[i])
    ]
    if not open_stations:
        return tuple(kept)
    remaining = _remaining_steps(stations, open_stations, seen, propagate)
    for i in open_stations:
        choice = [s for s in np.flatnonzero(seen[i]).tolist() if s not in kept[i]]
        choice.sort(key=lambda s: (-remaining[i][s], range_km[i, s]))
        kept[i] = tuple(sorted((*kept[i], *choice[: stations.antennas[i] - len(kept[i])])))
    return tuple(kept)


def _remaining_steps(
    stations: Stations, rows: Sequence[int], seen: Bool, propagate: Propagate
) -> dict[int, dict[int, int]]:
    """For each station of ``rows`` and each satellite it sees: for how many steps from now it stays visible."""
    ahead_ns = np.arange(1, _LOOK_AHEAD_STEPS + 1, dtype=np.int64) * _LOOK_AHEAD_STEP_NS
    position_km = propagate(ahead_ns)
    found: dict[int, dict[int, int]] = {}
    for i in rows:
        satellites = np.flatnonzero(seen[i])
        to_km = position_km[satellites] - stations.position_km[i]
        range_km = np.linalg.norm(to_km, axis=-1)
        sine = sine_of_elevation(stations.zenith[i], to_km, range_km)
        stays = (sine >= stations.sine_min_elevation[i]) & (range_km <= stations.max_slant_range_km[i])
        until_set = np.where(stays.all(axis=1), len(ahead_ns), np.argmin(stays, axis=1))
        found[i] = dict(zip(satellites.tolist(), until_set.tolist(), strict=True))
    return found
