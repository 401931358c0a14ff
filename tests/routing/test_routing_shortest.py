"""Shortest paths against Floyd and Warshall's, and what must hold of next hops."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from orbitmesh.emulator.epoch import UNREACHABLE, Epoch, Links
from orbitmesh.emulator.geometry import Geometry
from orbitmesh.emulator.routing import shortest
from orbitmesh.emulator.routing.shortest import TIE_NS, shortest_routes
from orbitmesh.emulator.scenario import Scenario

Metric = Literal["delay", "hops"]
LONG_NS = 1e12  # more than any path below


def links(delays_ns: dict[tuple[int, int], float]) -> Links:
    pairs = sorted((min(pair), max(pair), delay) for pair, delay in delays_ns.items())
    a, b = (np.array([pair[end] for pair in pairs], np.int32) for end in (0, 1))
    n = len(pairs)
    return Links(
        a, b, np.zeros(n, np.uint8), np.array([pair[2] for pair in pairs], np.float64), np.zeros(n),
        np.ones(n, np.int64), np.ones(n, np.int64),
    )  # fmt: skip


def everybody(n: int) -> np.ndarray:
    return np.arange(n, dtype=np.int32)


def least_ns(n_satellites: int, n: int, links: Links, metric: Metric, relay: bool) -> np.ndarray:
    """(n, n), Floyd and Warshall's: through satellites only unless gateways relay; a hop is LONG_NS."""
    least = np.full((n, n), np.inf)
    np.fill_diagonal(least, 0)
    weight = links.delay_ns + (LONG_NS if metric == "hops" else 0)
    least[links.a, links.b] = least[links.b, links.a] = weight
    for via in range(n if relay else n_satellites):
        least = np.minimum(least, least[:, via, None] + least[None, via, :])
    return least


def epoch(n: int, links: Links, routes: object) -> Epoch:
    return Epoch(0, 0, np.zeros((n, 3)), links, routes)  # type: ignore[arg-type]


@pytest.mark.parametrize("metric", ["delay", "hops"])
@pytest.mark.parametrize("relay", [False, True])
@settings(max_examples=120)
@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(0, 4), st.floats(0.05, 0.9), st.booleans())
def test_paths_are_the_least_and_loop_free(
    metric: Metric, relay: bool, seed: int, n_satellites: int, n_gateways: int, density: float, equal: bool
) -> None:
    rng, n = np.random.default_rng(seed), n_satellites + n_gateways
    made = links(
        {
            (a, b): 1e6 if equal else float(rng.uniform(300, 2e7))
            for a in range(n_satellites)
            for b in range(a + 1, n)
            if rng.random() < density
        }
    )
    destinations = np.flatnonzero(rng.random(n) < 0.7).astype(np.int32)
    routes = shortest_routes(n_satellites, n, made, destinations, metric, relay)
    here = epoch(n, made, routes)
    least = least_ns(n_satellites, n, made, metric, relay)
    assert routes.next_node.shape == (len(destinations), n)
    assert routes.next_node.dtype == np.int32
    for row, destination in enumerate(destinations.tolist()):
        assert routes.next_node[row, destination] == UNREACHABLE
        for source in range(n):
            path = here.path(source, destination)
            assert (path is None) == np.isinf(least[source, destination])
            assert (routes.next_node[row, source] == UNREACHABLE) == (path is None or len(path) == 1)
            if path is None:
                continue
            hops = len(path) - 1
            cost = here.path_delay_ns(path) + (LONG_NS * hops if metric == "hops" else 0)
            # each hop may take the tie; 0.01 ns is the rounding of 1e13
            assert least[source, destination] - 0.01 <= cost
            assert cost <= least[source, destination] + hops * TIE_NS + 0.01
            assert (np.diff(least[list(path), destination]) < 0).all()  # nearer with each hop
            if not relay:
                assert all(node < n_satellites for node in path[1:-1])


def test_gateways_do_not_relay_unless_told_to() -> None:
    # 0 and 1 are satellites, 2 and 3 gateways: through gateway 2 is much shorter
    made = links({(0, 1): 9e6, (0, 2): 1e6, (1, 2): 1e6, (1, 3): 1e6})
    alone = epoch(4, made, shortest_routes(2, 4, made, everybody(4)))
    assert alone.path(0, 3) == (0, 1, 3)
    assert alone.path(2, 3) == (2, 1, 3)
    assert alone.path(3, 2) == (3, 1, 2)
    relayed = epoch(4, made, shortest_routes(2, 4, made, everybody(4), relay=True))
    assert relayed.path(0, 3) == (0, 2, 1, 3)


def test_fewest_hops_go_before_delay_and_delay_decides_between_equals() -> None:
    made = links({(0, 1): 1e6, (1, 2): 1e6, (0, 2): 5e6, (2, 3): 1e6, (0, 4): 1e6, (4, 3): 3e6, (2, 5): 1e6})
    by_delay = epoch(6, made, shortest_routes(6, 6, made, everybody(6), "delay"))
    by_hops = epoch(6, made, shortest_routes(6, 6, made, everybody(6), "hops"))
    assert by_delay.path(0, 2) == (0, 1, 2)
    assert by_hops.path(0, 2) == (0, 2)
    assert by_hops.path(0, 3) == (0, 4, 3)  # two hops either way: 4 ms, not 6


def test_equals_are_settled_by_index_whatever_the_rounding() -> None:
    ring = {(i, (i + 1) % 8): 1e6 for i in range(8)}
    first = shortest_routes(8, 8, links(ring), everybody(8))
    assert epoch(8, links(ring), first).path(0, 4) == (0, 1, 2, 3, 4)
    rng = np.random.default_rng(1)
    for _ in range(50):
        noisy = links({pair: delay * (1 + rng.normal() * 1e-12) for pair, delay in ring.items()})
        np.testing.assert_array_equal(shortest_routes(8, 8, noisy, everybody(8)).next_node, first.next_node)
    longer = links({**ring, (0, 1): 1e6 + 10})  # more than a tie: the other way round
    assert shortest_routes(8, 8, longer, everybody(8)).next_node[4, 0] == 7


def test_ties_make_no_loops_where_links_are_shorter_than_a_tie() -> None:
    close = links({(0, 1): 0.1, (1, 2): 0.1, (0, 2): 0.15, (2, 3): 0.2, (1, 3): 0.25})
    here = epoch(4, close, shortest_routes(4, 4, close, everybody(4)))
    for source in range(4):
        for destination in range(4):
            path = here.path(source, destination)
            assert path is not None
            assert len(set(path)) == len(path)


def test_a_node_without_links_and_one_that_nobody_reaches() -> None:
    made = links({(0, 1): 1e6, (2, 3): 1e6})
    routes = shortest_routes(5, 6, made, np.array([1, 4, 5], np.int32))
    assert routes.next_node.tolist() == [[1, -1, -1, -1, -1, -1], [-1] * 6, [-1] * 6]


def test_no_links_and_no_destinations() -> None:
    nothing = links({})
    assert shortest_routes(3, 4, nothing, everybody(4)).next_node.tolist() == [[-1] * 4] * 4
    assert shortest_routes(3, 4, nothing, everybody(0)).next_node.shape == (0, 4)


def test_the_order_of_links_does_not_matter() -> None:
    rng = np.random.default_rng(3)
    made = links({(a, b): 1e6 for a in range(8) for b in range(a + 1, 10) if rng.random() < 0.4})
    order = rng.permutation(len(made))
    mixed = replace(made, **{name: array[order] for name, array in vars(made).items() if array is not None})
    np.testing.assert_array_equal(
        shortest_routes(8, 10, made, everybody(10)).next_node,
        shortest_routes(8, 10, mixed, everybody(10)).next_node,
    )


@pytest.mark.parametrize(("planes", "slots", "extra"), [(3, 7, 0), (24, 40, 0), (1, 300, 90), (12, 30, 400)])
def test_a_large_mesh_has_the_distances_of_scipys_search(planes: int, slots: int, extra: int) -> None:
    """A torus of random delays, and chords across it, that give some satellites more than five lasers."""
    rng, n = np.random.default_rng(planes), planes * slots
    here = np.arange(n)
    plane, slot = np.divmod(here, slots)
    beside = [plane * slots + (slot + 1) % slots, (plane + 1) % planes * slots + (slot + 3) % slots]
    ends = np.concatenate([np.column_stack([here, there]) for there in beside])
    chords = rng.integers(0, n, (extra, 2))
    served = np.column_stack([rng.integers(0, n, 6), n + np.arange(6) % 3])
    ends = np.sort(np.concatenate([ends, chords, served]), axis=1)
    ends = np.unique(ends[ends[:, 0] != ends[:, 1]], axis=0)
    delays = rng.uniform(1e5, 2e7, len(ends))
    made = links({(a, b): delay for (a, b), delay in zip(ends.tolist(), delays.tolist(), strict=True)})
    destinations = np.sort(np.append(rng.choice(n, 15, replace=False), [n, n + 1, n + 2])).astype(np.int32)
    routes = shortest_routes(n, n + 3, made, destinations, plane=plane.astype(np.int32))
    np.testing.assert_array_equal(routes.code, shortest_routes(n, n + 3, made, destinations).code)
    alone, each = np.arange(n, dtype=np.int32), plane.astype(np.int32)  # planes of one, and of many
    one, other = (shortest_routes(n, n + 3, made, destinations, relay=True, plane=p) for p in (alone, each))
    np.testing.assert_array_equal(one.code, other.code)
    everybody_ns = Epoch(0, 0, np.zeros((n + 3, 3)), made, routes).way_delays_ns(
        everybody(n + 3), destinations
    )
    # gateways do not relay: a search from each destination with the ways out of the others left away
    for row, destination in enumerate(destinations.tolist()):
        usable = (made.b < n) | (made.b == destination)
        a, b, delay = made.a[usable], made.b[usable], made.delay_ns[usable]
        least = dijkstra(
            csr_array((delay, (a, b)), shape=(n + 3, n + 3)), directed=False, indices=destination
        )
        np.testing.assert_allclose(everybody_ns[row, :n], least[:n], atol=n * TIE_NS, rtol=0)
        np.testing.assert_array_less(least[:n] - 0.01, everybody_ns[row, :n])


@pytest.mark.parametrize("metric", ["delay", "hops"])
def test_ways_that_32_bits_cannot_tell_are_found_with_64(metric: Metric) -> None:
    """Half a ring of 10 ms hops is 0.3 s, more than 31 bits hold of eighths of a ns; so is one long link."""
    ring = {(i, (i + 1) % 60): 1e7 for i in range(60)} | {(30, 60): 1e6}
    made = links(ring)
    here = epoch(61, made, shortest_routes(60, 61, made, everybody(61), metric))
    assert here.path(60, 1) == (60, *range(30, 0, -1))
    assert here.path(2, 60) == (*range(2, 31), 60)
    high = links({(0, 1): 2.8e8, (1, 2): 1e6})
    assert epoch(3, high, shortest_routes(3, 3, high, everybody(3), metric)).path(0, 2) == (0, 1, 2)


@pytest.mark.parametrize("metric", ["delay", "hops"])
def test_routes_are_the_same_with_and_without_wide_registers(
    metric: Metric, monkeypatch: pytest.MonkeyPatch
) -> None:
    geometry = Geometry(Scenario.load("starlink-shell1"))
    made, ports = geometry.epoch_at(0).links, geometry.epoch_at(0).routes.ports
    n, destinations = len(geometry.nodes), np.arange(0, len(geometry.nodes), 40, dtype=np.int32)
    found = []
    for is_plain in (False, True):
        monkeypatch.setattr(shortest, "_PLAIN", is_plain)
        found.append(shortest_routes(1584, n, made, destinations, metric, ports=ports).code)
    np.testing.assert_array_equal(*found)


def test_trees_are_a_matter_of_the_instant_whatever_was_before_and_in_which_order_they_are_swept() -> None:
    """Over ticks with handovers and lasers that are lost, and on a grid where nearly all ways are equals."""
    geometry = Geometry(Scenario.load("starlink-shell1"))
    rng, n_satellites, n = np.random.default_rng(5), geometry.nodes.n_satellites, len(geometry.nodes)
    epochs = geometry.epochs(0, 10 * 10**9)
    for is_equal in [False] * 8 + [True]:
        there = next(epochs)
        lost = (rng.random(len(there.links)) < 0.02) & (there.links.b < n_satellites)
        made = replace(
            there.links,
            **{name: array[~lost] for name, array in vars(there.links).items() if array is not None},
        )
        if is_equal:
            made = replace(made, delay_ns=np.full(len(made), 1e6))
        destinations = np.sort(rng.choice(n, 40, replace=False)).astype(np.int32)
        plane = geometry.nodes.plane
        together = shortest_routes(n_satellites, n, made, destinations, plane=plane)
        for row in range(0, 40, 5):
            alone = shortest_routes(n_satellites, n, made, destinations[row : row + 1])
            np.testing.assert_array_equal(alone.code[0], together.code[row])
        kept = shortest_routes(n_satellites, n, there.links, geometry.destinations, plane=plane,
                               ports=there.routes.ports)  # fmt: skip
        np.testing.assert_array_equal(kept.code, there.routes.code)


def test_a_mesh_of_which_much_is_broken_has_ways_that_32_bits_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    """A satellite that news has not come to yet is not one whose way is too long."""
    geometry = Geometry(Scenario.load("starlink-shell1"))
    kinds, grow = [], shortest._Trees._grow

    def noted(self: shortest._Trees, kind: type, *rest: object) -> bool:
        kinds.append(kind)
        return grow(self, kind, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(shortest._Trees, "_grow", noted)
    there = geometry.epoch_at(0).links
    broken = np.isin(np.arange(len(there)), np.flatnonzero(there.b < 1584)[7::14])
    left = {name: each[~broken] for name, each in vars(there).items() if each is not None}
    made, plane, n = replace(there, **left), geometry.nodes.plane, len(geometry.nodes)
    routes = shortest_routes(1584, n, made, geometry.destinations, plane=plane)
    delay_ns = Epoch(0, 0, np.zeros((n, 3)), made, routes).way_delays_ns(everybody(n), routes.destinations)
    assert delay_ns.max() < 0.25e9  # 31 bits of eighths of a ns hold 0.268 s
    assert set(kinds) == {np.uint32}


def test_a_plane_that_no_way_leads_to_is_not_read_before_it_is_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Satellite 2 is alone in its plane: what lies in its memory must not look like a short way to it."""
    aligned = shortest._aligned

    def of_zeros(n: int, kind: type) -> np.ndarray:
        room = aligned(n, kind)
        room[:] = 0
        return room

    monkeypatch.setattr(shortest, "_aligned", of_zeros)
    made, plane = links({(0, 1): 10e6, (1, 3): 1e6, (2, 3): 1e6}), np.array([0, 0, 1], np.int32)
    routes = shortest_routes(3, 4, made, np.array([0], np.int32), relay=True, plane=plane)
    assert routes.next_node.tolist() == [[-1, 0, 3, 1]]
