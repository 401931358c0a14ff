"""Where things are: elements, SGP4, frames, ground stations, the Sun.  TEME never leaves this package."""

from .arrangement import Arrangement
from .fleet import Fleet, Propagation
from .propagate import States
from .shells import ShellLayout
from .stations import station_positions_itrs_km, station_zeniths_itrs
from .sun import sun_direction_itrs, sun_itrs_au

__all__ = [
    "Arrangement",
    "Fleet",
    "Propagation",
    "ShellLayout",
    "States",
    "station_positions_itrs_km",
    "station_zeniths_itrs",
    "sun_direction_itrs",
    "sun_itrs_au",
]
