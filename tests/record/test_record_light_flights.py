"""Properties of the bound of light: what a network can do is never flagged, what it cannot always is."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from itertools import combinations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from record_fakes import C_KM_PER_NS, STEP_NS, T0, World, nodes, sample

from orbitmesh.emulator.epoch import UNREACHABLE, Epoch
from orbitmesh.emulator.record.light import TOLERANCE_NS
from orbitmesh.emulator.record.truth import History

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
