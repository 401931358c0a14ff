"""A formation as a user writes it, and how many satellites that is."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from pydantic import Field

from .code import LEAST_ALTITUDE_KM, MOST_ALTITUDE_KM
from .section import Section
from .units import AngleRad, LengthKm

MOST_SATELLITES = 2_000  # of one: each is propagated by itself
LEAST_SPACING_KM = 0.001
MOST_RADIUS_KM = 50.0  # beyond it the first order in e is no longer what it says


class Formation(Section):
    """Satellites that fly as one flock, within ``radius`` of its middle along the track: orbit/formation.py.

    ``spacing``: the least distance of neighbours, which are up to twice as far; without an inclination the
    orbit follows the Sun.
    """

    altitude_km: LengthKm = Field(alias="altitude")
    raan_rad: AngleRad = Field(alias="raan")
    inclination_rad: AngleRad | None = Field(None, alias="inclination")
    phase_rad: AngleRad = Field(0.0, alias="phase")  # mean argument of latitude
    spacing_km: LengthKm = Field(0.1, alias="spacing")
    radius_km: LengthKm = Field(1.0, alias="radius")


def _reach(formation: Formation) -> float:
    """Radius of the lattice in steps: the flock is drawn out to twice that along the track."""
    return formation.radius_km / (2 * formation.spacing_km) * (1 + 1e-9)


def lattice_points(formation: Formation) -> Sequence[tuple[int, int]]:
    """Steps from the middle, row by row."""
    reach = _reach(formation)
    most = math.floor(reach)
    found = []
    for q in range(-most, most + 1):
        wide = math.floor(math.sqrt(max(0.0, reach * reach - q * q)))
        found += [(p, q) for p in range(-wide, wide + 1)]
    return found


def formation_size(formation: Formation) -> int | None:
    """None where there are too many to count."""
    if not formation.spacing_km > 0 or _reach(formation) > MOST_SATELLITES:
        return None
    return len(lattice_points(formation)) if math.pi * _reach(formation) ** 2 < 2 * MOST_SATELLITES else None


def formation_problems(formation: Formation) -> Iterator[tuple[str, str]]:
    """The key, and what is wrong with it."""
    if not LEAST_ALTITUDE_KM <= formation.altitude_km <= MOST_ALTITUDE_KM:
        yield (
            "altitude",
            f"the altitude is {formation.altitude_km:g} km: "
            f"write one between {LEAST_ALTITUDE_KM:g} km and {MOST_ALTITUDE_KM:g} km",
        )
    elif formation.inclination_rad is None and formation.altitude_km > 5_900:
        yield (
            "altitude",
            f"no orbit at {formation.altitude_km:g} km is sun-synchronous: write an inclination, or fly "
            "below 5900 km",
        )
    if formation.inclination_rad is not None and not 0 <= formation.inclination_rad <= math.pi + 1e-12:
        yield (
            "inclination",
            f"the inclination is {math.degrees(formation.inclination_rad):g} deg: "
            "write one between 0 deg and 180 deg",
        )
    if not formation.spacing_km >= LEAST_SPACING_KM:
        yield "spacing", f"neighbours are {1e3 * formation.spacing_km:g} m apart: write at least 1 m"
        return
    if not formation.spacing_km <= formation.radius_km <= MOST_RADIUS_KM:
        yield (
            "radius",
            f"the radius is {formation.radius_km:g} km: write one between the spacing of "
            f"{1e3 * formation.spacing_km:g} m and {MOST_RADIUS_KM:g} km",
        )
        return
    size = formation_size(formation)
    if size is None or size > MOST_SATELLITES:
        yield (
            "spacing",
            f"at {1e3 * formation.spacing_km:g} m there are more than {MOST_SATELLITES} satellites within "
            f"{formation.radius_km:g} km: write a larger spacing, or a smaller radius",
        )
