"""From an epoch to what a bank of the shared table holds.  Pure: arrays in, arrays out.

A pipe is one direction of a link.  That of laser slot s of satellite n is pipe
``n * laser_slots + s``; those of ground pair j are 2j and 2j + 1 behind all
lasers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...arrays import UInt8, UInt32
from ...compiled import f64, function, i32, i64, real, size, u32
from ...epoch import Float64, Int32, Int64, Links, Ports
from ..shaping import MIN_RATE_BPS, emulated_rate_bps

#: one pipe, 16 bytes; ``word`` holds the node at the far end, the generation and whether it is up
PIPE = np.dtype(
    [("delay_ns", np.uint32), ("slope_ns_per_s", np.float32), ("rate_bps", np.float32), ("word", np.uint32)]
)
#: one place of the table from addresses to rows of next hops; row_plus_one 0: empty
PLACE = np.dtype([("ipv4", np.uint32), ("row_plus_one", np.uint32)])

NODE_BITS = 24
_NODE = np.uint32((1 << NODE_BITS) - 1)
GENERATION = np.uint32(0x7F << NODE_BITS)
_ONE_GENERATION = np.uint32(1 << NODE_BITS)
UP = np.uint32(1 << 31)
_laser_pipes = function("laser_pipes", size, size, i32, i32, f64, f64, i64, i64, real, real, u32, u32, i64)
_HASH = np.uint32(2654435769)  # 2^32 divided by the golden ratio


def is_up(word: UInt32) -> NDArray[np.bool_]:
    return word >= UP


def far_node(word: UInt32) -> Int32:
    return (word & _NODE).astype(np.int32)


def generation(word: UInt32) -> UInt8:
    return ((word & GENERATION) >> np.uint32(NODE_BITS)).astype(np.uint8)


def next_words(before: UInt32, far: Int32, other_link: NDArray[np.bool_] | None = None) -> UInt32:
    """(P,) words of pipes that lead to ``far`` (-1: down), after those ``before``.

    The generation grows by one (7 bits, it wraps around) where a pipe that was
    up goes down, leads elsewhere, or belongs to another link though it leads to
    the same node (``other_link``): what was in flight there is lost.
    """
    up = far >= 0
    word = np.where(up, far.view(np.uint32) | UP, before & _NODE)
    word |= before & GENERATION
    differs = word != before
    if other_link is not None:
        differs |= other_link
    broken = np.flatnonzero(differs & is_up(before))
    bumped = ((word[broken] & GENERATION) + _ONE_GENERATION) & GENERATION
    word[broken] = (word[broken] & ~GENERATION) | bumped
    return word


def delays_ns(delay_ns: NDArray[np.float64]) -> UInt32:
    """Whole ns, never less than light takes."""
    return np.ceil(delay_ns).astype(np.uint32)


def rates_bps(physical_bps: Int64, rate_scale: float) -> NDArray[np.float32]:
    return emulated_rate_bps(physical_bps, rate_scale).astype(np.float32)


def laser_pipes(
    ports: Ports, neighbour: Int32, links: Links, rate_scale: float, before: UInt32, out: NDArray[np.void]
) -> tuple[int, int]:
    """Fill (n_satellites * slots,) PIPE; how many pipes came up, and how many went down.

    ``neighbour`` is that of the ports, UNUSED also where a laser has failed.

    ``before`` are the words of the same pipes in the epoch before, and become
    those of this one.
    """
    changes = np.empty(2, np.int64)
    _laser_pipes(
        ports.n_satellites, ports.laser_slots, neighbour, ports.laser_row,
        links.delay_ns, links.delay_slope_ns_per_s, links.rate_ab_bps, links.rate_ba_bps,
        rate_scale, MIN_RATE_BPS, before, out.view(np.uint32), changes,
    )  # fmt: skip
    came, went = changes.tolist()
    return came, went


def addresses_hashed(ipv4: UInt32, n_places: int) -> NDArray[np.void]:
    """(n_places,) PLACE: open addressing with linear probing, the row of each of (d,) addresses.

    ``n_places`` is a power of two, at least 2 d.
    """
    if n_places < 2 * len(ipv4) or n_places & (n_places - 1):
        raise ValueError(f"{n_places} places do not do for {len(ipv4)} addresses")
    table = np.zeros(n_places, PLACE)
    rows = np.arange(len(ipv4), dtype=np.uint32)
    with np.errstate(over="ignore"):
        place = first_places(ipv4, n_places)
    while len(rows):
        # of those that want the same place the first one gets it, if it is free
        _, first = np.unique(place, return_index=True)
        first = first[table["row_plus_one"][place[first]] == 0]
        table["ipv4"][place[first]] = ipv4[rows[first]]
        table["row_plus_one"][place[first]] = rows[first] + np.uint32(1)
        left = np.ones(len(rows), np.bool_)
        left[first] = False
        rows, place = rows[left], (place[left] + 1) & (n_places - 1)
    return table


def first_places(ipv4: UInt32, n_places: int) -> Int64:
    """Where an address is looked for first."""
    shift = np.uint32(32 - (n_places.bit_length() - 1))
    return ((ipv4 * _HASH) >> shift).astype(np.int64)


def places_for(n_destinations: int) -> int:
    """The least power of two that is at least twice as many, and 2."""
    return 1 << max(1, (2 * n_destinations - 1).bit_length())


def own_losses(loss_ratio: Float64) -> NDArray[np.float32]:
    """(n,) as FabricTable.loss has them: 0 would mean "as its kind"."""
    return np.where(loss_ratio > 0, loss_ratio, -1.0).astype(np.float32)
