"""Eclipses and throttling as events: told once, for those that host a process."""

from __future__ import annotations

from orbitmesh.emulator.geometry import Geometry
from orbitmesh.emulator.run.power_news import power_events
from orbitmesh.emulator.scenario.scenario import loads

SHELL = """name = "shell"
[constellation]
shells = [{ code = "D:600:30:12/3/1" }]
[platform]
[run]
start = 2026-11-01T00:00:00Z
step = "30 s"
"""


def test_a_turn_has_one_eclipse_and_one_sunrise_for_each_that_hosts() -> None:
    geometry = Geometry(loads(SHELL))
    epochs, before, told = geometry.epochs(0, 30 * 10**9), None, []
    for _ in range(194):  # a turn of 96.7 minutes
        epoch = next(epochs)
        told += power_events(before, epoch, [0, 5], geometry.nodes.names)
        before = epoch
    by_event = {
        event: sorted(name for each in told if each["event"] == event for name in each["of"])
        for event in ("eclipse", "sunlight")
    }
    assert by_event["eclipse"] == ["sat-0-0", "sat-1-1"]
    assert by_event["sunlight"] == ["sat-0-0", "sat-1-1"]
    held = [one for each in told if each["event"] == "held back" for one in each["of"]]
    assert {one["satellite"] for one in held} == {"sat-0-0", "sat-1-1"}
    assert {one["cause"] for one in held} == {"eclipse", None}
    assert all(each["number"] * 30 * 10**9 == each["sim_ns"] for each in told)


def test_nothing_is_told_of_the_first_epoch_and_of_a_scenario_without_platforms() -> None:
    geometry = Geometry(loads(SHELL.replace("[platform]\n", "")))
    epoch = geometry.epoch_at(0)
    assert power_events(None, epoch, [0], geometry.nodes.names) == []
    assert power_events(epoch, epoch, [0], geometry.nodes.names) == []
