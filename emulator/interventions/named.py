"""What can be failed or changed, by name.

sat-3-7, STARLINK-1008   a satellite: all its links
gw-london, london        a gateway: all its links
gw-london/antenna        one of a gateway's antennas
sat-0-0:sat-0-1          a link, of lasers or to the ground
plane-3                  all satellites of a plane, numbered over all shells
shell-polar              all satellites of a shell
region:35.7,139.7,500km  all gateways within a distance of a latitude and a longitude

A node may be a set of them: gw-*, sat-3-*, gw-*/antenna, sat-3-*:gw-london (see find_node.py).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import asin, cos, sin, sqrt

import numpy as np

from ..arrays import pair_keys
from ..constants import EARTH_RADIUS_KM
from ..epoch import Int32, Int64, Nodes
from ..errors import InputError, UnknownName
from ..find_node import find_nodes, is_set
from ..scenario.faults import ANTENNA, region
from ..scenario.model import Station
from ..shown import shown
from ..suggest import suggest

_PLANE = re.compile(r"plane-([0-9]{1,9})")
_MOST_CHARACTERS = 256  # of a name: events, tables and the record have it whole
_MOST_LINKS = 20_000  # that a set may name
_NONE32, _NONE64 = np.empty(0, np.int32), np.empty(0, np.int64)


@dataclass(frozen=True, eq=False)
class Named:
    """``nodes`` rising; ``links``: keys as Links.key(); ``antennas``: a gateway for each of its antennas."""

    nodes: Int32 = field(default_factory=_NONE32.copy)
    links: Int64 = field(default_factory=_NONE64.copy)
    antennas: Int32 = field(default_factory=_NONE32.copy)

    def is_within(self, other: Named) -> bool:
        """Nothing is named here that is not named there."""
        mine, theirs = (vars(each) for each in (self, other))
        return all(not len(mine[kind]) or np.isin(mine[kind], theirs[kind]).all() for kind in mine)


def resolve(what: str, nodes: Nodes, stations: Sequence[Station], shells: Sequence[str | None]) -> Named:
    """InputError, in a sentence, for what nobody has, with what is near."""
    if len(what) > _MOST_CHARACTERS:
        raise InputError(
            f"{shown(what)} has {len(what):,} characters: at most {_MOST_CHARACTERS} make a name or a set"
        )
    if match := _PLANE.fullmatch(what):
        found = np.flatnonzero(nodes.plane == int(match[1])).astype(np.int32)
        if not len(found):
            raise UnknownName(f"there is no {what}: planes are plane-0 to plane-{int(nodes.plane.max())}")
        return Named(found)
    if what.startswith("plane-") and is_set(what):
        raise InputError(f"{shown(what)}: planes are named singly, as plane-3; sets are of nodes, as sat-3-*")
    if what.startswith("shell-"):
        name = what.removeprefix("shell-")
        if name not in shells:
            known = [f"shell-{each}" for each in shells if each]
            raise UnknownName(f"there is no shell {shown(name)}: {suggest(what, known, 'named shells')}")
        return Named(np.flatnonzero(nodes.shell == shells.index(name)).astype(np.int32))
    if what.startswith("region:"):
        return Named(_within(what, nodes, stations))
    if what.endswith(ANTENNA):
        gateways = find_nodes(what.removesuffix(ANTENNA), nodes)
        if not nodes.is_gateway(gateways[0]):  # they rise
            raise InputError(
                f"{shown(what)}: {nodes.names[gateways[0]]} is a satellite, whose links are lasers: "
                f"name gateways, as gw-*{ANTENNA}, or a laser as A:B"
            )
        return Named(antennas=np.array(gateways, np.int32))
    if ":" in what:
        ends = what.split(":")
        if len(ends) != 2 or not all(ends):
            raise InputError(f"{shown(what)} is not a link: write A:B, as in sat-0-0:sat-0-1")
        here, there = (find_nodes(end, nodes) for end in ends)
        return Named(links=_between(what, here, there, nodes))
    return Named(np.array(find_nodes(what, nodes), np.int32))


def _between(what: str, here: list[int], there: list[int], nodes: Nodes) -> Int64:
    """Of all links that these could have with those: a satellite is at one end at least."""
    if len(here) * len(there) > _MOST_LINKS:
        raise InputError(
            f"{shown(what)} names {len(here) * len(there):,} links that could be, and at most "
            f"{_MOST_LINKS:,} can be named at once: name fewer, or nodes, a plane or a shell"
        )
    a, b = (each.ravel() for each in np.meshgrid(here, there))
    low, high = np.minimum(a, b), np.maximum(a, b)
    can_be = (low != high) & (low < nodes.n_satellites)
    if not can_be.any():
        raise InputError(f"{shown(what)} is no link that can be: a satellite is at one of its ends")
    return np.unique(pair_keys(low[can_be], high[can_be]))


def _within(what: str, nodes: Nodes, stations: Sequence[Station]) -> Int32:
    latitude_rad, longitude_rad, radius_km = region(what)
    found = [
        nodes.n_satellites + row
        for row, each in enumerate(stations)
        if _apart_km(latitude_rad, longitude_rad, each.latitude_rad, each.longitude_rad) <= radius_km
    ]
    if not found:
        raise InputError(f"{shown(what)} holds no station: take a larger radius, or look at the order: "
                         "latitude, then longitude, in degrees")  # fmt: skip
    return np.array(found, np.int32)


def _apart_km(latitude_a: float, longitude_a: float, latitude_b: float, longitude_b: float) -> float:
    """Along a great circle of a sphere; all in rad."""
    haversine = (
        sin((latitude_b - latitude_a) / 2) ** 2
        + cos(latitude_a) * cos(latitude_b) * sin((longitude_b - longitude_a) / 2) ** 2
    )
    return 2 * EARTH_RADIUS_KM * asin(min(1.0, sqrt(haversine)))
