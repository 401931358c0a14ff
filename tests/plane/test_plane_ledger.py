"""Which links are attached, under which names, and which are on their way out."""

from __future__ import annotations

import numpy as np
import plane_toys as toys
import pytest

from orbitmesh.emulator.epoch import LinkKind
from orbitmesh.emulator.plane.wired.ledger import Current, Entry, Ledger, Reservation

MESH = toys.nodes(2, 3, 2)


def _entry(r: Reservation, link: int = 0) -> Entry:
    return Entry(r.key, r.a, r.b, r.kind, link, r.interface_a, r.interface_b, 2 + link, 100 + link)


def _claim(ledger: Ledger, pairs: list[tuple[int, int]]) -> tuple[list[Entry], list[Reservation]]:
    on = toys.links(MESH, pairs)
    return ledger.claim(on, np.arange(len(on)))


def test_names_count_per_node_and_kind() -> None:
    _, fresh = _claim(Ledger(), [(0, 1), (0, 2), (1, 2), (0, 6), (0, 7), (1, 6)])
    assert {(r.a, r.b): (r.interface_a, r.interface_b) for r in fresh} == {
        (0, 1): ("isl0", "isl0"), (0, 2): ("isl1", "isl0"), (1, 2): ("isl1", "isl1"),
        (0, 6): ("gsl0", "gsl0"), (0, 7): ("gsl1", "gsl0"), (1, 6): ("gsl0", "gsl1"),
    }  # fmt: skip


def test_a_name_is_free_only_once_the_interface_is_gone() -> None:
    ledger = Ledger()
    _, fresh = _claim(ledger, [(0, 1), (0, 2)])
    entries = [_entry(r, i) for i, r in enumerate(fresh)]
    ledger.enter(entries)
    ledger.retire(entries[0].key, 50)
    assert _claim(ledger, [(0, 3)])[1][0].interface_a == "isl2"
    assert ledger.retired_until(49, 10) == []
    ledger.forget(ledger.retired_until(50, 10))
    ledger.release(lambda node, interface: node != 0)
    assert _claim(ledger, [(0, 4)])[1][0].interface_a == "isl3"
    ledger.release(lambda node, interface: (node, interface) == (0, "isl0"))
    assert _claim(ledger, [(0, 5)])[1][0].interface_a == "isl0"
    assert ledger.vanishing == []


@pytest.mark.parametrize("how", ["linger", "retire"])
def test_a_link_that_comes_back_is_taken_up_again(how: str) -> None:
    ledger = Ledger()
    _, fresh = _claim(ledger, [(0, 6)])
    entry = _entry(fresh[0])
    assert entry.kind is LinkKind.GROUND
    ledger.enter([entry])
    if how == "linger":
        ledger.linger(entry.key, 50)
    else:
        ledger.retire(entry.key, 50)
    again, fresh = _claim(ledger, [(0, 6)])
    assert (again, fresh) == ([entry], [])
    assert ledger.over(100) == []
    assert ledger.retired_until(100, 10) == []


def test_overlap_ends_at_its_instant() -> None:
    ledger = Ledger()
    entry = _entry(_claim(ledger, [(0, 6)])[1][0])
    ledger.enter([entry])
    ledger.linger(entry.key, 50)
    assert ledger.over(49) == []
    assert ledger.over(50) == [entry]


def _current(pairs: list[tuple[int, int]]) -> Current:
    ledger = Ledger()
    entries = [_entry(r, i) for i, r in enumerate(_claim(ledger, pairs)[1])]
    return Current.empty().follow(toys.links(MESH, pairs).key(), entries)


def test_interfaces_are_found_from_either_end() -> None:
    current = _current([(0, 1), (0, 2), (1, 2)])
    node, towards = np.array([0, 1, 2, 2, 1], np.int32), np.array([1, 0, 0, 1, -1], np.int32)
    assert current.ifindex_towards(node, towards).tolist() == [2, 100, 101, 102, 0]


@pytest.mark.parametrize("pair", [(0, 2), (1, 5)])
def test_a_route_over_a_link_that_is_not_there_is_refused(pair: tuple[int, int]) -> None:
    current = _current([(0, 1)])
    with pytest.raises(KeyError, match=f"node {pair[0]} goes to node {pair[1]}"):
        current.ifindex_towards(np.array(pair[:1], np.int32), np.array(pair[1:], np.int32))


def test_kept_links_keep_their_ids_in_the_next_epoch() -> None:
    current = _current([(0, 1), (0, 2), (1, 2)])
    key = toys.links(MESH, [(0, 2), (1, 2), (2, 3)]).key()
    new = Entry(int(key[2]), 2, 3, LinkKind.LASER, 9, "isl9", "isl9", 20, 21)
    assert current.follow(key, [new]).link.tolist() == [1, 2, 9]
    with pytest.raises(ValueError, match="neither kept nor added"):
        current.follow(key, [])
