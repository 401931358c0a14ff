"""Power and heat of the satellites at an instant.  Pure."""

from __future__ import annotations

from dataclasses import dataclass

from ..arrays import Float32, UInt8

#: what holds computing back below what it asks for, by ``Platforms.cause``; eclipse: energy, in the shadow
HELD_BACK_BY = ("", "heat", "eclipse", "energy")


@dataclass(frozen=True, eq=False)
class Platforms:
    """Power and heat of all satellites, (n_satellites,) each: states at the epoch's instant, powers as means
    of the step that ends there.

    ``capacity_ratio``: the rate of computing that is possible, over that at peak power; ``cause``: what holds
    it below what was asked for, a number of ``HELD_BACK_BY``; ``measured``: 1 where what accelerators
    reported is in it, which depends on the host, 0 where it follows from scenario and seed alone.
    """

    sunlit_ratio: Float32
    battery_j: Float32
    temperature_k: Float32
    demand_w: Float32  # of the computers
    compute_w: Float32
    power_w: Float32  # of computers and bus
    capacity_ratio: Float32
    cause: UInt8
    measured: UInt8
