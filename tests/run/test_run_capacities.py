"""Which satellites are told of their accelerators' share of speed, and when.  Pure."""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from orbitmesh.emulator.epoch import Platforms
from orbitmesh.emulator.run.capacities import Capacities


def platforms(*ratios: float) -> Platforms:
    zeros = np.zeros(len(ratios), np.float32)
    parts = {field.name: zeros for field in fields(Platforms)}
    return Platforms(**parts | {"capacity_ratio": np.array(ratios, np.float32)})  # type: ignore[arg-type]


def test_each_that_serves_is_told_what_changes_once_it_is_there() -> None:
    told: list[tuple[str, float]] = []
    capacities = Capacities({0: "sat-0-0", 2: "sat-0-2"}, lambda name, ratio, _: told.append((name, ratio)))
    capacities.tick(platforms(0.5, 0.1, 1.0))
    assert told == []  # their processes have not started
    capacities.begin()
    assert told == [("sat-0-0", 0.5)]  # the other has all, as it starts
    told.clear()
    capacities.tick(platforms(0.5004, 0.9, 1.0))
    assert told == []
    capacities.tick(platforms(0.502, 0.9, 0.0))
    assert told == [("sat-0-0", 0.502), ("sat-0-2", 0.0)]
    told.clear()
    capacities.tick(platforms(0.502, 0.9, 0.0005))
    assert told == [("sat-0-2", 0.0005)]  # from nothing to little is no small change
    capacities.tick(None)


def test_who_has_none_is_told_until_when_and_anew_where_that_changes() -> None:
    told: list[tuple[float, int | None]] = []
    capacities = Capacities({1: "sat-0-1"}, lambda name, ratio, again: told.append((ratio, again)))
    capacities.begin()
    capacities.tick(platforms(1.0, 0.0), {1: None})
    capacities.tick(platforms(1.0, 0.0), {1: 60 * 10**9})
    capacities.tick(platforms(1.0, 0.0), {1: 60 * 10**9 + 1})  # no news
    capacities.tick(platforms(1.0, 0.0), {1: 62 * 10**9})
    capacities.tick(platforms(1.0, 0.7), {})
    assert told == [(0.0, None), (0.0, 60 * 10**9), (0.0, 62 * 10**9), (0.7, None)]


def test_who_has_none_is_told_anew_where_instants_have_come_to_others() -> None:
    told: list[tuple[str, float, int | None]] = []
    capacities = Capacities({n: f"sat-0-{n}" for n in range(4)}, lambda *of: told.append(of))
    capacities.begin()
    capacities.tick(platforms(0.0, 0.0, 0.0, 0.5), {0: 60 * 10**9, 1: None, 2: 9 * 10**9})
    capacities.tick(platforms(0.0, 0.0, 0.8, 0.5), {0: 60 * 10**9, 1: None})
    told.clear()
    capacities.anew()
    assert told == [("sat-0-0", 0.0, 60 * 10**9)]  # of the others nothing depends on it


def test_small_changes_add_up() -> None:
    told: list[float] = []
    capacities = Capacities({0: "sat-0-0"}, lambda name, ratio, _: told.append(ratio))
    capacities.begin()
    for ratio in np.arange(1.0, 0.98, -0.0004):
        capacities.tick(platforms(float(ratio)))
    assert 10 < len(told) < 20
    assert told[-1] < 0.982
