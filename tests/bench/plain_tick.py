"""The work of a tick by plain numpy and scipy, to compare with.

Circular orbits; the lasers of an epoch's first instant, with their ranges and
lines of sight; the elevation of each satellite from each station, the highest
as many as it has antennas; and of that a sparse matrix, in which scipy's
Dijkstra goes out from each gateway.  That is less than the emulator does: no
slopes, rates or ports, no junctions that move, and a predecessor is no port yet.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra

from orbitmesh.emulator.constants import SPEED_OF_LIGHT_KM_PER_S
from orbitmesh.emulator.epoch import NS_PER_S, Epoch, LinkKind

EARTH_RAD_PER_S = 7.2921159e-5
EARTH_RADIUS_KM = 6378.137
CLEAR_OF_AIR_KM = 80.0

Float64 = NDArray[np.float64]


class PlainTick:
    """``velocity_km_per_s`` (n_satellites, 3) is in the Earth-fixed frame, as the epoch's positions are."""

    def __init__(
        self, epoch: Epoch, velocity_km_per_s: Float64, antennas: list[int], min_elevation_deg: list[float]
    ) -> None:
        n = len(velocity_km_per_s)
        at = epoch.positions_itrs_km[:n]
        self._station = epoch.positions_itrs_km[n:]
        self._zenith = self._station / np.linalg.norm(self._station, axis=1, keepdims=True)
        self._antennas, self._least_sine = antennas, np.sin(np.radians(min_elevation_deg))
        velocity = velocity_km_per_s + np.cross([0.0, 0.0, EARTH_RAD_PER_S], at)
        self._radius_km = np.linalg.norm(at, axis=1)
        self._ahead = at / self._radius_km[:, None]
        normal = np.cross(at, velocity)
        normal /= np.linalg.norm(normal, axis=1, keepdims=True)
        self._across = np.cross(normal, self._ahead)
        self._motion_rad_per_s = np.linalg.norm(velocity, axis=1) / self._radius_km
        is_laser = epoch.links.kind == LinkKind.LASER
        self._a, self._b = epoch.links.a[is_laser], epoch.links.b[is_laser]
        self._began_sim_ns = epoch.sim_ns

    def positions_km(self, sim_ns: int) -> Float64:
        elapsed_s = (sim_ns - self._began_sim_ns) / NS_PER_S
        turned = self._motion_rad_per_s * elapsed_s
        ahead, across = self._radius_km * np.cos(turned), self._radius_km * np.sin(turned)
        inertial = ahead[:, None] * self._ahead + across[:, None] * self._across
        cos, sin = np.cos(EARTH_RAD_PER_S * elapsed_s), np.sin(EARTH_RAD_PER_S * elapsed_s)
        x, y, z = inertial.T
        return np.stack([cos * x + sin * y, cos * y - sin * x, z], axis=1)

    def lasers(self, at_km: Float64) -> tuple[NDArray[np.int32], NDArray[np.int32], Float64]:
        a, b = at_km[self._a], at_km[self._b]
        between = b - a
        squared = np.einsum("ij,ij->i", between, between)
        nearest = np.clip(-np.einsum("ij,ij->i", a, between) / squared, 0, 1)
        height_km = np.linalg.norm(a + nearest[:, None] * between, axis=1)
        there = height_km > EARTH_RADIUS_KM + CLEAR_OF_AIR_KM
        return self._a[there], self._b[there], np.sqrt(squared[there])

    def ground(self, at_km: Float64) -> list[tuple[NDArray[np.int64], Float64]]:
        """Of each station, the satellites that it talks to, and their ranges in km."""
        found = []
        for where, zenith, antennas, least in zip(
            self._station, self._zenith, self._antennas, self._least_sine, strict=True
        ):
            to = at_km - where
            range_km = np.linalg.norm(to, axis=1)
            sine = to @ zenith / range_km
            seen = np.flatnonzero(sine >= least)
            best = seen[np.argsort(-sine[seen])[:antennas]]
            found.append((best, range_km[best]))
        return found

    def tick(self, sim_ns: int) -> tuple[Float64, NDArray[np.int32]]:
        """(n_stations, n) the delays in ns from each station, and whom each node sends to on its way there.

        A gateway is two nodes, where ways begin and where they end, so that none leads through it.
        """
        at_km = self.positions_km(sim_ns)
        a, b, range_km = self.lasers(at_km)
        ground = self.ground(at_km)
        n, n_stations = len(at_km), len(ground)
        served = np.concatenate([satellites for satellites, _ in ground])
        station = np.repeat(np.arange(n_stations), [len(satellites) for satellites, _ in ground])
        ground_km = np.concatenate([ranges for _, ranges in ground])
        begins, ends = n + n_stations + station, n + station
        here, there = np.concatenate([a, b, begins, served]), np.concatenate([b, a, served, ends])
        delay_ns = np.concatenate([range_km, range_km, ground_km, ground_km]) * (
            NS_PER_S / SPEED_OF_LIGHT_KM_PER_S
        )
        size = n + 2 * n_stations
        graph = csr_matrix((delay_ns, (here, there)), shape=(size, size))
        sources = np.arange(n + n_stations, size)
        distance_ns, before = dijkstra(graph, directed=True, indices=sources, return_predecessors=True)
        return distance_ns, before
