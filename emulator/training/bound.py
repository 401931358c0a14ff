"""The least time that a ring all-reduce takes over the links of an epoch.  Pure.

Member i may send in round k + 1 what it received in round k, and one message at a time:

    free(i, k) = max(arrived(i, k - 1), free(i, k - 1)) + 8 chunk / rate(i)
    arrived(i + 1, k) = free(i, k) + delay(i)

With equal links that is 2 (N - 1) (8 S / (N rate) + delay).  Where several members' ways share a link, each
has an even part of its rate.  Left out: headers, what hops beyond a first store, acknowledgements, and the
adding itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ..epoch import NS_PER_S, Epoch, Float64


@dataclass(frozen=True, eq=False)
class RingWays:
    """From each member to the next, (n,) each: delay, physical rate (parted where shared), hops."""

    delay_ns: Float64
    rate_bps: Float64
    hops: tuple[int, ...]


def ways_of(epoch: Epoch, ring: Sequence[int]) -> RingWays | int:
    """The place of the first member that has no way to the next, where there is one."""
    links, ways = epoch.links, []
    for place, (here, there) in enumerate(zip(ring, [*ring[1:], ring[0]], strict=True)):
        way = epoch.way(here, there)
        if way is None:
            return place
        ways.append(way)
    used = Counter(hop for way in ways for hop in pairwise(way.nodes))
    rates = []
    for way in ways:
        hops = list(pairwise(way.nodes))
        forward = np.array([a < b for a, b in hops])
        rate = np.where(forward, links.rate_ab_bps[way.rows], links.rate_ba_bps[way.rows])
        rates.append(float(min(rate / np.array([used[hop] for hop in hops]))))
    return RingWays(
        np.array([float(links.delay_ns[way.rows].sum()) for way in ways]),
        np.array(rates),
        tuple(len(way.nodes) - 1 for way in ways),
    )


def ring_ns(message_bytes: float, rate_bps: Float64, delay_ns: Float64) -> float:
    """Of a whole all-reduce in which each round sends so many bytes from each of (n,) members."""
    n = len(rate_bps)
    sending_ns = 8 * NS_PER_S * message_bytes / rate_bps
    arrived, free = np.zeros(n), np.zeros(n)
    for _ in range(2 * (n - 1)):
        free = np.maximum(arrived, free) + sending_ns
        arrived = np.roll(free + delay_ns, 1)
    return float(arrived.max())


def algorithm_bps(all_reduce_ns: float, gradient_bytes: int) -> float:
    """As nccl-tests define it (doc/PERFORMANCE.md): the gradient's size over the time."""
    return 8 * NS_PER_S * gradient_bytes / all_reduce_ns


def bus_bps(all_reduce_ns: float, gradient_bytes: int, members: int) -> float:
    """Likewise: the rate of a link that this all-reduce would just fill."""
    return algorithm_bps(all_reduce_ns, gradient_bytes) * 2 * (members - 1) / members
