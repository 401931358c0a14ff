"""The ring's order, the least time of an all-reduce, and what a step computes."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from orbitmesh.emulator.errors import ScenarioError
from orbitmesh.emulator.geometry import Geometry
from orbitmesh.emulator.presets.serving import accelerator, model
from orbitmesh.emulator.run.training import ring_nodes, specs_of
from orbitmesh.emulator.scenario import Scenario, loads
from orbitmesh.emulator.training.bound import RingWays, algorithm_bps, bus_bps, ring_ns, ways_of
from orbitmesh.emulator.training.tour import short_tour
from orbitmesh.emulator.training.work import active_parameters, compute_ns, parameters, state_bytes

FLOCK = """
name = "flock"
constellation = {{ shells = [{{ formation = {{ {flock} }} }}] }}
lasers = {{ terminals = 8, terminal = "dwdm-shown" }}
compute = {{ probes = {{ kinds = [] }} }}
training = {{ model = "llama-3.1-8b", accelerator = "h100", accelerators = 8, tokens = 1000{more} }}
run = {{ start = 2026-11-01T00:00:00Z, rate-scale = 1e-5 }}
"""


def flock(radius: str = "1 km", more: str = "") -> Scenario:
    return loads(FLOCK.format(flock=f'altitude = "650 km", raan = "306 deg", radius = "{radius}"', more=more))


def test_equal_links_take_what_the_closed_form_says() -> None:
    """2 (N - 1) / N of the gradient at the rate of a link, and 2 (N - 1) times light."""
    for n in (2, 3, 81):
        gradient, rate_bps, delay_ns = 141e9, 800e9, 500.0
        found = ring_ns(gradient / n, np.full(n, rate_bps), np.full(n, delay_ns))
        assert found == pytest.approx(2 * (n - 1) * (8e9 * gradient / n / rate_bps + delay_ns), rel=1e-12)
        assert bus_bps(8e9 * 2 * (n - 1) / n * gradient / rate_bps, round(gradient), n) == pytest.approx(
            rate_bps
        )
    assert algorithm_bps(1e9, 10**9) == 8e9


def test_one_slow_link_sets_the_pace_of_all() -> None:
    n, message = 8, 1000.0
    rate, delay = np.full(n, 1e9), np.full(n, 1000.0)
    rate[3] = 1e8
    found = ring_ns(message, rate, delay)
    sending_ns = 8e9 * message / 1e8
    # it sends 14 messages without a gap but for those that it waits for; each goes on once round the others
    assert found >= 14 * sending_ns + 1000
    assert found < 14 * sending_ns + 2 * n * (8e9 * message / 1e9 + 1000)
    long = replace_one(delay, 3, 1e9)
    assert ring_ns(message, np.full(n, 1e9), long) >= 2e9 - 1  # twice over it in 14 rounds, less the last
    assert found > ring_ns(message, np.full(n, 1e9), delay)


def replace_one(values: np.ndarray, place: int, value: float) -> np.ndarray:
    changed = values.copy()
    changed[place] = value
    return changed


def test_a_ring_through_the_formation_goes_from_neighbour_to_neighbour() -> None:
    scenario = flock()
    geometry = Geometry(scenario)
    ring = ring_nodes(scenario, geometry.nodes, geometry.hosting)
    assert sorted(ring) == list(range(81))
    epoch = geometry.epoch_at(0)
    ways = ways_of(epoch, ring)
    assert isinstance(ways, RingWays)
    assert set(ways.hops) == {1}
    assert (ways.rate_bps == 800e9).all()
    # 100 to 283 m, with a diagonal: 0.3 to 0.95 us of light
    assert 320 < ways.delay_ns.min() < ways.delay_ns.max() < 960
    told = specs_of(scenario, geometry.nodes, geometry.hosting, epoch, lambda node: f"10.0.0.{node}")
    assert len(told) == 81
    first = told["sat-0-0"]
    assert (first.place, first.members, first.next_name) == (0, 81, geometry.nodes.names[ring[1]])
    assert told[first.next_name].place == 1


@pytest.mark.parametrize(
    "points", [[(0, 0)], [(0, 0), (1, 0), (2, 0)], [(p, q) for p in range(6) for q in range(7)]]
)
def test_a_tour_visits_all_once_and_is_always_the_same(points: list[tuple[int, int]]) -> None:
    order = short_tour(points)
    assert sorted(order) == list(range(len(points)))
    assert order == short_tour(points)
    if len(points) == 42:  # an even grid has a tour of single steps
        ends = [points[row] for row in [*order, order[0]]]
        assert all(max(abs(a - c), abs(b - d)) == 1 for (a, b), (c, d) in pairwise(ends))


def test_ways_that_share_a_link_share_its_rate() -> None:
    """With four lasers each, a member across a square is two hops away, over links that others use too."""
    scenario = flock("200 m", ', group = ["sat-0-0", "sat-0-1"]')  # of five, a cross: both ways by the middle
    lasers = scenario.lasers.model_copy(update={"terminals": 4})
    geometry = Geometry(scenario.model_copy(update={"lasers": lasers}))
    epoch = geometry.epoch_at(0)
    ways = ways_of(epoch, (0, 1, 3))
    assert isinstance(ways, RingWays)
    assert ways.hops == (2, 2, 2)
    assert (ways.rate_bps == 800e9).all()
    doubled = ways_of(epoch, (0, 1, 0, 3))  # 0 > 2 is used twice
    assert isinstance(doubled, RingWays)
    assert doubled.rate_bps.tolist() == [400e9, 400e9, 400e9, 400e9]


def test_a_group_without_a_way_is_refused_by_name() -> None:
    scenario = flock("200 m")
    geometry = Geometry(scenario)
    epoch = geometry.epoch_at(0)
    alone = replace(epoch, routes=replace(epoch.routes, code=np.full_like(epoch.routes.code, 255)))
    with pytest.raises(ScenarioError, match="there is no way from sat-0-0 to sat-0-"):
        specs_of(scenario, geometry.nodes, geometry.hosting, alone, str)


def test_a_group_that_is_named_keeps_its_order_outside_of_a_formation_and_hosts_processes() -> None:
    pocket = (Path(__file__).parents[2] / "emulator/scenario/shipped/pocket.toml").read_text()
    section = """[training]
model = "llama-3.1-8b"
accelerator = "h100"
accelerators = 8
tokens = 1000
gradient = "1 GB"
group = ["sat-2-1", "sat-0-0", "sat-1-1"]

[run]
"""
    scenario = loads(pocket.replace("[run]\n", section))
    geometry = Geometry(scenario)
    ring = ring_nodes(scenario, geometry.nodes, geometry.hosting)
    assert [geometry.nodes.names[node] for node in ring] == ["sat-2-1", "sat-0-0", "sat-1-1"]
    assert geometry.hosting[list(ring)].all()


def test_parameters_are_the_published_ones_and_work_follows_from_them() -> None:
    assert parameters(model("llama-3.1-70b")) == pytest.approx(70.55e9, rel=0.001)
    assert parameters(model("llama-3.1-8b")) == pytest.approx(8.03e9, rel=0.001)
    mixture = model("mixtral-8x7b")
    assert parameters(mixture) == pytest.approx(46.7e9, rel=0.005)
    assert active_parameters(mixture) == pytest.approx(12.8e9, rel=0.02)
    assert state_bytes(model("llama-3.1-8b")) == 16 * parameters(model("llama-3.1-8b"))
    # 6 x 7.5e9 x 1e6 over 8 x 989e12 x 0.4
    found = compute_ns(model("llama-3.1-8b"), accelerator("h100"), 8, 1_000_000, 0.4)
    assert found == pytest.approx(14.2e9, rel=0.02)
