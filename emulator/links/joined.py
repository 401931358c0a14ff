"""All links of an instant, lasers and ground links in one order, and by which ports nodes send on them."""

from __future__ import annotations

import numpy as np

from ..arrays import read_only
from ..compiled import f64, function, i32, i64, real, size, u8
from ..constants import SPEED_OF_LIGHT_KM_PER_S
from ..epoch import NS_PER_S, UNUSED, Float64, Links, Ports, ground_ports
from ..scenario.model import Ground
from .ground import Selection
from .lasers import Lasers

_merge_links = function(
    "merge_links", size, i32, u8, i64, size, i32, real, real, size, f64, f64, real,
    i32, i32, u8, f64, f64, i64, i64, i32, i32, result=size,
)  # fmt: skip


def joined(
    lasers: Lasers,
    selection: Selection,
    position_itrs_km: Float64,
    velocity_km_per_s: Float64,
    *,
    n_satellites: int,
    slots: int,
    ground: Ground,
) -> tuple[Links, Ports]:
    """Links by (a, b), and their ports.  A ground link runs from satellite a to gateway b.

    Positions and velocities, (n_nodes, 3): satellites, then gateways; ``slots``: lasers that a satellite has.
    """
    pairs = selection.pairs() + np.array([0, n_satellites], np.int32)
    pairs = np.ascontiguousarray(pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))])
    n = len(lasers.pairs) + len(pairs)
    a, b, kind = np.empty(n, np.int32), np.empty(n, np.int32), np.empty(n, np.uint8)
    delay_ns, slope_ns_per_s = np.empty(n), np.empty(n)
    rate_ab_bps, rate_ba_bps = np.empty(n, np.int64), np.empty(n, np.int64)
    neighbour = np.full((n_satellites, slots), UNUSED, np.int32)
    row = np.full((n_satellites, slots), UNUSED, np.int32)
    found = _merge_links(
        len(lasers.pairs), lasers.pairs, lasers.terminals, lasers.rate_bps,
        len(pairs), pairs, ground.downlink_bps, ground.uplink_bps, slots,
        position_itrs_km, velocity_km_per_s, NS_PER_S / SPEED_OF_LIGHT_KM_PER_S,
        a, b, kind, delay_ns, slope_ns_per_s, rate_ab_bps, rate_ba_bps, neighbour, row,
    )  # fmt: skip
    assert found == n
    links = Links(
        a=read_only(a),
        b=read_only(b),
        kind=read_only(kind),
        delay_ns=read_only(delay_ns),
        delay_slope_ns_per_s=read_only(slope_ns_per_s),
        rate_ab_bps=read_only(rate_ab_bps),
        rate_ba_bps=read_only(rate_ba_bps),
    )
    ports = (neighbour, row, *ground_ports(links, n_satellites, len(position_itrs_km)))
    return links, Ports(*map(read_only, ports))
