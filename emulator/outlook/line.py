"""The shortest line between two places that stays out of the Earth: what a way is longer than.

Straight where the Earth is not between them; else straight to its rim, along it, and straight on.  Between
two stations that is the great circle.  The Earth is a sphere of its mean radius, or of what the lower of both
has: against the geodesic on WGS84 that is up to 0.6 % off, either way, between stations, and less elsewhere.
"""

from __future__ import annotations

import numpy as np

from ..constants import EARTH_MEAN_RADIUS_KM
from ..epoch import Float64


def shortest_line_km(a_itrs_km: Float64, b_itrs_km: Float64) -> Float64:
    """(n,) float64, km, between places (n, 3) float64, km."""
    radius_a, radius_b = np.linalg.norm(a_itrs_km, axis=-1), np.linalg.norm(b_itrs_km, axis=-1)
    sphere = np.minimum(EARTH_MEAN_RADIUS_KM, np.minimum(radius_a, radius_b))
    cosine = np.einsum("...j,...j->...", a_itrs_km, b_itrs_km) / (radius_a * radius_b)
    angle = np.arccos(np.clip(cosine, -1, 1))
    along = angle - np.arccos(sphere / radius_a) - np.arccos(sphere / radius_b)
    around = np.sqrt(radius_a**2 - sphere**2) + np.sqrt(radius_b**2 - sphere**2) + sphere * along
    straight = np.linalg.norm(a_itrs_km - b_itrs_km, axis=-1)
    return np.asarray(np.where(along > 0, around, straight))
