"""Ground stations: from geodetic coordinates to the Earth-fixed frame, and which way is up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from ..epoch import Float64
from ..scenario.model import Station

EllipsoidName = Literal["WGS84", "WGS72"]

# semi-major axis in km, flattening: NIMA TR8350.2 (1984), DMA "The WGS 72" (1974)
ELLIPSOID: dict[EllipsoidName, tuple[float, float]] = {
    "WGS84": (6378.137, 1 / 298.257223563),
    "WGS72": (6378.135, 1 / 298.26),
}


def station_positions_itrs_km(stations: Sequence[Station], ellipsoid: EllipsoidName) -> Float64:
    """(m, 3) float64, ITRS, km."""
    latitude_rad, longitude_rad = _angles(stations)
    altitude_km = np.array([station.altitude_km for station in stations], np.float64)
    return geodetic_to_itrs_km(latitude_rad, longitude_rad, altitude_km, ellipsoid)


def station_zeniths_itrs(stations: Sequence[Station]) -> Float64:
    """(m, 3) float64, ITRS, unit vectors along the ellipsoid's normal, which elevations count from."""
    return zenith_itrs(*_angles(stations))


def geodetic_to_itrs_km(
    latitude_rad: Float64, longitude_rad: Float64, altitude_km: Float64, ellipsoid: EllipsoidName
) -> Float64:
    """(m, 3) float64 from three of (m,): geodetic latitude, longitude, height above the ellipsoid."""
    semi_major_km, flattening = ELLIPSOID[ellipsoid]
    squared = flattening * (2 - flattening)  # first eccentricity, squared
    curvature_km = semi_major_km / np.sqrt(1 - squared * np.sin(latitude_rad) ** 2)
    scale_km = np.column_stack(
        [curvature_km + altitude_km, curvature_km + altitude_km, curvature_km * (1 - squared) + altitude_km]
    )
    return np.asarray(scale_km * zenith_itrs(latitude_rad, longitude_rad), np.float64)


def zenith_itrs(latitude_rad: Float64, longitude_rad: Float64) -> Float64:
    """(m, 3) float64 unit vectors from two of (m,)."""
    level = np.cos(latitude_rad)
    return np.column_stack(
        [level * np.cos(longitude_rad), level * np.sin(longitude_rad), np.sin(latitude_rad)]
    )


def _angles(stations: Sequence[Station]) -> tuple[Float64, Float64]:
    return (
        np.array([station.latitude_rad for station in stations], np.float64),
        np.array([station.longitude_rad for station in stations], np.float64),
    )
