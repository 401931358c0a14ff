"""Which pairs of nodes are meant by ``A:B``, where either may stand for many.

A text that is a node's name, a station's, or a satellite's in its file is that node, whatever is in it.
Any other with ``*``, ``?`` or ``[…]`` in it stands for all nodes whose names, as above, match it, upper
and lower case being the same.  ``nearest``, behind the colon, is at each instant the satellite with a process
that is the least delay away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..epoch import UNUSED, Bool, Int32, Nodes
from ..errors import InputError
from ..find_node import find_nodes, is_set
from ..shown import shown

NEAREST = "nearest"
MOST_PAIRS = 100_000


@dataclass(frozen=True, eq=False)
class Pairs:
    """(p,) int32 each; a destination is UNUSED where it is the nearest of ``servers``, (s,) int32 rising."""

    sources: Int32
    destinations: Int32
    servers: Int32

    def __len__(self) -> int:
        return len(self.sources)

    @property
    def has_nearest(self) -> bool:
        return bool((self.destinations == UNUSED).any())

    @property
    def routed_to(self) -> list[int]:
        """All to whom ways are asked for."""
        fixed = self.destinations[self.destinations != UNUSED]
        return sorted({*fixed.tolist(), *(self.servers.tolist() if self.has_nearest else ())})


def has_sets(pairs: Sequence[str]) -> bool:
    return any(NEAREST in text.split(":") or is_set(text) for text in pairs)


def pairs_of(texts: Sequence[str], nodes: Nodes, hosting: Bool) -> Pairs:
    """Each pair once, in the order in which they are named; of sets, no node with itself.

    InputError, in a sentence, for what nobody has.
    """
    servers = np.flatnonzero(hosting[: nodes.n_satellites]).astype(np.int32)
    found: dict[tuple[int, int], None] = {}
    for text in texts:
        names = text.split(":")
        if len(names) != 2 or not all(names):
            raise InputError(f"{shown(text)} is not a pair of nodes: write A:B, as in gw-london:gw-tokyo")
        if names[0] == NEAREST:
            raise InputError(f"{shown(text)}: write {NEAREST} behind the colon, as in gw-london:{NEAREST}")
        sources = find_nodes(names[0], nodes)
        destinations = [UNUSED] if names[1] == NEAREST else find_nodes(names[1], nodes)
        if names[1] == NEAREST and not len(servers):
            raise InputError(
                f"{shown(text)}: no satellite of the scenario runs a process, so none is nearest"
            )
        if len(sources) * len(destinations) + len(found) > MOST_PAIRS:
            raise InputError(
                f"{shown(text)} makes more than {MOST_PAIRS:,} pairs "
                f"({len(sources):,} × {len(destinations):,}): name fewer"
            )
        is_one = len(sources) == len(destinations) == 1
        found.update({(a, b): None for a in sources for b in destinations if a != b or is_one})
    if not found:
        raise InputError("no pair is left: each of the nodes named is paired with itself alone")
    sources_of, destinations_of = zip(*found, strict=True)
    return Pairs(np.array(sources_of, np.int32), np.array(destinations_of, np.int32), servers)
