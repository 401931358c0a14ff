"""``[constellation]``: its shells, what is wrong with them, and which satellites there are."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Discriminator, Field, StrictBool, StrictFloat, StrictInt, Tag

from ..shown import shown
from ..toml_lines import Location
from .code import LEAST_ALTITUDE_KM, MOST_ALTITUDE_KM, MOST_PLANES, MOST_SATELLITES, parse_code
from .formation import Formation, formation_problems, formation_size
from .problem import Problem
from .satellite import ShellPlatform
from .section import Section, preset_or_table
from .units import SLACK_RAD, AngleRad, LengthKm, Utc

SOURCES = ("code", "planes", "formation", "tle", "omm")
_SATELLITE = re.compile(r"sat-(0|[1-9]\d{0,8})-(0|[1-9]\d{0,8})", re.ASCII)


class Plane(Section):
    """One orbital plane with satellites evenly spaced from the first, whose mean anomaly is ``phase``.

    ``altitude`` is that of the mean semi-major axis above the equatorial radius of the gravity model.
    """

    altitude_km: LengthKm = Field(alias="altitude")
    inclination_rad: AngleRad = Field(alias="inclination")
    raan_rad: AngleRad = Field(alias="raan")
    phase_rad: AngleRad = Field(0.0, alias="phase")
    eccentricity: StrictFloat = Field(0.0, ge=0, lt=1)
    perigee_rad: AngleRad = Field(0.0, alias="argument-of-perigee")
    satellites: StrictInt = Field(gt=0)


class Shell(Section):
    """Satellites given in exactly one of five ways: ``code``, ``planes`` as tables, ``formation``, ``tle``
    or ``omm``.

    For a file, ``shape = [planes, slots]`` says how its satellites are arranged,
    in the file's order; without it they are one plane.  A relative file path
    counts from the scenario's folder.  A code says itself whether it is a star.
    """

    name: str = ""
    code: str | None = None
    planes: tuple[Plane, ...] | None = None
    formation: Formation | None = None
    star: StrictBool = False  # planes over 180 deg: no lasers across the seam
    tle: Path | None = None
    omm: Path | None = None
    shape: tuple[Annotated[StrictInt, Field(gt=0)], Annotated[StrictInt, Field(gt=0)]] | None = None
    # in the place of [platform]
    platform: (
        Annotated[
            Annotated[str, Tag("<preset>")] | Annotated[ShellPlatform, Tag("<table>")],
            Discriminator(preset_or_table),
        ]
        | None
    ) = None


class Constellation(Section):
    shells: tuple[Shell, ...]
    gravity: Literal["WGS72", "WGS84"] = "WGS72"
    dut1_s: StrictFloat = Field(
        0.0, alias="dut1-seconds", ge=-0.9, le=0.9
    )  # UT1 - UTC; IERS keeps it below 0.9 s
    epoch_utc: Utc | None = Field(None, alias="epoch")  # of codes and planes; default: run.start


def plane_sizes(shells: Sequence[Shell]) -> list[int | None]:
    """Satellites of each plane, over all shells in order; None where only a file's length can tell."""
    sizes: list[int | None] = []
    for shell in shells:
        if shell.code is not None:
            for walker in parse_code(shell.code):
                sizes += [walker.n_slots] * walker.n_planes
        elif shell.planes is not None:
            sizes += [plane.satellites for plane in shell.planes]
        elif shell.formation is not None:
            sizes.append(formation_size(shell.formation) or 0)
        elif shell.shape is not None:
            sizes += [shell.shape[1]] * shell.shape[0]
        else:
            sizes.append(None)
    return sizes


def constellation_problems(constellation: Constellation) -> Iterator[Problem]:
    if not constellation.shells:
        yield Problem(
            ("constellation", "shells"), "there is no shell: add one under [[constellation.shells]]"
        )
    seen: set[str] = set()
    for i, shell in enumerate(constellation.shells):
        at: Location = ("constellation", "shells", i)
        if shell.name and shell.name in seen:
            yield Problem(
                (*at, "name"), f"a second shell is named {shown(shell.name)}: give each its own name"
            )
        seen.add(shell.name)
        yield from _shell(shell, at)
    planes = len(_sizes(constellation) or ())
    if planes > MOST_PLANES:
        yield Problem(
            ("constellation",), f"the shells have {planes} planes: write at most {MOST_PLANES} in all"
        )
    known = satellites_known(constellation)
    if known is not None and known > MOST_SATELLITES:
        yield Problem(
            ("constellation",), f"the shells hold {known} satellites: write at most {MOST_SATELLITES} in all"
        )


def _shell(shell: Shell, at: Location) -> Iterator[Problem]:
    given = [source for source in SOURCES if getattr(shell, source) is not None]
    if len(given) != 1:
        what = "none of" if not given else f"{' and '.join(given)}, where only one is allowed of"
        yield Problem((*at, *given[1:2]), f"the shell gives {what} {', '.join(SOURCES)}: give exactly one")
        return
    if shell.shape is not None and given[0] not in ("tle", "omm"):
        yield Problem(
            (*at, "shape"), f"shape is for tle and omm files: {given[0]!r} already says the planes and slots"
        )
    if shell.code is not None:
        if shell.star:
            yield Problem(
                (*at, "star"), "a code says itself whether it is a star (S: or D:): remove the key 'star'"
            )
        try:
            parse_code(shell.code)
        except ValueError as error:
            yield Problem((*at, "code"), str(error))
    if shell.formation is not None:
        for key, message in formation_problems(shell.formation):
            yield Problem((*at, "formation", key), message)
        if shell.star:
            yield Problem((*at, "star"), "a formation is one plane, and no star: remove the key 'star'")
    if shell.planes == ():
        yield Problem((*at, "planes"), "there is no plane: add one")
    for j, plane in enumerate(shell.planes or ()):
        yield from _plane(plane, (*at, "planes", j))


def _plane(plane: Plane, at: Location) -> Iterator[Problem]:
    if not LEAST_ALTITUDE_KM <= plane.altitude_km <= MOST_ALTITUDE_KM:
        yield Problem(
            (*at, "altitude"),
            f"the altitude is {plane.altitude_km:g} km: "
            f"write one between {LEAST_ALTITUDE_KM:g} km and {MOST_ALTITUDE_KM:g} km",
        )
    if not 0 <= plane.inclination_rad <= math.pi + SLACK_RAD:
        yield Problem(
            (*at, "inclination"),
            f"the inclination is {math.degrees(plane.inclination_rad):g} deg: "
            "write one between 0 deg and 180 deg",
        )
    perigee_km = (6378.135 + plane.altitude_km) * (1 - plane.eccentricity) - 6378.135
    if plane.eccentricity and perigee_km < LEAST_ALTITUDE_KM:
        yield Problem(
            (*at, "eccentricity"),
            f"the eccentricity {plane.eccentricity:g} puts the perigee at {perigee_km:.0f} km: "
            f"write a smaller one, so that it stays above {LEAST_ALTITUDE_KM:g} km",
        )


def satellite_problems(name: str, constellation: Constellation, at: Location) -> Iterator[Problem]:
    shells, sizes = constellation.shells, _sizes(constellation)
    match = _SATELLITE.fullmatch(name)
    if match is None and any(shell.tle or shell.omm for shell in shells):
        return  # it may be a name in the file, which is read later
    if match is None:
        yield Problem(at, f"{shown(name)} is not a satellite: write sat-<plane>-<slot>, as in 'sat-3-7'")
        return
    if sizes is None:
        return  # the code is wrong, which has been said
    plane, slot = int(match[1]), int(match[2])
    if plane >= len(sizes):
        yield Problem(at, f"there is no satellite {shown(name)}: planes are numbered 0 to {len(sizes) - 1}")
        return
    size = sizes[plane]
    if size is not None and slot >= size:
        yield Problem(
            at, f"there is no satellite {shown(name)}: slots of plane {plane} are numbered 0 to {size - 1}"
        )


def satellites_known(constellation: Constellation) -> int | None:
    """How many satellites there are; None where only a file's length can tell, or a code is wrong."""
    try:
        sizes = plane_sizes(constellation.shells)
    except ValueError:
        return None
    known = [size for size in sizes if size is not None]
    return sum(known) if len(known) == len(sizes) else None


def _sizes(constellation: Constellation) -> list[int | None] | None:
    """See ``plane_sizes``; None where a code is wrong."""
    try:
        return plane_sizes(constellation.shells)
    except ValueError:
        return None
