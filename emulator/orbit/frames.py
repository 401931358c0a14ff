"""From SGP4's frame, TEME, to the Earth-fixed one, ITRS.

The rotation is by GMST-82 about the z axis (Vallado, Crawford, Hujsak and
Kelso, "Revisiting Spacetrack Report #3", AIAA 2006-6753, appendix C): TEME's x
axis is the mean equinox that GMST-82 is counted from, so nutation and the
equation of the equinoxes have no place here.

Left out: polar motion, at most 0.5 arcsec, which is 15 m on the ground (50 ns
of light).  UT1 - UTC is an input: given, 0.02 m remain; taken as 0, up to 0.9 s
of rotation, 400 m on the ground (1.4 µs).  The range between two satellites
depends on neither.
"""

from __future__ import annotations

import erfa
import numpy as np
from numpy.typing import NDArray

from ..epoch import Float64, Int64
from .time import DAY_S, julian

# Rate of GMST-82 in rad per second of UT1 at J2000 (Aoki et al. 1982: 1.002737909350795 turns a day, plus the
# precession of the equinox it is counted from).  In 2056 it is larger by 2e-15 rad/s.
EARTH_ROTATION_RAD_PER_S = 2 * np.pi * 1.002737909350795 / DAY_S


def gmst82_rad(instant_unix_ns: Int64, dut1_s: float = 0.0) -> Float64:
    """Greenwich mean sidereal time, (t,) float64 in 0..2π, of (t,) int64 ns UTC since 1970."""
    jd, fr = julian(instant_unix_ns)
    angle: Float64 = erfa.gmst82(jd, fr + dut1_s / DAY_S)
    return angle


def teme_to_itrs_km(position_teme_km: Float64, gmst_rad: Float64) -> Float64:
    """Turn (…, t, 3) float64 by the (t,) angles."""
    return _turned(position_teme_km, gmst_rad)


def teme_to_itrs_km_per_s(
    velocity_teme_km_per_s: Float64, position_itrs_km: Float64, gmst_rad: Float64
) -> Float64:
    """Velocity relative to the turning Earth: R v - ω × r.  Arrays (…, t, 3) float64."""
    velocity = _turned(velocity_teme_km_per_s, gmst_rad)
    velocity[..., 0] += EARTH_ROTATION_RAD_PER_S * position_itrs_km[..., 1]
    velocity[..., 1] -= EARTH_ROTATION_RAD_PER_S * position_itrs_km[..., 0]
    return velocity


def _turned(vectors: Float64, angle_rad: Float64) -> NDArray[np.float64]:
    cos, sin = np.cos(angle_rad), np.sin(angle_rad)
    turned = np.empty_like(vectors)
    turned[..., 0] = cos * vectors[..., 0] + sin * vectors[..., 1]
    turned[..., 1] = cos * vectors[..., 1] - sin * vectors[..., 0]
    turned[..., 2] = vectors[..., 2]
    return turned
