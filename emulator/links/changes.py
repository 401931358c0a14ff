"""What changed in a mesh's links from one epoch to the next, as people speak of it.  Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..epoch import Int64, LinkKind, Links

#: So many of each kind are named; the others are counted.
MOST_NAMED = 100
#: And of handovers so many, for the record: more at one instant are only counted.
MOST_HANDOVERS = 10_000

Pair = tuple[int, int]


@dataclass(frozen=True)
class Handover:
    """A gateway that has other satellites than before; ``cause``: why it left those (handover_causes.py)."""

    gateway: int
    left: tuple[int, ...]
    joined: tuple[int, ...]
    cause: str | None = None


@dataclass(frozen=True)
class LinkChanges:
    """Of each the first that are named, by node, and how many there are."""

    lasers_lost: tuple[Pair, ...] = ()
    lasers_gained: tuple[Pair, ...] = ()
    handovers: tuple[Handover, ...] = ()
    n_lasers_lost: int = 0
    n_lasers_gained: int = 0
    n_handovers: int = 0


NOTHING_CHANGED = LinkChanges()


def link_changes(
    old: Links, new: Links, most: int = MOST_NAMED, most_handovers: int = MOST_HANDOVERS
) -> LinkChanges:
    """``most``: lasers that are named, ``most_handovers``: gateways."""
    if np.array_equal(old.a, new.a) and np.array_equal(old.b, new.b):
        return NOTHING_CHANGED
    lasers_lost, lasers_gained = _went_and_came(_keys(old, LinkKind.LASER), _keys(new, LinkKind.LASER))
    left, joined = _went_and_came(_keys(old, LinkKind.GROUND), _keys(new, LinkKind.GROUND))
    gateways = np.union1d(left & 0xFFFFFFFF, joined & 0xFFFFFFFF)
    left_by, joined_by = _by_gateway(left), _by_gateway(joined)
    return LinkChanges(
        _pairs(lasers_lost[:most]),
        _pairs(lasers_gained[:most]),
        tuple(
            Handover(gateway, left_by.get(gateway, ()), joined_by.get(gateway, ()))
            for gateway in gateways[:most_handovers].tolist()
        ),
        len(lasers_lost),
        len(lasers_gained),
        len(gateways),
    )


def _keys(links: Links, kind: LinkKind) -> Int64:
    keys: Int64 = links.key()[links.kind == kind]
    return keys


def _went_and_came(old: Int64, new: Int64) -> tuple[Int64, Int64]:
    """Both rise.  Where they are the same but for a few, that is found without a sort of all."""
    if np.array_equal(old, new):
        return old[:0], new[:0]
    went: Int64 = old[~np.isin(old, new, assume_unique=True)]
    came: Int64 = new[~np.isin(new, old, assume_unique=True)]
    return went, came


def _pairs(keys: Int64) -> tuple[Pair, ...]:
    return tuple((key >> 32, key & 0xFFFFFFFF) for key in keys.tolist())


def _by_gateway(keys: Int64) -> dict[int, tuple[int, ...]]:
    """Satellites, rising.  A gateway comes behind all satellites: it is the second of its pairs."""
    found: dict[int, tuple[int, ...]] = {}
    for satellite, gateway in _pairs(keys):
        found[gateway] = (*found.get(gateway, ()), satellite)
    return found
