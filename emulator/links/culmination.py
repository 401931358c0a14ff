"""When a satellite stands highest in a station's sight, and how high: of passes that ``contacts`` has found.

Looked for on the orbit itself, not between instants: each round looks closer around the highest of the last.
An elevation has one maximum in a pass of a low orbit; of several, as in a high and inclined one, the highest
that looks a 32nd of the pass apart can tell.
"""

from __future__ import annotations

import numpy as np

from ..epoch import Float64, Int64
from .contacts import Contacts
from .passes import Propagate
from .visibility import Stations

_LOOKS = 33
_ROUNDS = 5  # of 600 s: to 9 ms after four, to 0.6 ms after five


def culminations(
    stations: Stations, rows: Int64, satellites: Int64, contacts: Contacts, propagate: Propagate
) -> tuple[Int64, Float64]:
    """(c,) instants, sim_ns, and (c,) elevations, rad, of contacts of pairs (p,) and (p,).

    Where a pass reaches beyond the window, the highest within it: at an edge, mostly.
    """
    at_ns, elevation_rad = np.empty(len(contacts), np.int64), np.empty(len(contacts))
    for k in range(len(contacts)):
        pair = contacts.pair[k]
        low, high = int(contacts.begin_sim_ns[k]), int(contacts.end_sim_ns[k])
        station, satellite = int(rows[pair]), np.array([satellites[pair]])
        for _ in range(_ROUNDS):
            when = np.linspace(low, high, _LOOKS).round().astype(np.int64)
            sine = _sines(stations, station, propagate(satellite, when).position_km[0])
            best = int(np.nanargmax(sine))
            low, high = int(when[max(0, best - 1)]), int(when[min(_LOOKS - 1, best + 1)])
        at_ns[k], elevation_rad[k] = when[best], np.arcsin(min(1.0, float(sine[best])))
    return at_ns, elevation_rad


def _sines(stations: Stations, row: int, position_itrs_km: Float64) -> Float64:
    to_satellite_km = position_itrs_km - stations.position_itrs_km[row]
    return np.asarray(to_satellite_km @ stations.zenith_itrs[row] / np.linalg.norm(to_satellite_km, axis=-1))
