"""A formation: satellites that fly within a kilometre or so of each other, as one flock.  Pure.

All have one semi-major axis, one plane and one mean argument of latitude u = ω + M; they differ in
eccentricity and perigee alone.  To first order in e a satellite with the eccentricity vector
(ex, ey) = e (cos ω, sin ω) is, from where it would be on the circle,

    radial   x = -a (ex cos u + ey sin u)
    along    y = 2a (ex sin u - ey cos u)

the closed ellipse, twice as long as it is high, of a force-free relative orbit without drift (W. H.
Clohessy, R. S. Wiltshire, Journal of the Aerospace Sciences 27(9), 1960; by eccentricity vectors: S.
D'Amico, O. Montenbruck, Journal of Guidance, Control, and Dynamics 29(3), 2006).  Eccentricity vectors
on a square lattice of step d/a make a square lattice in space that turns with u and is drawn out to twice
its size along the track: neighbours are between d and 2d apart, twice each way in an orbit, and the lattice
points within a circle of radius k d fill an ellipse that reaches 2 k d along the track.

Suncatcher (arXiv 2511.19468, 2025-11) publishes 81 satellites in one plane within 1 km, neighbours 100 to
200 m apart, at 650 km dawn-dusk.  With d = 100 m and k = 5 the lattice has 81 points: that its authors mean
this lattice is our reading of these figures, not published.

What the circle leaves out (second order in e: 0.1 m at 1 km) and what J2 adds (differential short-period
terms, about a metre; perigees that turn all alike, about 3 degrees a day at 650 km) SGP4 has.  Integrated
with J2 in full, those at the edge drift by 8 m a turn against the middle; here, as by SGP4, by none.
Nobody keeps station: the real thing must.
"""

from __future__ import annotations

import math

import numpy as np

from ..epoch import Int32
from ..scenario.formation import Formation, lattice_points
from .elements import ElementSet, make_satrec
from .gravity import Gravity, kozai_mean_motion_rad_per_min, sun_synchronous_inclination_rad

# SGP4 takes an eccentricity below 1e-6 for 1e-6, 7 m: so no point of the lattice is at 0. Half a step to both
# sides moves all satellites alike.
_FROM_ZERO = 0.5


def lattice_of(formation: Formation) -> Int32:
    """(n, 2) int32: steps of each satellite from the middle, row by row."""
    return np.array(lattice_points(formation), np.int32)


def formation_elements(formation: Formation, epoch_days: float, gravity: Gravity) -> list[ElementSet]:
    """In the order of ``lattice_of``; ``epoch_days`` counts from 1949-12-31."""
    inclination_rad = formation.inclination_rad
    if inclination_rad is None:
        inclination_rad = sun_synchronous_inclination_rad(formation.altitude_km, gravity)
    step = formation.spacing_km / (gravity.radius_km + formation.altitude_km)
    found = []
    for p, q in lattice_points(formation):
        ex, ey = (p + _FROM_ZERO) * step, (q + _FROM_ZERO) * step
        eccentricity, perigee_rad = math.hypot(ex, ey), math.atan2(ey, ex)
        found.append(
            ElementSet(
                make_satrec(
                    gravity,
                    epoch_days=epoch_days,
                    eccentricity=eccentricity,
                    perigee_rad=perigee_rad,
                    inclination_rad=inclination_rad,
                    anomaly_rad=formation.phase_rad - perigee_rad,
                    mean_motion_rad_per_min=kozai_mean_motion_rad_per_min(
                        formation.altitude_km, inclination_rad, eccentricity, gravity
                    ),
                    raan_rad=formation.raan_rad,
                )
            )
        )
    return found
