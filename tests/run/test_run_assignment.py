"""Assignment: delays along routed paths, and who is nearest, against a walk along each path."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from orbitmesh.emulator.assignment import assign
from orbitmesh.emulator.epoch import UNREACHABLE, Epoch, Links, Routes
from orbitmesh.emulator.placement import Placer, RequestClass, Work, load


def ring(n_satellites: int, n_gateways: int, delay_ns: list[float], attached: list[int | None]) -> Epoch:
    """Satellites in a ring, each gateway under one of them; routed the shorter way round by hops."""
    pairs = {}
    for s in range(n_satellites):
        a, b = sorted((s, (s + 1) % n_satellites))
        pairs[(a, b)] = delay_ns[s]
    for g, s in enumerate(attached):
        if s is not None:
            pairs[(s, n_satellites + g)] = delay_ns[n_satellites + g]
    keys = sorted(pairs)
    n_nodes = n_satellites + n_gateways
    next_node = np.full((n_gateways, n_nodes), UNREACHABLE, np.int32)
    for g, target in enumerate(attached):
        if target is None:
            continue
        for s in range(n_satellites):
            ahead = (target - s) % n_satellites
            if ahead == 0:
                next_node[g, s] = n_satellites + g
            else:
                next_node[g, s] = (s + (1 if 2 * ahead <= n_satellites else -1)) % n_satellites
        for other, at in enumerate(attached):
            if other != g and at is not None:
                next_node[g, n_satellites + other] = at
    links = Links(
        a=np.array([a for a, _ in keys], np.int32),
        b=np.array([b for _, b in keys], np.int32),
        kind=np.array([b >= n_satellites for _, b in keys], np.uint8),
        delay_ns=np.array([pairs[key] for key in keys]),
        delay_slope_ns_per_s=np.zeros(len(keys)),
        rate_ab_bps=np.full(len(keys), 10**9),
        rate_ba_bps=np.full(len(keys), 10**9),
    )
    destinations = np.arange(n_satellites, n_nodes, dtype=np.int32)
    return Epoch(
        0,
        0,
        np.zeros((n_nodes, 3)),
        links,
        Routes.from_next_nodes(destinations, next_node, links, n_satellites),
    )


@st.composite
def rings(draw: st.DrawFn) -> tuple[Epoch, int]:
    n_satellites = draw(st.integers(3, 12))
    attached = draw(st.lists(st.none() | st.integers(0, n_satellites - 1), min_size=1, max_size=4))
    count = n_satellites + len(attached)
    delay_ns = draw(st.lists(st.floats(1e3, 1e7), min_size=count, max_size=count))
    return ring(n_satellites, len(attached), delay_ns, attached), n_satellites


def everywhere_ns(epoch: Epoch) -> np.ndarray:
    everybody = np.arange(epoch.routes.ports.n_nodes, dtype=np.int32)
    return epoch.way_delays_ns(everybody, epoch.routes.destinations)


@given(rings())
def test_path_delays_are_those_of_a_walk_along_each_path(case: tuple[Epoch, int]):
    epoch, _ = case
    computed = everywhere_ns(epoch)
    for d, destination in enumerate(epoch.routes.destinations.tolist()):
        for node in range(computed.shape[1]):
            path = epoch.path(node, destination)
            expected = np.inf if path is None else epoch.path_delay_ns(path)
            np.testing.assert_allclose(computed[d, node], expected, rtol=1e-12)


@given(rings(), st.integers(1, 3))
def test_assigned_gateways_are_the_nearest_reachable_ones(case: tuple[Epoch, int], each: int):
    epoch, n_satellites = case
    hosting = np.ones(epoch.routes.next_node.shape[1], bool)
    hosting[1] = False
    chosen = assign(epoch, n_satellites, hosting, each)
    assert 1 not in chosen.probe_gateways
    delay_ns = everywhere_ns(epoch)
    for satellite, gateways in chosen.probe_gateways.items():
        reachable = np.sort(delay_ns[:, satellite][np.isfinite(delay_ns[:, satellite])])
        got = [delay_ns[g - n_satellites, satellite] for g in gateways]
        np.testing.assert_array_equal(got, reachable[:each])
    for gateway, nearest in chosen.nearest.items():
        row = delay_ns[gateway - n_satellites, :n_satellites][hosting[:n_satellites]]
        if nearest is None:
            assert not np.isfinite(row).any()
        else:
            assert delay_ns[gateway - n_satellites, nearest] == row.min()


def test_no_gateways_gives_no_peers():
    epoch = ring(3, 0, [1.0, 1.0, 1.0], [])
    assert assign(epoch, 3, np.ones(3, bool), "all").probe_gateways == {0: (), 1: (), 2: ()}


def _placer(policy: str, n_satellites: int, n_gateways: int) -> Placer:
    gateways = np.arange(n_satellites, n_satellites + n_gateways, dtype=np.int32)
    classes = [RequestClass("chat", 1.0, 1.0, np.ones(n_gateways))]
    work = Work([1.0], [1.0], [1.0], lambda *step: 1e6, requests=1)
    return Placer(load(policy), np.arange(n_satellites, dtype=np.int32), gateways, classes, work, 10**9)


@given(rings())
def test_the_policy_nearest_is_the_assignment_that_there_is_without_one(case: tuple[Epoch, int]):
    epoch, n_satellites = case
    hosting = np.ones(epoch.routes.ports.n_nodes, bool)
    without = assign(epoch, n_satellites, hosting, "all")
    placer = _placer("nearest", n_satellites, len(hosting) - n_satellites)
    with_it = assign(epoch, n_satellites, hosting, "all", placer)
    assert (without.probe_gateways, without.nearest) == (with_it.probe_gateways, with_it.nearest)
    for gateway, nearest in without.nearest.items():
        assert without.serves(gateway, "chat") == with_it.serves(gateway, "chat") == nearest
        assert (nearest is None) == (gateway in with_it.refused)


def test_a_policy_serves_its_classes_and_leaves_probes_and_tasks_to_the_nearest():
    epoch = ring(4, 1, [1e6] * 4 + [1e6], [2])
    placer = _placer("round-robin", 4, 1)
    found = [assign(epoch, 4, np.ones(5, bool), 1, placer) for _ in range(5)]
    assert [each.serves(4, "chat") for each in found] == [0, 1, 2, 3, 0]
    assert {each.nearest[4] for each in found} == {2} == {each.serves(4, "other") for each in found}
