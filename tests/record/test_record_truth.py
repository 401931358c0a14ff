"""The truth of a sample, and the bound of light: never crossed by what is possible, always by what is not."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from record_fakes import C_KM_PER_NS, ROW, STEP_NS, World, nodes, sample, shortest_routes, small_world

from orbitmesh.emulator.course import Course
from orbitmesh.emulator.epoch import UNREACHABLE, Epoch
from orbitmesh.emulator.errors import RunError
from orbitmesh.emulator.record.light import TOLERANCE_NS, shorter_than_light
from orbitmesh.emulator.record.truth import History

T0 = 5_000_000_000_000


def history_of(world: World, *epochs: Epoch, commit_ns: int = 1_000_000, late_ns: int = 0) -> History:
    history = History(world.who, 0.001)
    for epoch in epochs:
        t0 = T0 + epoch.sim_ns
        history.add(epoch, t0, t0 + late_ns, t0 + late_ns + commit_ns)
    return history


class TestTruth:
    def test_the_path_is_as_long_as_at_the_instant_of_sending(self) -> None:
        world = small_world()
        epoch = world.epoch(0, 0, ROW)
        sent = T0 + 400_000_000
        found = history_of(world, epoch).truth(sample("sat-0-1", "gw-tokyo", 1, sent, 30_000_000))
        assert found is not None
        path = epoch.path(1, 5)
        assert path == (1, 2, 3, 5)
        assert found.path == "sat-0-1>sat-0-2>sat-0-3>gw-tokyo"
        assert found.path_backward == "gw-tokyo>sat-0-3>sat-0-2>sat-0-1"
        assert found.hops == 3
        # there and back, by Epoch's own arithmetic at that instant
        assert found.propagation_ns == pytest.approx(2 * epoch.path_delay_ns(path, 400_000_000), abs=1e-3)
        assert found.sim_ns == 400_000_000
        assert not found.straddles_epoch

    def test_the_instant_of_sending_goes_on_while_a_tick_is_late_and_stands_while_the_clock_does(
        self,
    ) -> None:
        world = small_world()
        epochs = world.epoch(0, 0, ROW), world.epoch(1, STEP_NS, ROW)
        sent = sample("sat-0-0", "gw-london", 1, T0 + STEP_NS + 70_000_000, 1)
        late = history_of(world, *epochs, late_ns=90_000_000).truth(sent)
        assert late is not None
        assert (late.epoch_number, late.sim_ns) == (0, STEP_NS + 70_000_000)

        paced = History(world.who, 0.001)
        paced.add(epochs[0], T0, T0, T0 + 1)
        held_until = T0 + STEP_NS + 90_000_000
        paced.add(epochs[1], held_until, held_until, held_until + 1_000_000)
        held = paced.truth(sent)
        assert held is not None
        assert (held.epoch_number, held.sim_ns) == (0, STEP_NS)

    def test_across_a_pause_and_a_speed_a_sample_stands_at_the_emulated_instant_when_it_flew(self) -> None:
        world = small_world()
        epoch = world.epoch(0, 0, ROW)
        history = history_of(world, epoch)
        paused, resumed = T0 + 300_000_000, T0 + 900_000_000
        history.turn(Course(300_000_000, paused, 0.0), paused, paused + 1)
        history.turn(Course(300_000_000, resumed, 4.0), resumed, resumed + 1)
        path = epoch.path(1, 5)
        assert path is not None
        for at_ns, sim_ns in ((200, 200), (300, 300), (700, 300), (900, 300), (950, 500)):
            found = history.truth(sample("sat-0-1", "gw-tokyo", 1, T0 + at_ns * 1_000_000, 30_000_000))
            assert found is not None
            assert found.sim_ns == sim_ns * 1_000_000
            assert found.epoch_number == 0
            assert found.propagation_ns == pytest.approx(
                2 * epoch.path_delay_ns(path, found.sim_ns), abs=1e-3
            )
        # while time stands still, so do the nodes
        lines = {
            history.truth(sample("sat-0-1", "gw-tokyo", 1, T0 + at_ns * 1_000_000, 1)).straight_line_ns  # type: ignore[union-attr]
            for at_ns in (400, 600, 800)
        }
        assert len(lines) == 1

    def test_a_step_stands_beside_the_epochs_that_it_passed(self) -> None:
        world = small_world()
        history = History(world.who, 0.001)
        for number in range(3):  # a millisecond each, of the machine's time
            at = T0 + number * 1_000_000
            epoch = world.epoch(number, number * STEP_NS, ROW)
            history.add(epoch, Course(epoch.sim_ns, at, 0.0), at, at + 1)
        for at_ns, number in ((500_000, 0), (1_500_000, 1), (9_000_000_000, 2)):
            found = history.truth(sample("sat-0-1", "gw-tokyo", 1, T0 + at_ns, 1))
            assert found is not None
            assert (found.epoch_number, found.sim_ns) == (number, number * STEP_NS)

    def test_straight_line_by_hand(self) -> None:
        world = small_world()
        history = history_of(world, world.epoch(0, 0, ROW), world.epoch(1, STEP_NS, ROW))
        found = history.truth(sample("sat-0-0", "gw-london", 1, T0 + 500_000_000, 4_000_000))
        assert found is not None
        # halfway between the epochs the satellite is at x = 3.5 km, the gateway at 100 km, 550 km below
        assert found.straight_line_ns == pytest.approx(2 * math.hypot(96.5, 550) / C_KM_PER_NS, abs=0.01)

    def test_the_narrowest_link_of_both_ways_and_its_emulated_rate(self) -> None:
        world = small_world()
        history = history_of(world, world.epoch(0, 0, ROW))
        found = history.truth(sample("sat-0-0", "gw-london", 1, T0 + 5_000_000, 4_000_000))
        assert found is not None
        assert found.narrowest_rate_bps == 10_000_000_000  # up the ground link; down it is twice that
        assert found.narrowest_emulated_bps == 10_000_000
        # 76 bytes at 10 Mbit/s one way, at 20 Mbit/s the other
        assert found.serialisation_ns == pytest.approx(60_800 + 30_400)

    def test_serialisation_is_unknown_where_the_sample_does_not_say_its_size(self) -> None:
        world = small_world()
        history = history_of(world, world.epoch(0, 0, ROW))
        found = history.truth(
            sample("sat-0-0", "gw-london", 1, T0 + 5_000_000, 4_000_000, bytes_up=0, bytes_down=0)
        )
        assert found is not None
        assert found.serialisation_ns is None

    def test_the_old_epoch_goes_on_while_the_next_one_is_late(self) -> None:
        world = small_world()
        old, new = world.epoch(0, 0, ROW), world.epoch(1, STEP_NS, ROW)
        history = history_of(world, old, new, late_ns=200_000_000, commit_ns=10_000_000)
        for ahead_ns, expected in ((1_100_000_000, 0), (1_205_000_000, 0), (1_211_000_000, 1)):
            found = history.truth(sample("sat-0-0", "gw-london", 1, T0 + ahead_ns, 1_000))
            assert found is not None
            assert found.epoch_number == expected
            epoch = (old, new)[expected]
            assert found.propagation_ns == pytest.approx(2 * epoch.path_delay_ns((0, 4), ahead_ns), abs=1e-3)

    def test_a_sample_over_a_boundary_says_so_and_whether_its_path_changed(self) -> None:
        world = small_world()
        rows = {}
        for name, pairs in (("same", ROW), ("changed", [*ROW[:-1], (2, 5)])):
            history = history_of(world, world.epoch(0, 0, ROW), world.epoch(1, STEP_NS, pairs))
            found = history.truth(sample("sat-0-1", "gw-tokyo", 1, T0 + STEP_NS - 10_000_000, 30_000_000))
            assert found is not None
            assert found.straddles_epoch
            rows[name] = found
        assert rows["same"].one_path
        assert not rows["changed"].one_path
        assert rows["changed"].path == "sat-0-1>sat-0-2>sat-0-3>gw-tokyo"  # as of sending

    def test_unreachable_and_before_the_first_epoch(self) -> None:
        world = small_world()
        history = history_of(world, world.epoch(0, 0, ROW[:-1]))
        found = history.truth(sample("sat-0-0", "gw-tokyo", 1, T0 + 5_000_000, 1))
        assert found is not None
        assert (found.path, found.hops, found.propagation_ns) == (None, None, None)
        assert history.truth(sample("sat-0-0", "gw-london", 1, T0 - 1, 1)) is None

    def test_old_epochs_are_let_go_and_the_one_still_in_force_is_kept(self) -> None:
        world = small_world()
        history = History(world.who, 1.0, keep_ns=10 * STEP_NS)
        epoch = world.epoch(0, 0, ROW)
        for number in range(100):
            t0 = T0 + number * STEP_NS
            history.add(replace(epoch, number=number, sim_ns=number * STEP_NS), t0, t0, t0)
        assert len(history) <= 12
        oldest = T0 + 89 * STEP_NS
        found = history.truth(sample("sat-0-0", "gw-london", 1, oldest, 1))
        assert found is not None
        assert found.epoch_number == 89
        assert history.truth(sample("sat-0-0", "gw-london", 1, T0, 1)) is None

    def test_a_route_over_a_link_that_is_not_there_is_named(self) -> None:
        world = small_world()
        whole, without = world.epoch(0, 0, ROW), world.epoch(0, 0, ROW[1:])
        history = history_of(world, replace(without, routes=whole.routes))
        with pytest.raises(RunError, match="epoch 0 routes sat-0-0 to gw-tokyo over sat-0-0 and sat-0-1"):
            history.truth(sample("sat-0-0", "gw-tokyo", 1, T0 + 5_000_000, 1))


class TestChanges:
    def test_a_changed_path_is_told_with_both_delays(self) -> None:
        world = small_world()
        old, new = world.epoch(0, 0, ROW), world.epoch(1, STEP_NS, [*ROW[:-1], (2, 5)])
        history = history_of(world, old, new)
        (change,) = history.changes([("sat-0-1", "gw-tokyo"), ("sat-0-0", "gw-london")])
        assert (change.src, change.dst, change.sim_ns, change.epoch_number) == (
            "sat-0-1",
            "gw-tokyo",
            STEP_NS,
            1,
        )
        assert change.old_path == "sat-0-1>sat-0-2>sat-0-3>gw-tokyo"
        assert change.new_path == "sat-0-1>sat-0-2>gw-tokyo"
        assert change.old_delay_ns == pytest.approx(old.path_delay_ns((1, 2, 3, 5), STEP_NS))
        assert change.new_delay_ns == pytest.approx(new.path_delay_ns((1, 2, 5)))

    def test_a_way_that_ends_and_one_that_begins(self) -> None:
        world = small_world()
        with_it, without = world.epoch(0, 0, ROW), world.epoch(1, STEP_NS, ROW[:-1])
        (gone,) = history_of(world, with_it, without).changes([("sat-0-3", "gw-tokyo")])
        assert (gone.new_path, gone.new_delay_ns) == (None, None)
        back = replace(with_it, number=2, sim_ns=2 * STEP_NS)
        (come,) = history_of(world, without, back).changes([("sat-0-3", "gw-tokyo")])
        assert (come.old_path, come.old_delay_ns) == (None, None)
        assert come.new_path == "sat-0-3>gw-tokyo"

    def test_the_first_epoch_changes_nothing(self) -> None:
        world = small_world()
        assert not list(history_of(world, world.epoch(0, 0, ROW)).changes([("sat-0-3", "gw-tokyo")]))


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


# ---- property: what the emulated network can do is never flagged


Commanded = tuple[Epoch, int, int, int]  # t0, began, in force


def any_in_force(epochs: list[Commanded], at: float, rng: random.Random) -> Commanded:
    begun = [e for e in epochs if e[2] <= at]
    settled = [e for e in epochs if e[3] <= at]
    return rng.choice(begun[len(settled) - 1 :])


def fly(
    world: World,
    epochs: list[Commanded],
    source: int,
    destination: int,
    start: int,
    rng: random.Random,
    queue_ns: tuple[float, ...],
) -> int | None:
    """Carry a packet hop by hop: each hop asks whatever epoch is in force, or either one during a commit."""
    at, node = float(start), source
    for _ in range(50):
        if node == destination:
            return math.ceil(at)

        epoch = any_in_force(epochs, at, rng)[0]
        row = int(np.searchsorted(epoch.routes.destinations, destination))
        step = int(epoch.routes.next_node[row, node])
        if step == UNREACHABLE:
            return None
        carrying, t0, _, _ = any_in_force(epochs, at, rng)
        link = carrying.links.find(node, step)
        if link < 0:
            return None  # not up yet, or no more
        at += rng.choice(queue_ns)
        ahead_s = (at - t0) / 1e9
        at += max(0.0, carrying.links.delay_ns[link] + carrying.links.delay_slope_ns_per_s[link] * ahead_s)
        node = step
    return None


@st.composite
def moving_worlds(draw: st.DrawFn) -> tuple[World, list[Commanded], random.Random]:
    rng = random.Random(draw(st.integers(0, 2**32)))
    n = draw(st.integers(3, 7))
    seed = np.random.default_rng(rng.randrange(2**32))
    scale_km = draw(st.sampled_from([1.0, 2_000.0, 10_000.0]))
    world = World(
        nodes(n - 1, ("gw-x",)),
        seed.uniform(-scale_km, scale_km, (n, 3)),
        seed.uniform(-1, 1, (n, 3)) * draw(st.sampled_from([0.0, 8.0, 12.0])),
    )
    step_ns = draw(st.sampled_from([20_000_000, 1_000_000_000, 10_000_000_000]))
    share = draw(st.sampled_from([0.3, 0.5, 0.8]))  # of all pairs, joined by a link
    epochs, free_from = [], 0
    for number in range(draw(st.integers(1, 4))):
        pairs = [pair for pair in combinations(range(n), 2) if rng.random() < share]
        t0 = T0 + number * step_ns
        began = max(t0, free_from) + rng.choice([0, 0, 5_000_000, step_ns // 3])
        free_from = began + rng.choice([0, 1_000_000, step_ns // 4])
        epochs.append((world.epoch(number, number * step_ns, pairs), t0, began, free_from))
    return world, epochs, rng


@settings(max_examples=150, deadline=None, derandomize=True)
@given(moving_worlds())
def test_what_is_possible_is_never_flagged(
    setting: tuple[World, list[Commanded], random.Random],
) -> None:
    world, epochs, rng = setting
    history = History(world.who, 1.0)
    for epoch, t0, began, in_force in epochs:
        history.add(epoch, t0, began, in_force)
    for seq in range(40):
        queue_ns = rng.choice([(0.0,), (0.0, 0.0, 10_000.0, 5e6)])
        source, destination = rng.sample(range(len(world.who)), 2)
        boundary = rng.choice(epochs)
        sent = max(epochs[0][3], boundary[2] + rng.randint(-60_000_000, 30_000_000))
        there = fly(world, epochs, source, destination, sent, rng, queue_ns)
        back = None if there is None else fly(world, epochs, destination, source, there, rng, queue_ns)
        if there is None or back is None:
            continue
        names = world.who.names
        taken = sample(
            names[source],
            names[destination],
            seq,
            sent,
            back - sent,
            forward_ns=there - sent,
            backward_ns=back - there,
        )
        light = history.light(taken)
        assert light is None or not light.is_violated, light
        truth = history.truth(taken)
        assert truth is not None
        # and with its parts halved it is flagged; over a boundary a shorter mixture may be possible
        if light is not None and not truth.straddles_epoch and light.least_ns > 4 * TOLERANCE_NS:
            half = math.floor(light.least_ns / 2)
            too_fast = history.light(replace(taken, measured_ns=half, forward_ns=half, backward_ns=half))
            assert too_fast is not None
            assert too_fast.is_violated


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 2**32), st.integers(2, 5), st.floats(500, 5_000))
def test_the_best_of_two_epochs_is_never_flagged_and_no_less_is_possible(
    seed: int, n_hops: int, hop_km: float
) -> None:
    """A moving row of nodes: the old epoch joins its first part, the new one the rest; each has a detour."""
    rng = random.Random(seed)
    turn, last, up, down = rng.randint(1, n_hops - 1), n_hops, n_hops + 1, n_hops + 2
    position = [[hop_km * k, 0, 0] for k in range(n_hops + 1)]
    position += [[0, 20_000, 0], [0, -20_000, 0]]
    velocity = np.random.default_rng(seed).uniform(-12, 12, (n_hops + 3, 3))
    world = World(nodes(n_hops + 3, ()), np.array(position, float), velocity)
    row = [(k, k + 1) for k in range(n_hops)]
    old = world.epoch(0, 0, [*row[:turn], (turn, up), (up, last)])
    new = world.epoch(1, STEP_NS, [(0, down), (down, turn), *row[turn:]])

    def time_ns(epoch: Epoch, hops: list[tuple[int, int]], at: float) -> float:
        for a, b in hops:
            at += epoch.path_delay_ns((a, b), round(at) - T0)
        return at

    sent = T0 + STEP_NS - rng.randint(0, 20_000_000)
    turned = time_ns(old, row[:turn], sent)
    there = math.ceil(time_ns(new, row[turn:], turned))
    back = math.ceil(time_ns(new, [*reversed(row[turn:]), (turn, down), (down, 0)], there))
    history = History(world.who, 1.0)
    history.add(old, T0, T0, T0)
    began = min(T0 + STEP_NS, math.floor(turned))
    history.add(new, T0 + STEP_NS, began, math.ceil(turned))
    taken = sample(
        "sat-0-0", f"sat-0-{last}", 1, sent, back - sent, forward_ns=there - sent, backward_ns=back - there
    )
    light = history.light(taken)
    assert light is not None
    assert light.part == "the way there"
    assert not light.is_violated
    # the bound is tight: off by no more than what the links change while all this flies
    assert light.margin_ns < 12 * 2 * math.sqrt(3) * n_hops * (back - sent) / 299_792.458 + 1_000
    short = 12 * 2 * math.sqrt(3) * n_hops * (back - sent) / 299_792.458 + 2_000
    too_fast = history.light(replace(taken, forward_ns=math.floor(there - sent - short)))
    assert too_fast is not None
    assert too_fast.is_violated


@settings(max_examples=100, deadline=None, derandomize=True)
@given(moving_worlds(), st.integers(2_000, 5_000_000))
def test_what_is_impossible_in_one_epoch_is_flagged(
    setting: tuple[World, list[Commanded], random.Random], short_ns: int
) -> None:
    world, epochs, rng = setting
    epoch, t0, began, in_force = epochs[0]
    history = History(world.who, 1.0)
    history.add(epoch, t0, began, in_force)
    source, destination = rng.sample(range(len(world.who)), 2)
    names, sent = world.who.names, in_force + rng.randint(0, 10**9)
    truth = history.truth(sample(names[source], names[destination], 1, sent, 1))
    assert truth is not None
    if truth.propagation_ns is None or truth.propagation_ns < short_ns + 2:
        return
    # what links shrink while it flies: two nodes of at most 12 sqrt(3) km/s each, on every hop both ways
    measured = math.floor(truth.propagation_ns)
    shrink_ns = 2 * (truth.hops or 0) * 2 * 12 * math.sqrt(3) * measured / 1e9 / (C_KM_PER_NS * 1e9) * 1e9
    too_fast = math.floor(truth.propagation_ns - shrink_ns) - short_ns
    if too_fast <= 0:
        return
    light = history.light(sample(names[source], names[destination], 1, sent, too_fast))
    assert light is not None
    assert light.is_violated
