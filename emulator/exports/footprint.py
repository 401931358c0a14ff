"""Where on the ground a satellite is seen: above a mask, and within a slant range if there is one.  Pure.

The mask counts from the ellipsoid's horizon, as a station's does.
"""

from __future__ import annotations

import numpy as np

from ..epoch import Float64
from ..orbit.geodetic import geodetic, on_ground

_AZIMUTHS = 120
_HALVINGS = 36  # to a tenth of a millimetre
_MOST_STEP_DEG = 5.0  # of longitude between two corners; near a pole more corners are put in
_ROUNDS = 6


def footprint(position_itrs_km: Float64, sine_mask: float, max_range_km: float = np.inf) -> Float64 | None:
    """(n, 2) float64: longitude and latitude of its edge, degrees, the inside left; None: nowhere."""
    up = position_itrs_km / np.linalg.norm(position_itrs_km)
    level = np.cross([0.0, 0.0, 1.0], up)
    if np.linalg.norm(level) < 1e-9:
        level = np.array([0.0, 1.0, 0.0])
    east = level / np.linalg.norm(level)
    north = np.cross(up, east)

    def seen(azimuth: Float64, angle: Float64) -> Float64:
        """At least 0 where the satellite is seen from the place so far off, in that direction."""
        direction = _direction(azimuth, angle)
        place_km, zenith = on_ground(direction)
        to_km = position_itrs_km - place_km
        range_km = np.linalg.norm(to_km, axis=-1)
        sine = np.einsum("...j,...j->...", zenith, to_km) / range_km
        return np.asarray(np.minimum(sine - sine_mask, 1 - range_km / max_range_km), np.float64)

    def _direction(azimuth: Float64, angle: Float64) -> Float64:
        # from north to west: against the clock, as one looks down
        side = np.cos(azimuth)[..., None] * north - np.sin(azimuth)[..., None] * east
        return np.asarray(np.cos(angle)[..., None] * up + np.sin(angle)[..., None] * side, np.float64)

    if seen(np.zeros(1), np.zeros(1))[0] < 0:
        return None
    azimuth = np.linspace(0, 2 * np.pi, _AZIMUTHS, endpoint=False)
    for _ in range(_ROUNDS):
        low, high = np.zeros_like(azimuth), np.full_like(azimuth, np.pi / 2)
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            is_seen = seen(azimuth, middle) >= 0
            low, high = np.where(is_seen, middle, low), np.where(is_seen, high, middle)
        edge = geodetic(on_ground(_direction(azimuth, low))[0])[:, :2]
        step = np.abs((np.diff(edge[:, 0], append=edge[0, 0]) + 180) % 360 - 180)
        wide = np.flatnonzero(step > _MOST_STEP_DEG)
        if not len(wide):
            break
        after = np.append(azimuth, azimuth[0] + 2 * np.pi)
        more = [azimuth[k] + (after[k + 1] - azimuth[k]) * np.arange(1, 8) / 8 for k in wide.tolist()]
        azimuth = np.sort(np.concatenate([azimuth, *more]))
    return edge
