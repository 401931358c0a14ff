"""Longitude, latitude and height on WGS84, of places in the Earth-fixed frame.  Pure."""

from __future__ import annotations

import erfa
import numpy as np

from ..epoch import Float64
from .stations import ELLIPSOID

A_KM, FLATTENING = ELLIPSOID["WGS84"]
B_KM = A_KM * (1 - FLATTENING)
_WGS84 = 1  # as ERFA numbers ellipsoids


def geodetic(position_itrs_km: Float64) -> Float64:
    """(…, 3) float64: longitude and latitude in degrees, height in km, of (…, 3) float64, km."""
    longitude_rad, latitude_rad, height_m = erfa.gc2gd(
        _WGS84, 1000 * np.asarray(position_itrs_km, np.float64)
    )
    return np.stack([np.degrees(longitude_rad), np.degrees(latitude_rad), height_m / 1000], axis=-1)


def on_ground(direction: Float64) -> tuple[Float64, Float64]:
    """Where rays from the Earth's centre, (…, 3) float64, leave the ellipsoid, km; and the zenith there."""
    scale = np.sqrt(
        (direction[..., 0] ** 2 + direction[..., 1] ** 2) / A_KM**2 + direction[..., 2] ** 2 / B_KM**2
    )
    place_km = direction / scale[..., None]
    normal = place_km / np.array([A_KM**2, A_KM**2, B_KM**2])
    return place_km, normal / np.linalg.norm(normal, axis=-1, keepdims=True)
