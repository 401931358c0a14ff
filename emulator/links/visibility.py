"""Who sees whom: between satellites past the Earth's limb, and from the ground above a mask."""

from __future__ import annotations

import numpy as np

from ..constants import EARTH_RADIUS_KM
from ..epoch import Bool, Float64


def clears_earth(a_km: Float64, b_km: Float64, grazing_altitude_km: float) -> Bool:
    """(n,) bool: whether the chords between (n, 3) and (n, 3), km, stay above the grazing altitude.

    The Earth is a sphere of its equatorial radius: towards the poles that is
    up to 21 km too strict, and never too lax.
    """
    along = b_km - a_km
    squared = np.einsum("ij,ij->i", along, along)
    # the chord's point nearest to the Earth's centre, kept between its ends
    fraction = np.clip(-np.einsum("ij,ij->i", a_km, along) / np.maximum(squared, 1e-12), 0.0, 1.0)
    nearest = a_km + fraction[:, None] * along
    limit_km = EARTH_RADIUS_KM + grazing_altitude_km
    return np.asarray(np.einsum("ij,ij->i", nearest, nearest) >= limit_km**2)


def sine_of_elevation(zenith: Float64, to_satellite_km: Float64, range_km: Float64) -> Float64:
    """sin(elevation) above the local horizon: (..., 3) unit vectors and vectors, (...) ranges."""
    return np.asarray(np.einsum("...j,...j->...", zenith, to_satellite_km) / range_km)
