"""From a scenario and its gateways' loads to a policy at work."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest

from orbitmesh.emulator.assignment import Assignment, assign
from orbitmesh.emulator.geometry import Geometry
from orbitmesh.emulator.placement import BUILT_IN, NO_POWER, NO_WAY, Refusal
from orbitmesh.emulator.run.node_processes import served
from orbitmesh.emulator.run.placement_news import placement_events
from orbitmesh.emulator.run.placing import classes_of, placer_of
from orbitmesh.emulator.scenario.scenario import loads
from orbitmesh.wire.load import Lengths, LoadSpec, Trace

SCENARIO = """name = "placed"
[constellation]
shells = [{ code = "D:600:30:24/4/1" }]
[[ground.stations]]
name = "quito"
latitude = "-0.2 deg"
longitude = "-78.5 deg"
min-elevation = "10 deg"
[[ground.stations]]
name = "madrid"
latitude = "40.4 deg"
longitude = "-3.7 deg"
min-elevation = "10 deg"
[platform]
demand = "120 kW"
[run]
start = 2026-11-01T17:00:00Z
duration = "1 h"
step = "10 s"
[serving]
model = "llama-3.1-8b"
accelerator = "h100"
placement = "PLACEMENT"
[[customers]]
name = "chat"
rate = 20.0
"""


NEED_POWER = ("sunlit", "coolest")


def spec(gateway: str, name: str = "chat", rate: float = 20.0, trace: Trace | None = None) -> LoadSpec:
    return LoadSpec(name, gateway, 1, rate, Lengths("fixed", 1000), Lengths("exponential", 200), trace=trace)


def assignments(policy: str, n_epochs: int = 40, *, powered: bool = True) -> list[Assignment]:
    text = SCENARIO.replace("PLACEMENT", policy)
    if powered:
        text = text.replace("24/4/1", "240/12/1")
    else:
        text = text.replace('[platform]\ndemand = "120 kW"\n', "")
    scenario = loads(text)
    geometry = Geometry(scenario)
    placer = placer_of(scenario, geometry)
    epochs = geometry.epochs(0, scenario.run.step_ns)
    n = geometry.nodes.n_satellites
    return [assign(next(epochs), n, geometry.hosting, 1, placer) for _ in range(n_epochs)]


def test_classes_are_the_gateways_together() -> None:
    trace = Trace((0, 10**9, 4 * 10**9), (10, 20, 30), (1, 2, 3))
    chat, traced = classes_of(
        {
            "gw-a": [spec("gw-a", rate=1.0)],
            "gw-c": [spec("gw-c", rate=3.0), spec("gw-c", "traced", trace=trace)],
        },
        ["gw-a", "gw-b", "gw-c"],
    )
    assert (chat.name, chat.rate_per_s.tolist(), chat.prompt_tokens) == ("chat", [1.0, 0.0, 3.0], 1000)
    assert chat.output_tokens == pytest.approx(200 / np.log(2))
    assert (traced.rate_per_s.tolist(), traced.prompt_tokens, traced.output_tokens) == ([0, 0, 0.5], 20, 2)
    assert Lengths("lognormal", 100, 300).mean_tokens == pytest.approx(124.99, abs=0.01)


def test_the_nearest_is_placed_without_a_policy_of_its_own() -> None:
    scenario = loads(SCENARIO.replace("PLACEMENT", "nearest"))
    geometry = Geometry(scenario)
    assert placer_of(scenario, geometry) is None
    nobody = SCENARIO.replace("PLACEMENT", "sticky").partition("[[customers]]")[0]
    assert placer_of(loads(nobody), geometry) is None


@pytest.mark.parametrize("policy", BUILT_IN)
def test_placements_are_the_same_in_each_run_bit_for_bit(policy: str) -> None:
    """Of scenario and seed alone: who serves, who is refused, why, and until when."""
    first, second = assignments(policy), assignments(policy)
    assert first == second
    assert [pickle.dumps(each) for each in first] == [pickle.dumps(each) for each in second]
    went = {each.serves(240, "chat") for each in first}
    assert None not in went
    assert len(went) > 1
    if policy not in NEED_POWER:
        first, second = (assignments(policy, 120, powered=False) for _ in range(2))
        assert [pickle.dumps(each) for each in first] == [pickle.dumps(each) for each in second]


def test_each_class_may_have_a_policy_of_its_own() -> None:
    """Which is shown these alone: what it says is what it says where there are no others."""
    more = '[[customers]]\nname = "code"\nrate = 5.0\nplacement = "round-robin"\n'
    text = SCENARIO.replace("PLACEMENT", "nearest").replace("24/4/1", "240/12/1") + more
    scenario = loads(text)
    geometry = Geometry(scenario)
    placer = placer_of(scenario, geometry)
    epochs = geometry.epochs(0, scenario.run.step_ns)
    found = [assign(next(epochs), 240, geometry.hosting, 1, placer) for _ in range(12)]
    assert all(each.serves(240, "chat") == each.nearest[240] for each in found)
    alone = assignments("round-robin", 12)
    # of two gateways and one class each, as there
    assert [each.serves(240, "code") for each in found] == [each.serves(240, "chat") for each in alone]
    assert [each.serves(240, "code") for each in found] != [each.serves(240, "chat") for each in found]


def test_a_gateway_without_a_way_is_told_when_a_satellite_rises() -> None:
    """And that is when it has one: at the first step from then on, and at none before."""
    step_ns, told = 10 * 10**9, 0
    found = assignments("sticky", 360, powered=False)
    placed = [each.placed[25]["chat"] is not None for each in found]
    assert True in placed
    for k, each in enumerate(found):
        assert placed[k] == (25 not in each.refused)
        if not placed[k]:
            why = each.refused[25]["chat"]
            assert why.reason == "no satellite that serves has a way to the gateway"
            if why.retry_sim_ns is not None and why.retry_sim_ns < 359 * step_ns:
                told += 1
                first = -(-why.retry_sim_ns // step_ns)
                assert placed[first]
                assert not any(placed[k:first])
    assert told > 0


def test_gateways_and_watchers_are_told_of_refusals() -> None:
    scenario = loads(SCENARIO.replace("PLACEMENT", "sticky"))
    nodes, none = Geometry(scenario).nodes, Assignment({}, {24: 3, 25: None})
    refused = {24: {"chat": Refusal(NO_POWER)}, 25: {"chat": Refusal(NO_WAY, 7)}}
    both = replace(none, placed={24: {"chat": None}, 25: {"chat": None}}, refused=refused)
    assert served(nodes, none, 24) == {"nearest": "sat-0-3"}
    assert served(nodes, both, 24) == {
        "nearest": "sat-0-3", "placed": {"chat": None}, "refused": {"chat": NO_POWER}
    }  # fmt: skip
    assert served(nodes, both, 25) == {
        "nearest": None, "placed": {"chat": None}, "retry_sim_ns": {"chat": 7}
    }  # fmt: skip

    assert placement_events(none, none, nodes.names) == placement_events(both, both, nodes.names) == []
    (event,) = placement_events(none, both, nodes.names)
    assert (event["event"], event["n"]) == ("refused", 2)
    assert event["of"][1] == {
        "gateway": "gw-madrid", "customer_class": "chat", "reason": NO_WAY, "retry_sim_ns": 7
    }  # fmt: skip
    (event,) = placement_events(both, replace(both, refused={24: refused[24]}), nodes.names)
    assert event == {
        "event": "served again", "n": 1, "of": [{"gateway": "gw-madrid", "customer_class": "chat"}]
    }  # fmt: skip
