"""SGP4 over arrays: all satellites at all instants in one call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sgp4.api import SGP4_ERRORS, Satrec, SatrecArray

from ..epoch import Bool, Float64, Int64
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


#: our own error number, beside SGP4's 1 to 6
EXCLUDED = 200
# Beyond these SGP4's drag terms, powers of time, have taken over: sets of a satellite's last days that are
# propagated for days end at the Moon without an error code. Real perturbations stay far within them.
_RADIUS_MARGIN = 0.1  # of perigee and apogee
_ENERGY_MARGIN = 0.1  # of the potential energy; J2 takes 0.001


@dataclass(frozen=True, eq=False)
class Bounds:
    """Where elements can bring their satellites: (n,) float64 each, by the mean elements at their epochs."""

    least_km: Float64
    most_km: Float64
    semi_major_km: Float64
    gm_km3_per_s2: Float64

    @classmethod
    def of(cls, satrecs: Sequence[Satrec]) -> Bounds:
        rows = np.array([(s.altp, s.alta, s.a, s.radiusearthkm, s.mu) for s in satrecs], np.float64)
        perigee, apogee, semi_major, radius_km, gm = rows.reshape(-1, 5).T
        return cls(
            least_km=radius_km * (1 + perigee) * (1 - _RADIUS_MARGIN),
            most_km=radius_km * (1 + apogee) * (1 + _RADIUS_MARGIN),
            semi_major_km=radius_km * semi_major,
            gm_km3_per_s2=gm,
        )

    def excluded(self, position_km: Float64, velocity_km_per_s: Float64) -> Bool:
        """(n, t) bool from two of (n, t, 3), TEME: no place or no energy that the elements allow; NaN too."""
        radius_km = np.sqrt(np.einsum("ntk,ntk->nt", position_km, position_km))
        potential = self.gm_km3_per_s2[:, None] / radius_km
        energy = np.einsum("ntk,ntk->nt", velocity_km_per_s, velocity_km_per_s) / 2 - potential
        own = -self.gm_km3_per_s2[:, None] / (2 * self.semi_major_km[:, None])
        sane = (
            (radius_km >= self.least_km[:, None])
            & (radius_km <= self.most_km[:, None])
            & (np.abs(energy - own) <= _ENERGY_MARGIN * potential)
        )
        return np.asarray(~sane)


def states_itrs(
    satrecs: SatrecArray, instant_unix_ns: Int64, dut1_s: float, bounds: Bounds | None = None
) -> States:
    """States at (t,) int64 ns UTC since 1970; what the bounds exclude has the error ``EXCLUDED``."""
    instants = np.atleast_1d(np.asarray(instant_unix_ns, np.int64))
    jd, fr = julian(instants)
    error, position_teme_km, velocity_teme_km_per_s = satrecs.sgp4(jd, fr)
    if bounds is not None:
        with np.errstate(all="ignore"):  # where SGP4 failed there may be any number
            error[(error == 0) & bounds.excluded(position_teme_km, velocity_teme_km_per_s)] = EXCLUDED
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
    if error == EXCLUDED:
        return (
            "SGP4 finds it where its own elements cannot bring it (more than 10 % beyond its perigee or "
            "apogee, or with another energy), as happens days away from the epoch of one in its last days"
        )
    said = SGP4_ERRORS.get(error, f"error {error}")
    return f"SGP4 cannot propagate it, which mostly means that it has decayed ({said})"
