"""Lasers of +grid that are never there: behind the Earth, or further than terminals carry.  Pure."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..epoch import NS_PER_S, Float64, Int32, Int64
from ..orbit import Fleet
from .visibility import clears_earth

_INSTANTS = 12
_APART_NS = 547 * NS_PER_S  # no divisor of a turn in low orbit: 12 of them are about one
_NAMED = 3  # lasers, where some are missing
_LINKS_AT_ONCE = 500_000  # with more, fewer instants: some 0.1 s


def never_there(
    fleet: Fleet,
    pairs: Int32,
    rates: Callable[[Float64, Int32], Int64],
    grazing_altitude_km: float,
) -> list[str]:
    """A sentence for each shell of which lasers in planes, or across, are missing throughout: all, or some.

    ``rates`` says of (n, 3) positions and pairs which link closes (above 0).  Looked at are
    some instants of about one turn from the start.
    """
    if len(pairs) == 0:
        return []
    count = int(np.clip(_LINKS_AT_ONCE // len(pairs), 1, _INSTANTS))
    ever, blocked = np.zeros(len(pairs), bool), np.zeros(len(pairs), bool)
    shortest_km = np.full(len(pairs), np.inf)
    for time in range(count):
        at = fleet.states_itrs(np.array([time * _APART_NS], np.int64), check=False).position_km[:, 0]
        place = np.ascontiguousarray(np.nan_to_num(at))
        a, b = place[pairs[:, 0]], place[pairs[:, 1]]
        ever |= rates(place, pairs) > 0
        blocked |= ~clears_earth(a, b, grazing_altitude_km)
        shortest_km = np.minimum(shortest_km, np.linalg.norm(b - a, axis=1))
    across = fleet.plane[pairs[:, 0]] != fleet.plane[pairs[:, 1]]
    shell_of = fleet.shell[pairs[:, 0]]
    found = []
    for number, shell in enumerate(fleet.shells):
        for kind, words in ((~across, "within its planes"), (across, "between its planes")):
            mine = kind & (shell_of == number)
            missing = mine & ~ever
            some = bool(ever[mine].any())
            # at fewer instants than about a turn's one may have been missed
            if not missing.any() or (some and count < _INSTANTS):
                continue
            if blocked[missing].all():
                reason = f"the Earth is in the way (lasers must pass {grazing_altitude_km:g} km above it)"
                remedy = "put more satellites into a plane, or fly higher"
                if words == "between its planes":
                    remedy = "write more planes, or fly higher"
            else:
                reason = (
                    f"they are {shortest_km[missing].min():.0f} km long at least, further than they carry"
                )
                remedy = "take a stronger terminal, raise max-range, or write more satellites"
            which = f"no laser {words} is ever there"
            if some:
                ends = [f"{fleet.names[a]} to {fleet.names[b]}" for a, b in pairs[missing][:_NAMED].tolist()]
                which = (
                    f"{missing.sum():,} of {mine.sum():,} lasers {words} are at no time there "
                    f"({', '.join(ends)}{', …' if missing.sum() > _NAMED else ''})"
                )
                if remedy.startswith("put"):
                    remedy += ', or let pattern = "nearest" choose'
            found.append(f"shell {shell.name!r}: {which}: {reason}; {remedy}")
    return found
