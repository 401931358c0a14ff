"""Ring all-reduce, round by round: who sends which chunk.  Pure.

P. Patarasuk, X. Yuan, "Bandwidth optimal all-reduce algorithms for clusters of workstations", Journal of
Parallel and Distributed Computing 69(2), 2009: N - 1 rounds of reduce-scatter, after which member i has the
whole sum of chunk i + 1, and N - 1 of all-gather, in which the sums go round.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Round:
    """Chunks by number; ``adds``: what comes is added to one's own, else it replaces it."""

    sends: int
    receives: int
    adds: bool


def rounds(place: int, members: int) -> Iterator[Round]:
    """The 2 (members - 1) rounds of one member."""
    for k in range(members - 1):
        yield Round((place - k) % members, (place - k - 1) % members, adds=True)
    for k in range(members - 1):
        yield Round((place + 1 - k) % members, (place - k) % members, adds=False)
