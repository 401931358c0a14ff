"""What reaches a satellite: sunlight through the Earth's shadow, and what the Earth reflects and radiates.

The shadow is that of a sphere of the Earth's equatorial radius before a Sun
that has a size, so it has an umbra and a penumbra.  Left out: the Earth's
flattening (near the poles a satellite enters the shadow up to 3 s late), the
air, which dims the Sun before the limb does, and the Moon.

The radiator is edge-on to the Sun and to the Earth: each of its sides sees the
Earth as a plate does whose normal is level, at a share of its view of
(atan(1/t) - t/H²)/π with H = r/Re and t = √(H² - 1) (J. R. Howell, A Catalog of
Radiation Heat Transfer Configuration Factors).  The Earth counts as equally
warm and bright all round; what it reflects falls with the Sun's height there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from ..compiled import f64, function, size
from ..constants import (
    AU_KM,
    EARTH_ALBEDO_RATIO,
    EARTH_INFRARED_W_PER_M2,
    EARTH_RADIUS_KM,
    SOLAR_CONSTANT_W_PER_M2,
    SUN_RADIUS_KM,
)
from ..epoch import Float64
from .parameters import Platform

#: where the array looks: at the Sun; as near it as turns about the orbit's normal bring it; up
Pointing = Literal["sun", "orbit-normal", "zenith"]
POINTINGS: tuple[Pointing, ...] = get_args(Pointing)

_surroundings = function("platform_surroundings", f64, size, size, f64, f64, f64, f64, f64)


@dataclass(frozen=True, eq=False)
class Surroundings:
    """(n,) float64 each.

    ``sunlit_ratio``: share of the Sun's disk in sight; ``array_ratio``: sunlight
    on the array over that of 1 au at right angles; ``absorbed_w``: by the radiator.
    """

    sunlit_ratio: Float64
    array_ratio: Float64
    absorbed_w: Float64

    def between(self, after: Surroundings) -> Surroundings:
        """The mean of two instants: what a step between them feels."""
        return Surroundings(
            (self.sunlit_ratio + after.sunlit_ratio) / 2,
            (self.array_ratio + after.array_ratio) / 2,
            (self.absorbed_w + after.absorbed_w) / 2,
        )


def surroundings(
    platform: Platform,
    position_km: Float64,
    sun_au: Float64,
    pointing: Pointing = "sun",
    velocity_km_per_s: Float64 | None = None,
) -> Surroundings:
    """Of satellites at (n, 3) km with the Sun at (3,) au, both from the Earth's centre in the same axes.

    ``velocity_km_per_s`` (n, 3), as seen by one who does not turn with the
    Earth, is asked for by the pointing "orbit-normal" alone.
    """
    position_km = np.ascontiguousarray(position_km, np.float64)
    n = len(position_km)
    if velocity_km_per_s is None and pointing == "orbit-normal":
        raise ValueError("an array that turns about the orbit's normal needs velocities")
    velocity = (
        position_km if velocity_km_per_s is None else np.ascontiguousarray(velocity_km_per_s, np.float64)
    )
    side_m2 = platform.radiating_m2 / platform.sides
    sky = np.array(
        [
            *(np.asarray(sun_au, np.float64) * AU_KM),
            SUN_RADIUS_KM,
            EARTH_RADIUS_KM,
            AU_KM,
            SOLAR_CONSTANT_W_PER_M2 * platform.absorptivity_ratio * platform.sunlit_side_ratio * side_m2,
            SOLAR_CONSTANT_W_PER_M2
            * EARTH_ALBEDO_RATIO
            * platform.absorptivity_ratio
            * platform.radiating_m2,
            EARTH_INFRARED_W_PER_M2 * platform.emissivity_ratio * platform.radiating_m2,
        ]
    )
    made = Surroundings(np.empty(n), np.empty(n), np.empty(n))
    _surroundings(
        sky, POINTINGS.index(pointing), n, position_km, velocity,
        made.sunlit_ratio, made.array_ratio, made.absorbed_w,
    )  # fmt: skip
    return made


def at_rest(platform: Platform, heat_w: Float64) -> Float64:
    """(n,) K: where as much leaves as comes in, for (n,) W made and absorbed.

    The fourth root where there is a radiator alone; else by Newton's method,
    which comes from above and so cannot miss.
    """
    heat_w = np.maximum(np.asarray(heat_w, np.float64), 0.0)
    b, g, sink = platform.radiation_w_per_k4, platform.conductance_w_per_k, platform.sink_k
    if g == 0:
        return np.asarray((heat_w / b + sink**4) ** 0.25)
    if b == 0:
        return np.asarray(sink + heat_w / g)
    t = np.minimum((heat_w / b + sink**4) ** 0.25, sink + heat_w / g)
    for _ in range(60):
        t = t - (b * (t**4 - sink**4) + g * (t - sink) - heat_w) / (4 * b * t**3 + g)
    return np.asarray(t)
