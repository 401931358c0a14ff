"""``[ground]``: what is wrong with its stations."""

from __future__ import annotations

import math
from collections.abc import Iterator

from ..shown import shown
from ..toml_lines import Location
from .model import Ground, Station
from .problem import Problem
from .units import SLACK_RAD

LOWEST_STATION_KM, HIGHEST_STATION_KM = -0.5, 30.0  # the shore of the Dead Sea; a balloon


def ground_problems(ground: Ground) -> Iterator[Problem]:
    yield from _mask(ground.min_elevation_rad, ("ground",))
    seen: set[str] = set()
    for i, station in enumerate(ground.stations):
        at: Location = ("ground", "stations", i)
        if station.name in seen:
            yield Problem(
                (*at, "name"), f"a second station is named {shown(station.name)}: give each its own name"
            )
        seen.add(station.name)
        yield from _station(station, ground, at)


def _station(station: Station, ground: Ground, at: Location) -> Iterator[Problem]:
    yield from _mask(station.min_elevation_rad, at)
    limits = (
        station.min_elevation_rad,
        station.max_slant_range_km,
        ground.min_elevation_rad,
        ground.max_slant_range_km,
    )
    if all(limit is None for limit in limits):
        yield Problem(
            at,
            f"station {shown(station.name)} has neither min-elevation nor max-slant-range: "
            "set one of them here, or in [ground] for all stations",
        )
    for key, angle_rad, least, most in (
        ("latitude", station.latitude_rad, -90, 90),
        ("longitude", station.longitude_rad, -180, 360),
    ):
        if not math.radians(least) - SLACK_RAD <= angle_rad <= math.radians(most) + SLACK_RAD:
            yield Problem(
                (*at, key),
                f"the {key} of station {shown(station.name)} is {math.degrees(angle_rad):g} deg: "
                f"write one between {least} deg and {most} deg",
            )
    if not LOWEST_STATION_KM <= station.altitude_km <= HIGHEST_STATION_KM:
        yield Problem(
            (*at, "altitude"),
            f"the altitude of station {shown(station.name)} is {station.altitude_km:g} km: "
            f"write one between {LOWEST_STATION_KM:g} km and {HIGHEST_STATION_KM:g} km",
        )


def _mask(min_elevation_rad: float | None, at: Location) -> Iterator[Problem]:
    if min_elevation_rad is not None and not 0 <= min_elevation_rad < math.pi / 2 - SLACK_RAD:
        yield Problem(
            (*at, "min-elevation"),
            f"the elevation mask is {math.degrees(min_elevation_rad):g} deg: "
            "write one from 0 deg to below 90 deg",
        )
