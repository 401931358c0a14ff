"""SGP4 over arrays: all satellites at all instants in one call."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sgp4.api import SGP4_ERRORS, SatrecArray

from ..epoch import Float64, Int64
from .frames import gmst82_rad, teme_to_itrs_km, teme_to_itrs_km_per_s
from .time import julian


@dataclass(frozen=True, eq=False)
class States:
    """Where n satellites are at t instants.

    ``position_km`` and ``velocity_km_per_s``: (n, t, 3) float64, ITRS, the
    velocity relative to the turning Earth.  ``error``: (n, t) uint8, SGP4's error number; where it is
    not 0, the row's numbers are NaN.  SGP4's velocity differs from the derivative
    of its position by up to 2.3 cm/s in low orbits, 1 m/s in Molniya's.
    """

    position_km: Float64
    velocity_km_per_s: Float64
    error: NDArray[np.uint8]

    @classmethod
    def empty(cls, n: int, n_instants: int) -> States:
        """To be filled; no errors yet."""
        shape = (n, n_instants, 3)
        return cls(np.empty(shape), np.empty(shape), np.zeros(shape[:2], np.uint8))


def states_itrs(satrecs: SatrecArray, instant_unix_ns: Int64, dut1_s: float) -> States:
    """States at (t,) int64 ns UTC since 1970."""
    instants = np.atleast_1d(np.asarray(instant_unix_ns, np.int64))
    jd, fr = julian(instants)
    error, position_teme_km, velocity_teme_km_per_s = satrecs.sgp4(jd, fr)
    bad = error != 0
    if bad.any():  # SGP4 leaves numbers where it finds the satellite below the ground
        position_teme_km[bad] = np.nan
        velocity_teme_km_per_s[bad] = np.nan
    gmst_rad = gmst82_rad(instants, dut1_s)
    position_km = teme_to_itrs_km(position_teme_km, gmst_rad)
    return States(
        position_km=position_km,
        velocity_km_per_s=teme_to_itrs_km_per_s(velocity_teme_km_per_s, position_km, gmst_rad),
        error=error,
    )


def failure_words(error: int) -> str:
    """SGP4's error number in words."""
    if error == 6:
        return "it has decayed (SGP4 finds it below the ground)"
    said = SGP4_ERRORS.get(error, f"error {error}")
    return f"SGP4 cannot propagate it, which mostly means that it has decayed ({said})"
