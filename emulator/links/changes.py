"""What changed in a mesh's links from one epoch to the next, as people speak of it.  Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..arrays import Int64, pair_keys
from ..compiled import function, i32, i64, size, u8
from ..epoch import LinkKind, Links

#: So many of each kind are named; the others are counted.
MOST_NAMED = 100
#: And of handovers so many, for the record: more at one instant are only counted.
MOST_HANDOVERS = 10_000

_links_changed = function("links_changed", size, i32, i32, u8, size, i32, i32, u8, size, i64, i64, i64)

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
    lasers_lost, lasers_gained = _went_and_came(old, new, LinkKind.LASER)
    left, joined = _went_and_came(old, new, LinkKind.GROUND)
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


def caused_as(changes: LinkChanges, told: Sequence[LinkChanges]) -> LinkChanges:
    """With the causes that parts of them were told with: of several of a gateway the last."""
    causes = {each.gateway: each.cause for part in told for each in part.handovers if each.cause is not None}
    return replace(
        changes,
        handovers=tuple(
            replace(each, cause=causes.get(each.gateway) if each.left else None) for each in changes.handovers
        ),
    )


def _went_and_came(old: Links, new: Links, kind: LinkKind) -> tuple[Int64, Int64]:
    """Keys of links of that kind that only one of the two has, rising: found by one walk."""
    went, came, n = np.empty(len(old), np.int64), np.empty(len(new), np.int64), np.empty(2, np.int64)
    _links_changed(
        len(old), old.a, old.b, old.kind, len(new), new.a, new.b, new.kind, int(kind), went, came, n
    )
    n_went, n_came = n.tolist()
    lost, gained = went[:n_went], came[:n_came]
    return pair_keys(old.a[lost], old.b[lost]), pair_keys(new.a[gained], new.b[gained])


def _pairs(keys: Int64) -> tuple[Pair, ...]:
    return tuple((key >> 32, key & 0xFFFFFFFF) for key in keys.tolist())


def _by_gateway(keys: Int64) -> dict[int, tuple[int, ...]]:
    """Satellites, rising.  A gateway comes behind all satellites: it is the second of its pairs."""
    found: dict[int, tuple[int, ...]] = {}
    for satellite, gateway in _pairs(keys):
        found[gateway] = (*found.get(gateway, ()), satellite)
    return found
