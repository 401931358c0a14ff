"""The constant sets SGP4 is built on, and what an altitude means in them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from sgp4 import api, earth_gravity

GravityName = Literal["WGS72", "WGS84"]


@dataclass(frozen=True)
class Gravity:
    """``xke``: sqrt(GM) in Earth radii^1.5 per minute; ``sgp4_code``: its number in the sgp4 library."""

    name: GravityName
    sgp4_code: int
    radius_km: float
    xke: float
    j2: float
    gm_km3_per_s2: float


def _gravity(name: GravityName, code: int, constants: earth_gravity.EarthGravity) -> Gravity:
    return Gravity(name, code, constants.radiusearthkm, constants.xke, constants.j2, constants.mu)


GRAVITY: dict[GravityName, Gravity] = {
    "WGS72": _gravity("WGS72", api.WGS72, earth_gravity.wgs72),
    "WGS84": _gravity("WGS84", api.WGS84, earth_gravity.wgs84),
}

SUN_YEAR_RAD_PER_S = math.radians(360 / 365.2421897) / 86_400  # mean motion of the Sun along the equator


@lru_cache(1024)  # a shell of a thousand planes asks once
def kozai_mean_motion_rad_per_min(
    altitude_km: float, inclination_rad: float, eccentricity: float, gravity: Gravity
) -> float:
    """The mean motion to hand to SGP4 so that its own semi-major axis is ``gravity.radius_km + altitude_km``.

    SGP4 takes a Kozai mean motion, as a TLE holds it, and turns it into
    Brouwer's before it derives the semi-major axis ("un-Kozai", in initl of
    Vallado's SGP4).  This is the inverse, by fixed-point iteration.
    """
    semi_major_radii = 1 + altitude_km / gravity.radius_km
    brouwer = gravity.xke / semi_major_radii**1.5
    flat = 1 - eccentricity**2
    d1 = 0.75 * gravity.j2 * (3 * math.cos(inclination_rad) ** 2 - 1) / (math.sqrt(flat) * flat)
    kozai: float = brouwer
    for _ in range(20):  # each round gains three digits
        ak = (gravity.xke / kozai) ** (2 / 3)
        delta = d1 / ak**2
        a0 = ak * (1 - delta**2 - delta * (1 / 3 + 134 * delta**2 / 81))
        kozai = brouwer * (1 + d1 / a0**2)
    return kozai


def sun_synchronous_inclination_rad(altitude_km: float, gravity: Gravity) -> float:
    """Inclination at which a circular orbit's plane follows the Sun, by J2 alone (within 0.03 deg of SGP4's).

    cos i = -Ω̇ / (1.5 n J2 (Re/a)²); ValueError above some 5,974 km, where no plane turns fast enough.
    """
    semi_major_km = gravity.radius_km + altitude_km
    mean_motion_rad_per_s = math.sqrt(gravity.gm_km3_per_s2 / semi_major_km**3)
    cosine = -SUN_YEAR_RAD_PER_S / (
        1.5 * mean_motion_rad_per_s * gravity.j2 * (gravity.radius_km / semi_major_km) ** 2
    )
    if cosine < -1:
        raise ValueError(f"no orbit at {altitude_km:g} km is sun-synchronous: choose one below 5974 km")
    return math.acos(cosine)
