"""Mean elements: what a satellite's orbit is known by, and the ``Satrec`` that SGP4 makes of them."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import overload

import numpy as np
from sgp4.api import Satrec

from ..epoch import Float64
from ..scenario.code import WalkerShell
from ..scenario.constellation import Plane
from ..shown import shown
from .gravity import Gravity, kozai_mean_motion_rad_per_min
from .time import DAY_NS, SGP4_EPOCH_JD, UNIX_EPOCH_JD, unix_ns

_TURN = 2 * math.pi


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

    @property
    def kind(self) -> tuple[float, ...]:
        """All mean elements but anomaly and node."""
        return self.altitude_km, self.inclination_rad, self.eccentricity, self.perigee_rad


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


class ElementSets(Sequence[ElementSet]):
    """Element sets in parts, one after the other; ``_made`` gives one as it is asked for."""

    def __init__(self, sizes: Iterable[int]) -> None:
        self._ends = np.cumsum([*sizes])

    def __len__(self) -> int:
        return int(self._ends[-1])

    @overload
    def __getitem__(self, index: int) -> ElementSet: ...
    @overload
    def __getitem__(self, index: slice) -> list[ElementSet]: ...
    def __getitem__(self, index: int | slice) -> ElementSet | list[ElementSet]:
        rows = range(len(self))[index]
        if isinstance(rows, range):
            return [self[row] for row in rows]
        part = int(np.searchsorted(self._ends, rows, side="right"))
        return self._made(part, rows - int(self._ends[part - 1] if part else 0))

    @abstractmethod
    def _made(self, part: int, place: int) -> ElementSet: ...


class Generated(ElementSets):
    """The satellites of planes, by plane and slot; each is made when it is asked for.

    The epoch is held to 0.4 µs: SGP4 counts it in days.
    """

    def __init__(self, planes: Iterable[OrbitalPlane], epoch_utc: datetime, gravity: Gravity) -> None:
        self.planes = tuple(planes)
        self._gravity = gravity
        self._epoch_days = epoch_days(epoch_utc)
        super().__init__(plane.n_slots for plane in self.planes)

    def _made(self, part: int, place: int) -> ElementSet:
        plane = self.planes[part]
        return ElementSet(self.satrec(plane, plane.phase_rad + _TURN * place / plane.n_slots, plane.raan_rad))

    def satrec(self, plane: OrbitalPlane, anomaly_rad: float, raan_rad: float) -> Satrec:
        """One of the plane's kind, at any anomaly and node."""
        return make_satrec(
            self._gravity,
            epoch_days=self._epoch_days,
            eccentricity=plane.eccentricity,
            perigee_rad=plane.perigee_rad,
            inclination_rad=plane.inclination_rad,
            anomaly_rad=anomaly_rad,
            mean_motion_rad_per_min=kozai_mean_motion_rad_per_min(
                plane.altitude_km, plane.inclination_rad, plane.eccentricity, self._gravity
            ),
            raan_rad=raan_rad,
        )


def epoch_days(epoch_utc: datetime) -> float:
    """As sgp4init takes it, from 1949-12-31: to 0.4 µs."""
    return unix_ns(epoch_utc) / DAY_NS + (UNIX_EPOCH_JD - SGP4_EPOCH_JD)


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
    satrec.sgp4init(
        gravity.sgp4_code,
        "i",
        0,
        epoch_days,
        bstar,
        ndot,
        nddot,
        eccentricity,
        perigee_rad % _TURN,
        inclination_rad,
        anomaly_rad % _TURN,
        mean_motion_rad_per_min,
        raan_rad % _TURN,
    )
    return satrec


def argument_of_latitude_rad(sets: Sequence[ElementSet], jd: float, fr: float) -> Float64:
    """(n,) float64, 0..2π: perigee + mean anomaly at an instant, by their mean rates alone."""
    if isinstance(sets, Generated):  # a plane's first says it for the others
        first = [sets.satrec(plane, plane.phase_rad, plane.raan_rad) for plane in sets.planes]
        slots = np.array([plane.n_slots for plane in sets.planes])
        slot = np.arange(len(sets)) - np.repeat(np.cumsum(slots) - slots, slots)
        ahead = np.repeat(_mean_latitude_rad(first, jd, fr), slots) + _TURN * slot / np.repeat(slots, slots)
    else:
        ahead = _mean_latitude_rad([each.satrec for each in sets], jd, fr)
    return np.asarray(np.mod(ahead, _TURN), np.float64)


def node_rad(sets: Sequence[ElementSet], jd: float, fr: float) -> Float64:
    """(n,) float64, 0..2π: right ascension of the node at an instant, by SGP4's secular rate."""
    at_epoch, rate, minutes = np.array(
        [
            (s.nodeo, s.nodedot, (jd - s.jdsatepoch + fr - s.jdsatepochF) * 1440.0)
            for s in (each.satrec for each in sets)
        ]
    ).T
    return np.asarray(np.mod(at_epoch + rate * minutes, _TURN), np.float64)


def _mean_latitude_rad(satrecs: Iterable[Satrec], jd: float, fr: float) -> Float64:
    rows = [
        (s.argpo + s.mo, s.argpdot + s.mdot, (jd - s.jdsatepoch + fr - s.jdsatepochF) * 1440.0)
        for s in satrecs
    ]
    at_epoch, rate, minutes = np.asarray(rows, np.float64).reshape(-1, 3).T
    return np.asarray(at_epoch + rate * minutes, np.float64)


def theory_problem(ephemeris_type: str) -> str | None:
    """Why SGP4 must not propagate a set of this ephemeris type, in words; None where it may.

    0 is what is distributed; 2 and 3 (SGP4 and SDP4) stand in old sets and in those of operators.
    """
    if ephemeris_type in ("", "0", "2", "3"):
        return None
    if ephemeris_type == "4":
        return "the ephemeris type is 4, SGP4-XP, for which SGP4 gives wrong positions: take a set of type 0"
    return f"the ephemeris type is {shown(ephemeris_type)}: only those of SGP4, type 0, can be propagated"


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
        if not -180 <= angle_deg <= 360:  # both ways of counting a turn
            return f"the {name} is {angle_deg:g} degrees: it must be between -180 and 360"
    return None
