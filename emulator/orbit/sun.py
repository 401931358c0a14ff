"""Where the Sun stands, in the Earth-fixed frame."""

from __future__ import annotations

import erfa
import numpy as np

from ..epoch import Float64, Int64
from .time import DAY_S, TT_MINUS_UTC_S, julian


def sun_itrs_au(instant_unix_ns: Int64, dut1_s: float = 0.0) -> Float64:
    """The Sun as seen from the Earth's centre, (t, 3) float64, ITRS, au, at (t,) int64 ns UTC since 1970.

    Earth's ephemeris is ERFA's epv00 (VSOP2000: better than 5e-8 au, 0.01
    arcsec, in 1900-2100), with aberration (20 arcsec); precession and nutation
    IAU 2000B (1 mas).  Left out: polar motion (0.5 arcsec), TDB - TT (2 ms),
    and that TT - UTC is taken as it has been since 2017.
    """
    instants = np.atleast_1d(np.asarray(instant_unix_ns, np.int64))
    jd, fr = julian(instants)
    tt = fr + TT_MINUS_UTC_S / DAY_S
    heliocentric, barycentric = erfa.epv00(jd, tt)
    geometric_au = -heliocentric["p"]
    distance_au = np.linalg.norm(geometric_au, axis=-1)
    au_per_day_over_c = 499.004783836 / DAY_S  # light needs 499.004783836 s for 1 au (IAU 2012 au)
    velocity = barycentric["v"] * au_per_day_over_c
    lorentz = np.sqrt(1 - np.sum(velocity**2, axis=-1))
    apparent = erfa.ab(geometric_au / distance_au[:, None], velocity, distance_au, lorentz)
    celestial_to_terrestrial = erfa.c2t00b(jd, tt, jd, fr + dut1_s / DAY_S, 0.0, 0.0)
    towards: Float64 = np.einsum("tij,tj->ti", celestial_to_terrestrial, apparent) * distance_au[:, None]
    return towards


def sun_direction_itrs(instant_unix_ns: Int64, dut1_s: float = 0.0) -> Float64:
    """(t, 3) float64 unit vectors towards the Sun, ITRS, at (t,) int64 ns UTC since 1970."""
    towards = sun_itrs_au(instant_unix_ns, dut1_s)
    unit: Float64 = towards / np.linalg.norm(towards, axis=-1, keepdims=True)
    return unit
