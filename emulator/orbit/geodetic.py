"""Longitude, latitude and height on WGS84, of places in the Earth-fixed frame.  Pure."""

from __future__ import annotations

import numpy as np

from ..epoch import Float64
from ..orbit.stations import ELLIPSOID

A_KM, FLATTENING = ELLIPSOID["WGS84"]
B_KM = A_KM * (1 - FLATTENING)
_E2 = FLATTENING * (2 - FLATTENING)
_ROUNDS = 6  # to 1e-11 rad from 100 km to the Moon


def geodetic(position_itrs_km: Float64) -> Float64:
    """(…, 3) float64: longitude and latitude in degrees, height in km, of (…, 3) float64, km."""
    x, y, z = np.moveaxis(np.asarray(position_itrs_km, np.float64), -1, 0)
    across = np.hypot(x, y)
    latitude = np.arctan2(z, across * (1 - _E2))
    for _ in range(_ROUNDS):
        sine = np.sin(latitude)
        normal = A_KM / np.sqrt(1 - _E2 * sine**2)
        latitude = np.arctan2(z + _E2 * normal * sine, across)
    sine, cosine = np.sin(latitude), np.cos(latitude)
    normal = A_KM / np.sqrt(1 - _E2 * sine**2)
    # this form is exact at the poles too
    height = across * cosine + z * sine - A_KM**2 / normal
    return np.stack([np.degrees(np.arctan2(y, x)), np.degrees(latitude), height], axis=-1)


def on_ground(direction: Float64) -> tuple[Float64, Float64]:
    """Where rays from the Earth's centre, (…, 3) float64, leave the ellipsoid, km; and the zenith there."""
    scale = np.sqrt(
        (direction[..., 0] ** 2 + direction[..., 1] ** 2) / A_KM**2 + direction[..., 2] ** 2 / B_KM**2
    )
    place_km = direction / scale[..., None]
    normal = place_km / np.array([A_KM**2, A_KM**2, B_KM**2])
    return place_km, normal / np.linalg.norm(normal, axis=-1, keepdims=True)
