"""Ground links by the ways over them: those by which all that a station speaks with are nearest.  Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np

from ..arrays import Bool, Float64, Int32, pair_keys
from ..compiled import f64, function, i32, i64, real, size, u8
from ..constants import NS_PER_S, SPEED_OF_LIGHT_KM_PER_S
from .visibility import Sight

MARGIN_NS = 500_000  # by which another link must be better, in the mean over destinations, to replace one
CANDIDATES = 128  # of a station, its nearest
GATEWAYS_AT_ONCE = 128  # so that a satellite that all of them see has no more links than port codes can tell
HOSTS = 32  # of the satellites that run a process: so many stand for all
NO_WAY_NS = 1e9  # a destination that cannot be reached counts as a second away

# Ways looked for in each tick, nodes x destinations, that a scenario is charged with unasked.
MOST_WAYS = 1_000_000

_choose_links = function(
    "choose_links", size, i64, i32, i32, f64, u8, size, size, f64, f64, real, real, f64, i32
)


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
    """The satellites that one station is to be linked to, rising, of (n,) ``seen``, which is rising.

    ``delay_ns`` (n, d): over each to each destination; ``weight`` (d,), of sum 1 (by default all alike).
    """
    n, d = delay_ns.shape
    sight = Sight(np.array([0, n]), seen, np.zeros(n), np.zeros(n))
    weight = np.full(d, 1 / d) if weight is None else weight
    return choose_all((held,), (antennas,), sight, seen, delay_ns.T, weight[None], margin_ns)[0]


def choose_all(
    held: Sequence[tuple[int, ...]],
    antennas: Sequence[int],
    sight: Sight,
    who: Int32,
    beyond_ns: Float64,
    weight: Float64,
    margin_ns: float,
) -> tuple[tuple[int, ...], ...]:
    """For each station the satellites to link it to, rising: at most ``antennas`` of those it sees.

    ``beyond_ns`` (d, w): from each satellite of ``who``, which is rising, to
    each destination; ``weight`` (m, d), each row of sum 1: what a destination
    counts for a station in the mean.  What is held and still seen is kept;
    free antennas take whoever shortens the mean of the least delays most, of
    equals the one of the least mean; then one is replaced while that shortens
    it by ``margin_ns``.  Who sees no more than it has antennas is linked to all.
    """
    count, n_antennas = np.diff(sight.first), np.array(antennas, np.int32)
    station = np.repeat(np.arange(len(count), dtype=np.int32), count)
    torn = count > n_antennas
    rows = np.flatnonzero(torn[station])
    seen, of = sight.satellite[rows], station[rows]
    holding = np.repeat(np.arange(len(held), dtype=np.int32), [len(each) for each in held])
    is_held = np.isin(
        pair_keys(seen, of), pair_keys(np.fromiter(chain.from_iterable(held), np.int32), holding)
    )
    first = np.append(0, np.cumsum(count[torn]))
    n_destinations = len(beyond_ns)
    place = np.empty(int(n_antennas[torn].sum()), np.int32)
    _choose_links(
        int(torn.sum()), first, n_antennas[torn], np.searchsorted(who, seen).astype(np.int32),
        sight.range_km[rows] * (NS_PER_S / SPEED_OF_LIGHT_KM_PER_S), is_held.astype(np.uint8),
        n_destinations, len(who), np.ascontiguousarray(beyond_ns), np.ascontiguousarray(weight[torn]),
        NO_WAY_NS, margin_ns, np.empty((int(count.max(initial=0)) + 3) * n_destinations), place,
    )  # fmt: skip
    linked = seen[place + np.repeat(first[:-1], n_antennas[torn])]
    parts = iter(np.split(linked, np.cumsum(n_antennas[torn])[:-1]))
    return tuple(
        tuple(np.sort(next(parts)).tolist() if is_torn else sight.of(row)[0].tolist())
        for row, is_torn in enumerate(torn.tolist())
    )
