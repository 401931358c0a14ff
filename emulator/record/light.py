"""What is compared with light, and how much less than light it may be.  Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..constants import SPEED_OF_LIGHT_KM_PER_S
from ..epoch import NS_PER_S, Epoch, Links

# All instants come from one clock of one machine, which is read before a packet
# is sent and after its answer has come.  What is left is the rounding of each
# hop to whole ns (some 60 hops there and back) and the offset between the
# processors' counters, below 1 us where the kernel accepts them as clock source.
TOLERANCE_NS = 1_000

# 3 m: rounding, and an interpolation of positions that is good to a metre
LINK_TOLERANCE_NS = 10.0


@dataclass(frozen=True)
class Light:
    """The tightest comparison of a sample with light; ``margin_ns`` below ``-TOLERANCE_NS`` is impossible."""

    part: str  # "the round trip", "the way there", "the way back"
    value_ns: int
    least_ns: float

    @property
    def margin_ns(self) -> float:
        return self.value_ns - self.least_ns

    @property
    def is_violated(self) -> bool:
        return self.margin_ns < -TOLERANCE_NS


def shorter_than_light(epoch: Epoch) -> tuple[int, float, float] | None:
    """The worst link whose delay is below the straight line between its ends: (row, delay_ns, light_ns)."""
    links: Links = epoch.links
    if len(links) == 0:
        return None
    chord_km = np.linalg.norm(epoch.positions_itrs_km[links.a] - epoch.positions_itrs_km[links.b], axis=1)
    light_ns = chord_km / SPEED_OF_LIGHT_KM_PER_S * NS_PER_S
    row = int(np.argmin(links.delay_ns - light_ns))
    if links.delay_ns[row] >= light_ns[row] - LINK_TOLERANCE_NS:
        return None
    return row, float(links.delay_ns[row]), float(light_ns[row])
