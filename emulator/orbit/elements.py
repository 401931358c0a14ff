"""Mean elements: what a satellite's orbit is known by, and the ``Satrec`` that SGP4 makes of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from sgp4.api import Satrec

from ..epoch import Float64
from ..scenario.code import WalkerShell
from ..scenario.model import Plane
from .gravity import Gravity, kozai_mean_motion_rad_per_min
from .time import DAY_NS, SGP4_EPOCH_JD, UNIX_EPOCH_JD, unix_ns


@dataclass(frozen=True, eq=False)
class ElementSet:
    """One satellite: its ``Satrec``, and where it was read (nothing of that for a generated one)."""

    satrec: Satrec
    catalog: int | None = None  # catalogue number
    label: str = ""  # the name in the file
    path: Path | None = None
    line: int | None = None


@dataclass(frozen=True)
class OrbitalPlane:
    """Satellites evenly spaced in mean anomaly from the first's, ``phase_rad``.

    ``altitude_km`` is that of the semi-major axis of the mean orbit, as SGP4
    has it after un-Kozai-ing, above the equatorial radius of the gravity
    model.  The true radius swings about it: by J2's short-period terms (a
    constant part of up to +5 km over the poles' inclinations, ±2 km twice a
    turn) and J3's (up to ±8 km once a turn).  There is no drag.
    """

    altitude_km: float
    inclination_rad: float
    raan_rad: float
    phase_rad: float
    n_slots: int
    eccentricity: float = 0.0
    perigee_rad: float = 0.0


def from_planes(planes: Sequence[Plane]) -> list[OrbitalPlane]:
    return [
        OrbitalPlane(
            altitude_km=plane.altitude_km,
            inclination_rad=plane.inclination_rad,
            raan_rad=plane.raan_rad,
            phase_rad=plane.phase_rad,
            n_slots=plane.satellites,
            eccentricity=plane.eccentricity,
            perigee_rad=plane.perigee_rad,
        )
        for plane in planes
    ]


def from_walker(shell: WalkerShell) -> list[OrbitalPlane]:
    """Plane p of P at RAAN 360° p/P (star: 180° p/P), its slot k at anomaly 360° (k P/T + F p/T)."""
    spread_rad = math.pi if shell.star else 2 * math.pi
    return [
        OrbitalPlane(
            altitude_km=shell.altitude_km,
            inclination_rad=shell.inclination_rad,
            raan_rad=spread_rad * p / shell.n_planes,
            phase_rad=shell.anomaly_rad + 2 * math.pi * shell.phasing * p / shell.n_satellites,
            n_slots=shell.n_slots,
        )
        for p in range(shell.n_planes)
    ]


def generate(planes: Iterable[OrbitalPlane], epoch_utc: datetime, gravity: Gravity) -> list[ElementSet]:
    """The satellites of the planes, by plane and slot, at an epoch (to 0.4 µs: SGP4 holds it in days)."""
    epoch_days = unix_ns(epoch_utc) / DAY_NS + (UNIX_EPOCH_JD - SGP4_EPOCH_JD)
    found = []
    for plane in planes:
        mean_motion = kozai_mean_motion_rad_per_min(
            plane.altitude_km, plane.inclination_rad, plane.eccentricity, gravity
        )
        for slot in range(plane.n_slots):
            anomaly_rad = plane.phase_rad + 2 * math.pi * slot / plane.n_slots
            found.append(
                ElementSet(
                    make_satrec(
                        gravity,
                        epoch_days=epoch_days,
                        eccentricity=plane.eccentricity,
                        perigee_rad=plane.perigee_rad,
                        inclination_rad=plane.inclination_rad,
                        anomaly_rad=anomaly_rad,
                        mean_motion_rad_per_min=mean_motion,
                        raan_rad=plane.raan_rad,
                    )
                )
            )
    return found


def make_satrec(
    gravity: Gravity,
    *,
    epoch_days: float,
    eccentricity: float,
    perigee_rad: float,
    inclination_rad: float,
    anomaly_rad: float,
    mean_motion_rad_per_min: float,
    raan_rad: float,
    bstar: float = 0.0,
    ndot: float = 0.0,
    nddot: float = 0.0,
) -> Satrec:
    """SGP4 in its improved mode ('i'); the mean motion is Kozai's, ``epoch_days`` counts from 1949-12-31.

    The catalogue number inside is 0: it has no part in the motion, and
    sgp4init refuses one above 339,999.
    """
    satrec = Satrec()
    turn = 2 * math.pi
    satrec.sgp4init(
        gravity.sgp4_code,
        "i",
        0,
        epoch_days,
        bstar,
        ndot,
        nddot,
        eccentricity,
        perigee_rad % turn,
        inclination_rad,
        anomaly_rad % turn,
        mean_motion_rad_per_min,
        raan_rad % turn,
    )
    return satrec


def argument_of_latitude_rad(sets: Iterable[ElementSet], jd: float, fr: float) -> Float64:
    """(n,) float64, 0..2π: perigee + mean anomaly at an instant, by their mean rates alone."""
    rows = [
        (s.argpo + s.mo, s.argpdot + s.mdot, (jd - s.jdsatepoch + fr - s.jdsatepochF) * 1440.0)
        for s in (each.satrec for each in sets)
    ]
    at_epoch, rate, minutes = np.asarray(rows, np.float64).reshape(-1, 3).T
    return np.asarray(np.mod(at_epoch + rate * minutes, 2 * np.pi), np.float64)


def range_problem(
    *,
    inclination_deg: float,
    raan_deg: float,
    eccentricity: float,
    perigee_deg: float,
    anomaly_deg: float,
    mean_motion_rev_per_day: float,
) -> str | None:
    """What is out of range in the elements of a file, in words; None where all is well."""
    if not 0 <= inclination_deg <= 180:
        return f"the inclination is {inclination_deg:g} degrees: it must be between 0 and 180"
    if not 0 <= eccentricity < 1:
        return f"the eccentricity is {eccentricity:g}: it must be at least 0 and below 1"
    # 17 revolutions a day is a semi-major axis below the surface
    if not 0 < mean_motion_rev_per_day <= 17:
        return (
            f"the mean motion is {mean_motion_rev_per_day:g} revolutions a day: "
            "it must be above 0 and at most 17"
        )
    for name, angle_deg in (
        ("right ascension of the node", raan_deg),
        ("argument of perigee", perigee_deg),
        ("mean anomaly", anomaly_deg),
    ):
        if not 0 <= angle_deg <= 360:
            return f"the {name} is {angle_deg:g} degrees: it must be between 0 and 360"
    return None
