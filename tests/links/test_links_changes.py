"""What is told of links that came and went between two epochs."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from orbitmesh.emulator.epoch import Links
from orbitmesh.emulator.links.changes import NOTHING_CHANGED, Handover, link_changes

SATELLITES = 6  # nodes 6 to 8 are gateways
PAIRS = st.sets(
    st.tuples(st.integers(0, SATELLITES - 1), st.integers(0, 8)).filter(lambda pair: pair[0] < pair[1]),
    max_size=20,
)


def links(pairs: set[tuple[int, int]]) -> Links:
    rows = sorted(pairs)
    a, b = (np.array([row[end] for row in rows], np.int32) for end in (0, 1))
    kind = (b >= SATELLITES).astype(np.uint8)
    n = len(rows)
    return Links(a, b, kind, np.zeros(n), np.zeros(n), np.zeros(n, np.int64), np.zeros(n, np.int64))


def test_a_gateway_that_goes_from_one_satellite_to_another_is_a_handover() -> None:
    old, new = links({(0, 1), (1, 2), (0, 6), (2, 7)}), links({(0, 1), (2, 3), (1, 6), (2, 7)})
    found = link_changes(old, new)
    assert found.handovers == (Handover(6, left=(0,), joined=(1,)),)
    assert found.lasers_lost == ((1, 2),)
    assert found.lasers_gained == ((2, 3),)
    assert (found.n_lasers_lost, found.n_lasers_gained, found.n_handovers) == (1, 1, 1)


def test_only_so_many_are_named_and_all_are_counted() -> None:
    old, new = links(set()), links({(0, b) for b in range(1, 6)} | {(0, 6), (0, 7), (0, 8)})
    found = link_changes(old, new, most=2, most_handovers=2)
    assert found.lasers_gained == ((0, 1), (0, 2))
    assert (found.n_lasers_gained, found.n_handovers, len(found.handovers)) == (5, 3, 2)


@given(old=PAIRS, new=PAIRS)
def test_they_are_the_differences_of_two_sets(old: set[tuple[int, int]], new: set[tuple[int, int]]) -> None:
    found = link_changes(links(old), links(new))
    assert set(found.lasers_lost) == {pair for pair in old - new if pair[1] < SATELLITES}
    assert set(found.lasers_gained) == {pair for pair in new - old if pair[1] < SATELLITES}
    ground = {
        gateway: (
            tuple(sorted(a for a, b in old - new if b == gateway)),
            tuple(sorted(a for a, b in new - old if b == gateway)),
        )
        for gateway in range(SATELLITES, 9)
    }
    assert {h.gateway: (h.left, h.joined) for h in found.handovers} == {
        gateway: sides for gateway, sides in ground.items() if sides != ((), ())
    }
    if old == new:
        assert found == NOTHING_CHANGED
