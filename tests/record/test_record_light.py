"""The bound of light: what is as fast passes, what is faster is found, link by link and sample by sample."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from record_fakes import (
    C_KM_PER_NS,
    ROW,
    STEP_NS,
    T0,
    World,
    history_of,
    nodes,
    sample,
    shortest_routes,
    small_world,
)

from orbitmesh.emulator.record.light import TOLERANCE_NS, shorter_than_light


class TestLinksAndLight:
    def test_links_as_long_as_their_straight_line_pass(self) -> None:
        assert shorter_than_light(small_world().epoch(0, 0, ROW)) is None
        assert shorter_than_light(small_world().epoch(0, 0, [])) is None

    def test_a_link_shorter_than_its_straight_line_is_found(self) -> None:
        epoch = small_world().epoch(0, 0, ROW)
        # light at 1.7 times its speed on one link
        delay = epoch.links.delay_ns.copy()
        delay[2] /= 1.7
        found = shorter_than_light(replace(epoch, links=replace(epoch.links, delay_ns=delay)))
        assert found is not None
        row, delay_ns, light_ns = found
        assert row == 2
        assert delay_ns * 1.7 == pytest.approx(light_ns)


class TestLight:
    def test_exactly_light_passes_and_a_little_faster_does_not(self) -> None:
        world = small_world()
        epoch = world.epoch(0, 0, ROW)
        history = history_of(world, epoch)
        sent = T0 + 400_000_000
        honest = history.light(sample("sat-0-1", "gw-tokyo", 1, sent, 1 << 40))
        assert honest is not None
        truth = history.truth(sample("sat-0-1", "gw-tokyo", 1, sent, 1_000))
        assert truth is not None
        assert truth.propagation_ns is not None
        propagation = math.ceil(truth.propagation_ns)
        at_light = history.light(sample("sat-0-1", "gw-tokyo", 1, sent, propagation))
        assert at_light is not None
        assert not at_light.is_violated
        # what the slopes allow within 30 ms is below 1 us here: 7 km/s on one of the hops is 0.7 us
        faster = history.light(sample("sat-0-1", "gw-tokyo", 1, sent, propagation - 3 * TOLERANCE_NS))
        assert faster is not None
        assert faster.is_violated
        assert faster.part == "the round trip"

    def test_one_way_is_compared_too(self) -> None:
        world = small_world()
        epoch = world.epoch(0, 0, ROW)
        history = history_of(world, epoch)
        one_way = round(epoch.path_delay_ns((0, 4)))
        good = sample(
            "sat-0-0", "gw-london", 1, T0 + 5_000_000, 50_000_000, forward_ns=one_way, backward_ns=one_way
        )
        found = history.light(good)
        assert found is not None
        assert not found.is_violated
        for part, change in (("the way there", "forward_ns"), ("the way back", "backward_ns")):
            bad = history.light(replace(good, **{change: one_way - 5_000}))
            assert bad is not None
            assert bad.is_violated
            assert bad.part == part

    def test_no_verdict_on_a_lost_sample_or_an_unknown_way(self) -> None:
        world = small_world()
        history = history_of(world, world.epoch(0, 0, ROW[:-1]))
        assert history.light(replace(sample("sat-0-0", "gw-london", 1, T0 + 5_000_000, 1), ok=False)) is None
        assert history.light(sample("sat-0-0", "gw-tokyo", 1, T0 + 5_000_000, 1)) is None
        assert history.light(sample("sat-0-0", "gw-london", 1, T0 - 5, 1)) is None

    def test_a_mixed_path_shorter_than_both_is_possible(self) -> None:
        """Each epoch alone has a detour of its own; a packet that meets both changes can avoid both."""
        position = [[0.0, 0, 0], [1_000.0, 0, 0], [0.0, 4_000, 0], [0.0, -4_000, 0], [2_000.0, 0, 0]]
        world = World(nodes(4, ("gw-x",)), np.array(position), np.zeros((5, 3)))
        old = world.epoch(0, 0, [(0, 1), (1, 2), (2, 4)])  # 0 > 1 > 2 > 4
        new = world.epoch(1, STEP_NS, [(0, 1), (0, 3), (3, 1), (1, 4)])
        longer = new.links.delay_ns.copy()
        longer[new.links.find(0, 1)] *= 100  # the same link, but long: 0 > 3 > 1 > 4
        links = replace(new.links, delay_ns=longer)
        new = replace(new, links=links, routes=shortest_routes(links, new.routes.destinations, 5))
        history = history_of(world, old, new)
        mixed = 2 * 2_000.0 / C_KM_PER_NS  # 0 > 1 by the old, 1 > 4 by the new
        routed = min(old.path_delay_ns((0, 1, 2, 4)), new.path_delay_ns((0, 3, 1, 4)))
        assert mixed / 2 < routed / 3
        sent = T0 + STEP_NS - 2_000_000
        found = history.light(sample("sat-0-0", "gw-x", 1, sent, math.ceil(mixed)))
        assert found is not None
        assert not found.is_violated
        assert found.least_ns == pytest.approx(mixed)
        too_fast = history.light(sample("sat-0-0", "gw-x", 1, sent, math.ceil(mixed) - 2_000))
        assert too_fast is not None
        assert too_fast.is_violated
        # the same time within one epoch is impossible
        early = history.light(sample("sat-0-0", "gw-x", 1, T0 + 10_000_000, math.ceil(mixed)))
        assert early is not None
        assert early.is_violated
