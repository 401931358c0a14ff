"""How far apart the two ends of each link are, and how fast that changes."""

from __future__ import annotations

import numpy as np

from ..compiled import f64, function, i32, size
from ..epoch import Float64, Int32

_ranges = function("ranges_of_links", size, i32, i32, f64, f64, f64, f64)


def ranges_of_links(
    a: Int32, b: Int32, position_km: Float64, velocity_km_per_s: Float64
) -> tuple[Float64, Float64]:
    """(n,) range in km and (n,) range rate in km/s, of links between nodes ``a`` and ``b``, (n,) each.

    Positions and velocities are (n_nodes, 3), of one frame.
    """
    range_km, range_rate_km_per_s = np.empty(len(a)), np.empty(len(a))
    _ranges(len(a), a, b, position_km, velocity_km_per_s, range_km, range_rate_km_per_s)
    return range_km, range_rate_km_per_s
