"""For whom a satellite ends soon: its shadow, its battery and its pass, against the epochs that follow."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest

from orbitmesh.emulator.assignment import Assignment, Leave, assign
from orbitmesh.emulator.epoch import NS_PER_S, Epoch
from orbitmesh.emulator.geometry import Geometry
from orbitmesh.emulator.placement.outlive import ECLIPSE, HEAT, SIGHT
from orbitmesh.emulator.run.leave_orders import LeaveOrders
from orbitmesh.emulator.run.placing import forecast_of, outlive_of, placer_of, with_forecast
from orbitmesh.emulator.scenario import loads
from orbitmesh.nodes.serving.leaving import read_leaves

# under a satellite that gets into the shadow 17 s after the start
SCENARIO = """name = "dusk"
[constellation]
shells = [{ code = "D:1150:60:24/4/1" }]
[[ground.stations]]
name = "dusk"
latitude = "-37.06 deg"
longitude = "23.76 deg"
min-elevation = "10 deg"
[platform]
preset = "ai1"
[serving]
model = "llama-3.1-8b"
accelerator = "h100"
[[customers]]
name = "chat"
rate = 1.0
output = { median = 600.0 }
[run]
start = 2026-11-01T00:00:00Z
duration = "40 s"
rate-scale = 0.001
"""


def run(text: str, n: int) -> tuple[Geometry, list[tuple[Epoch, Assignment]]]:
    scenario = loads(text)
    geometry = Geometry(scenario)
    forecast, outlive = forecast_of(scenario, geometry), outlive_of(scenario, geometry)
    placer = placer_of(scenario, geometry, forecast)
    epochs, found = geometry.epochs(0, scenario.run.step_ns), []
    for _ in range(n):
        epoch = next(epochs)
        assignment = assign(epoch, 24, geometry.hosting, 1, placer)
        found.append((epoch, with_forecast(assignment, epoch, geometry, forecast, outlive)))
    return geometry, found


def leave_of(assignment: Assignment, satellite: int) -> Leave:
    (leave,) = assignment.leaves[satellite]
    return leave


def test_the_shadow_ahead_is_an_end_and_who_goes_on_has_longer() -> None:
    geometry, found = run(SCENARIO, 40)
    first = found[0][1].nearest[24]
    assert first is not None
    capacity = np.array([epoch.platforms.capacity_ratio[first] for epoch, _ in found])  # type: ignore[union-attr]
    assert capacity[0] > 0
    ends = int(np.argmax(capacity <= 0))
    assert ends > 10
    for number, (epoch, assignment) in enumerate(found[:ends]):
        leave = leave_of(assignment, first)
        assert (leave.gateway, leave.customer_class, leave.rule, leave.reason) == (
            24,
            "chat",
            "move",
            ECLIPSE,
        )
        # from when on the array alone carries no computers; the battery helps through the half-shadow
        assert 0 <= ends - leave.until_sim_ns / NS_PER_S <= 10, number
        assert leave.to
        for other, rate_bps in leave.to:
            assert other != first
            assert rate_bps > 10**9
            assert epoch.platforms is not None
            assert epoch.platforms.capacity_ratio[other] > 0
    assert geometry.nodes.names[first].startswith("sat-")


def test_it_is_the_same_in_each_run_bit_for_bit() -> None:
    one, other = run(SCENARIO, 30)[1], run(SCENARIO, 30)[1]
    assert [pickle.dumps(a) for _, a in one] == [pickle.dumps(a) for _, a in other]


def test_what_stays_by_the_scenario_is_told_nothing_and_a_class_may_say_otherwise() -> None:
    stays = SCENARIO.replace('accelerator = "h100"', 'accelerator = "h100"\noutlive = "stay"')
    scenario = loads(stays)
    assert outlive_of(scenario, Geometry(scenario)) is None
    refuses = stays.replace('name = "chat"', 'name = "chat"\noutlive = "refuse"')
    refuses += '[[customers]]\nname = "code"\nrate = 1.0\n'
    refuses = refuses.replace("[run]", "", 1).replace("start = ", "[run]\nstart = ", 1)
    text = refuses.partition("[run]")
    more = '[[customers]]\nname = "code"\nrate = 1.0\n'
    ordered = text[0] + more + text[1] + text[2].replace(more, "")
    _, found = run(ordered, 3)
    leaves = [each for of in found[-1][1].leaves.values() for each in of]
    assert {(each.customer_class, each.rule) for each in leaves} == {("chat", "refuse")}


def test_a_battery_that_carries_computers_is_emptied_first_and_sunlight_may_be_back_before() -> None:
    scenario = loads(SCENARIO)
    geometry = Geometry(scenario)
    outlive = outlive_of(scenario, geometry)
    assert outlive is not None
    assert outlive._battery is not None
    epoch = geometry.epoch_at(35 * NS_PER_S)
    assert epoch.platforms is not None
    first = assign(epoch, 24, geometry.hosting, 1).nearest[24]
    assert first is not None
    assert epoch.platforms.sunlit_ratio[first] == 0
    power = np.full(24, 100e3, np.float32)
    at = replace(
        epoch.platforms, power_w=power,
        battery_j=(outlive._battery.floor_j + 5e6).astype(np.float32),
    )  # fmt: skip
    outlive._battery = replace(outlive._battery, carries=np.ones(24, bool), discharge_ratio=np.full(24, 0.9))
    ends = outlive._dark_ends(at, epoch.sim_ns)
    column = int(np.searchsorted(outlive._satellites, first))
    # 5 MJ, of which 0.9 come out, at 100 kW
    assert ends[column] == pytest.approx(epoch.sim_ns + 45 * NS_PER_S, abs=0.1 * NS_PER_S)
    outlive._sunlight = lambda who, now_ns: dict.fromkeys(who.tolist(), now_ns + 40 * NS_PER_S)
    assert column not in outlive._dark_ends(at, epoch.sim_ns)


def test_heat_that_takes_all_speed_is_an_end() -> None:
    scenario = loads(SCENARIO)
    geometry = Geometry(scenario)
    outlive = outlive_of(scenario, geometry)
    assert outlive is not None
    epochs = geometry.epochs(0, NS_PER_S)
    heat = np.ones(24, np.uint8)
    found = {}
    for ratio in (0.5, 0.4):
        epoch = next(epochs)
        assert epoch.platforms is not None
        slower = np.full(24, ratio, np.float32)
        at = replace(epoch, platforms=replace(epoch.platforms, capacity_ratio=slower, cause=heat))
        found = outlive.leaves(at, assign(at, 24, geometry.hosting, 1))
    ((leave,),) = found.values()
    assert (leave.reason, leave.to) == (HEAT, ()), "all others are as warm"
    assert leave.until_sim_ns == pytest.approx(5 * NS_PER_S, abs=1e7)  # 0.1 a second: 4 s more


def test_without_lasers_the_pass_is_an_end() -> None:
    text = SCENARIO.replace('[platform]\npreset = "ai1"\n', '[lasers]\npattern = "none"\n')
    text = text.replace('"40 s"', '"20 min"').replace("rate-scale", 'step = "20 s"\nrate-scale')
    geometry, found = run(text, 60)
    first = found[0][1].nearest[24]
    assert first is not None
    gone = next(k for k, (_, assignment) in enumerate(found) if assignment.nearest[24] != first)
    told = [leave for _, a in found[:gone] for leave in a.leaves.get(first, ())]
    assert told
    for leave in told:
        assert leave.reason == SIGHT
        # the last step at which it is seen, and the next
        assert (gone - 1) * 20 <= leave.until_sim_ns / NS_PER_S <= gone * 20
        assert all(rate_bps == 0 for _, rate_bps in leave.to), "no way leads from one to another"
    assert geometry.nodes.n_satellites == 24


def test_a_node_is_told_what_it_can_read_and_only_what_is_new() -> None:
    geometry, found = run(SCENARIO, 30)
    told: list[tuple[str, object]] = []

    class Tick:
        def __init__(self, assignment: Assignment) -> None:
            self.assignment = assignment

    orders = LeaveOrders(
        geometry.nodes, lambda node: f"10.0.0.{node}", 0.001, lambda sim_ns: sim_ns + 7,
        lambda name, leaves: told.append((name, leaves)),
    )  # fmt: skip
    for _, assignment in found[:20]:
        orders.tick(Tick(assignment))  # type: ignore[arg-type]
    assert 0 < len(told) <= 3
    name, rows = told[0]
    (leave,) = read_leaves(rows)
    (said,) = found[0][1].leaves[geometry.nodes.index[name]]
    assert leave.until_mono_ns == said.until_sim_ns + 7
    assert (leave.gateway, leave.rule) == ("gw-dusk", "move")
    assert [t.rate_bps for t in leave.to] == [round(bps * 0.001) for _, bps in said.to]
    orders.tick(Tick(replace(found[0][1], leaves={})))  # type: ignore[arg-type]
    assert told[-1] == (name, [])
