"""When a satellite without power has some again: the geometry ahead, against what the epochs then say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from orbitmesh.emulator.assignment import assign
from orbitmesh.emulator.epoch import HELD_BACK_BY, NS_PER_S, Epoch
from orbitmesh.emulator.geometry import Geometry
from orbitmesh.emulator.placement import NO_POWER
from orbitmesh.emulator.run.placing import forecast_of, placer_of, with_forecast
from orbitmesh.emulator.scenario import loads

SCENARIO = """name = "dark"
[constellation]
shells = [{ code = "D:600:30:6/1/0" }]
[platform]
preset = "ai1"
charge = 0.0
[run]
start = 2026-11-01T17:00:00Z
duration = "1 h"
step = "20 s"
[serving]
model = "llama-3.1-8b"
accelerator = "h100"
"""
QUITO = """[[ground.stations]]
name = "quito"
latitude = "-0.2 deg"
longitude = "-78.5 deg"
min-elevation = "10 deg"
"""


def series(n: int) -> tuple[Geometry, list[Epoch]]:
    scenario = loads(SCENARIO)
    geometry = Geometry(scenario)
    epochs = geometry.epochs(0, scenario.run.step_ns)
    return geometry, [next(epochs) for _ in range(n)]


def test_what_the_geometry_ahead_says_is_what_comes() -> None:
    geometry, epochs = series(300)
    forecast = forecast_of(loads(SCENARIO), geometry)
    assert forecast is not None
    capacity = np.array([epoch.platforms.capacity_ratio for epoch in epochs])  # type: ignore[union-attr]
    told = 0
    for number, epoch in enumerate(epochs):
        still = np.flatnonzero(capacity[number] <= 0)
        for satellite, again_ns in forecast.again(epoch, still).items():
            assert again_ns is not None
            first = number + int(np.argmax(capacity[number:, satellite] > 0))
            if capacity[first, satellite] <= 0:
                continue  # beyond these epochs
            told += 1
            # a capacity is that of the step which ends at its epoch: some of it in the dark, some not
            assert -20 <= (epochs[first].sim_ns - again_ns) / NS_PER_S <= 40
    assert told > 100


def test_the_first_of_several_and_what_has_cooled() -> None:
    geometry, (before, epoch) = series(2)
    forecast = forecast_of(loads(SCENARIO), geometry)
    assert forecast is not None
    assert before.platforms is not None
    assert epoch.platforms is not None
    n = len(epoch.platforms.cause)
    most_k = geometry.platforms.kinds[0].platform.maximum_k  # type: ignore[union-attr]
    heat = np.full(n, HELD_BACK_BY.index("heat"), np.uint8)

    def at(of: Epoch, kelvin: float) -> Epoch:
        assert of.platforms is not None
        return replace(
            of, platforms=replace(of.platforms, cause=heat, temperature_k=np.full(n, kelvin, np.float32))
        )

    forecast.again(at(before, most_k + 30), np.arange(n))
    found = forecast.again(at(epoch, most_k + 10), np.arange(2))
    # 20 K less in 20 s: the last 10 take 10 s
    assert {round((at_ns - epoch.sim_ns) / NS_PER_S, 2) for at_ns in found.values() if at_ns} == {10.0}
    assert forecast.first_again(at(epoch, most_k + 10), np.arange(2, dtype=np.int32)) == found[0]


def test_a_gateway_that_is_refused_for_want_of_power_is_told_until_when() -> None:
    served = 'accelerator = "h100"\nplacement = "sunlit"\n[[customers]]\nname = "chat"\nrate = 1.0'
    text = SCENARIO.replace("6/1/0", "240/12/1").replace('accelerator = "h100"', served)
    scenario = loads(text.replace("[run]", QUITO + "[run]"))
    geometry = Geometry(scenario)
    forecast = forecast_of(scenario, geometry)
    placer = placer_of(scenario, geometry, forecast)
    epoch = geometry.epoch_at(0)
    assert epoch.platforms is not None
    none = replace(epoch, platforms=replace(epoch.platforms, capacity_ratio=np.zeros(240, np.float32)))
    found = with_forecast(assign(none, 240, geometry.hosting, 1, placer), none, geometry, forecast)
    why = found.refused[240]["chat"]
    assert why.reason == NO_POWER
    assert why.retry_sim_ns is not None
    assert set(found.power_again) == set(range(240))
