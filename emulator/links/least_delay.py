"""Ground links by the ways over them: those by which all that a station speaks with are nearest.  Pure."""

from __future__ import annotations

import numpy as np

from ..epoch import Bool, Float64, Int32, Int64

MARGIN_NS = 500_000  # by which another link must be better, in the mean over destinations, to replace one
CANDIDATES = 128  # of a station, its nearest
GATEWAYS_AT_ONCE = 128  # so that a satellite that all of them see has no more links than port codes can tell
HOSTS = 32  # of the satellites that run a process: so many stand for all
NO_WAY_NS = 1e9  # a destination that cannot be reached counts as a second away

# Ways looked for in each tick, nodes x destinations, that a scenario is charged with unasked.
MOST_WAYS = 1_000_000


def standing_for(hosting: Bool, n_satellites: int) -> Int32:
    """The satellites that run a process, rising; of many, ``HOSTS`` of them, spread evenly."""
    hosts = np.flatnonzero(hosting[:n_satellites]).astype(np.int32)
    if len(hosts) <= HOSTS:
        return hosts
    return np.asarray(hosts[np.arange(HOSTS) * len(hosts) // HOSTS])


def weights(n_hosts: int, n_gateways: int, gateway: int | None) -> Float64:
    """(n_hosts + n_gateways,) float64 of sum 1: hosts count half, the other gateways half.

    ``gateway``: whose weights, which is no destination of its own.  All 0 where nobody is left.
    """
    kinds = [np.ones(n_hosts), np.ones(n_gateways)]
    if gateway is not None:
        kinds[1][gateway] = 0
    there = [kind.sum() > 0 for kind in kinds]
    return np.concatenate([kind / (max(kind.sum(), 1) * max(sum(there), 1)) for kind in kinds])


def choose(
    held: tuple[int, ...],
    antennas: int,
    seen: Int32,
    delay_ns: Float64,
    weight: Float64 | None = None,
    margin_ns: float = MARGIN_NS,
) -> tuple[int, ...]:
    """The satellites to be linked to, rising: at most ``antennas`` of (n,) ``seen``, which is rising.

    ``delay_ns`` (n, d): over each to each destination; ``weight`` (d,), of sum
    1 (by default all alike): what each counts in the mean.  What is held and
    still seen is kept; free antennas take whoever shortens the mean of the
    least delays most, of equals the one of the least mean; then one is replaced while that shortens it by
    ``margin_ns``.
    """
    if len(seen) <= antennas:
        return tuple(seen.tolist())
    n_destinations = delay_ns.shape[1]
    weight = np.full(n_destinations, 1 / n_destinations) if weight is None else weight
    no_way_ns = NO_WAY_NS * weight
    delay_ns = np.minimum(delay_ns, NO_WAY_NS) * weight
    chosen: list[int] = np.flatnonzero(np.isin(seen, held)).tolist()[:antennas]
    while len(chosen) < antennas:
        least = np.minimum(delay_ns[chosen].min(axis=0, initial=np.inf), no_way_ns)
        gain = (least - np.minimum(least, delay_ns)).sum(axis=1)
        gain[chosen] = -1
        chosen.append(int(np.lexsort((delay_ns.sum(axis=1), -gain))[0]))
    for _ in range(antennas):
        now_ns = delay_ns[chosen].min(axis=0).sum()
        without = _without_each(delay_ns[chosen], no_way_ns)
        swapped_ns = np.minimum(without[:, None], delay_ns[None]).sum(axis=2)
        out, into = divmod(int(swapped_ns.argmin()), len(seen))
        if now_ns - swapped_ns[out, into] < margin_ns or now_ns <= swapped_ns[out, into]:
            break
        chosen[out] = into
    return tuple(sorted(seen[chosen].tolist()))


def _without_each(delay_ns: Float64, no_way_ns: Float64) -> Float64:
    """(k, d) of (k, d): the least of the others in each column; (d,) where there are none."""
    least_two = np.vstack([delay_ns, no_way_ns])
    order: Int64 = np.argpartition(least_two, 1, axis=0)[:2]
    first, second = np.take_along_axis(least_two, order, axis=0)
    is_first = np.arange(len(delay_ns))[:, None] == order[0]
    return np.asarray(np.where(is_first, second, first))
