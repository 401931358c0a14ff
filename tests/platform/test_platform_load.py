"""What computers would draw of which nobody says more, and what follows from those that report."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from orbitmesh.emulator.constants import EARTH_RADIUS_KM
from orbitmesh.emulator.epoch import HELD_BACK_BY, NS_PER_S, Platforms
from orbitmesh.emulator.geometry import Geometry
from orbitmesh.emulator.platform import (
    Accelerators,
    Draws,
    FleetPlatforms,
    LoadModel,
    Surroundings,
    advance,
    chosen,
)
from orbitmesh.emulator.platform.advance import State
from orbitmesh.emulator.platform.of_scenario import platform_cautions, platforms_of_one
from orbitmesh.emulator.scenario.platforms import STEADY, customers_hours
from orbitmesh.emulator.scenario.satellite import ShellPlatform
from orbitmesh.emulator.scenario.scenario import loads
from orbitmesh.nodes.load.day import DayCurve

AI1 = chosen(ShellPlatform())[1]
MIDNIGHT = 1_793_491_200 * NS_PER_S  # 2026-11-01
HOURS = tuple(0.5 if hour < 12 else 1.5 for hour in range(24))
SCENARIO = """name = "curved"
[constellation]
[[constellation.shells]]
name = "one"
code = "D:600:30:24/4/1"
[[constellation.shells]]
name = "two"
code = "D:700:30:12/3/1"
PLATFORM
[[ground.stations]]
name = "quito"
latitude = "-0.2 deg"
longitude = "-78.5 deg"
min-elevation = "10 deg"
[platform]
preset = "ai1"
[serving]
model = "llama-3.1-8b"
accelerator = "h100"
[[customers]]
name = "chat"
rate = 3.0
prompt = { median = 100.0 }
output = { median = 100.0, spread = "fixed" }
[[customers]]
name = "night"
rate = 1.0
prompt = { median = 200.0 }
output = { median = 200.0, spread = "fixed" }
hours = [
  2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0,
  0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0,
]
[run]
start = 2026-11-01T00:00:00Z
step = "10 s"
"""


def over(longitudes_deg: np.ndarray) -> np.ndarray:
    turned = np.radians(longitudes_deg)
    radius = EARTH_RADIUS_KM + 600
    return radius * np.column_stack([np.cos(turned), np.sin(turned), np.zeros_like(turned)])


def test_a_load_is_that_of_the_local_hour_below() -> None:
    """In straight lines between the middles of the hours, as of customers; idle power is always drawn."""
    model = LoadModel.of(ShellPlatform.model_validate({"demand": "80 kW", "hours": HOURS}), AI1, STEADY)
    hour = np.linspace(0, 24, 97)[:-1] + 0.1
    found = model.at(MIDNIGHT + 6 * 3600 * NS_PER_S, over(15 * (hour - 6)))
    curve = DayCurve(HOURS, 0.0)
    expected = [40e3 + 40e3 * (curve.due(h + 1e-4) - curve.due(h - 1e-4)) / 2e-4 for h in hour]
    np.testing.assert_allclose(found, expected, atol=1.0)
    assert found.min() == pytest.approx(60e3, abs=1)
    assert found.max() == pytest.approx(100e3, abs=1)
    assert np.isnan(model.at(MIDNIGHT, np.full((1, 3), np.nan))).all()


def test_the_curve_is_cut_at_the_peak() -> None:
    found = LoadModel.of(ShellPlatform.model_validate({"hours": HOURS}), AI1, STEADY).hourly_w
    assert found is not None
    assert (min(found), max(found)) == (80e3, 150e3)


@pytest.mark.parametrize(
    ("section", "mean_w"), [({}, 120e3), ({"demand": "33 kW"}, 33e3), ({"utilisation": 0.5}, 95e3)]
)
def test_a_mean_is_stated_as_power_or_as_share_or_is_the_presets(
    section: dict[str, object], mean_w: float
) -> None:
    model = LoadModel.of(ShellPlatform.model_validate(section), AI1, STEADY)
    assert (model.mean_w, model.hourly_w) == (mean_w, None)
    assert (model.at(MIDNIGHT, over(np.arange(5.0))) == mean_w).all()


def test_where_the_scenario_is_silent_the_load_follows_its_customers() -> None:
    """chat: 3 · 200 tokens/s all day; night: 400 on the mean, all of it before noon."""
    scenario = loads(SCENARIO.replace("PLATFORM", ""))
    hours = customers_hours(scenario.customers)
    np.testing.assert_allclose(hours, [1.4] * 12 + [0.6] * 12)
    epoch = Geometry(scenario).epoch_at(0)
    assert epoch.platforms is not None
    x, y, _ = epoch.positions_itrs_km[:36].T
    local_hour = np.degrees(np.arctan2(y, x)) / 15 % 24
    demand_w = epoch.platforms.demand_w
    np.testing.assert_allclose(demand_w[(local_hour > 1) & (local_hour < 11)], 150e3)  # 40 + 80 · 1.4, cut
    np.testing.assert_allclose(demand_w[(local_hour > 13) & (local_hour < 23)], 88e3)
    steady = loads(
        SCENARIO.replace("PLATFORM", "").replace("2.0, 2.0,", "1.0, 1.0,").replace("0.0, 0.0,", "1.0, 1.0,")
    )
    assert customers_hours(steady.customers) == STEADY


def test_a_shell_may_have_a_platform_of_its_own() -> None:
    """And each satellite fares as if it were alone."""
    own = 'platform = { preset = "jpl-1mw", demand = "900 kW", pointing = "orbit-normal" }'
    scenario = loads(SCENARIO.replace("PLATFORM", own))
    geometry = Geometry(scenario)
    epochs = geometry.epochs(0, 10 * NS_PER_S)
    together = [next(epochs) for _ in range(5)]
    assert together[0].platforms is not None
    assert together[0].platforms.battery_j[0] <= AI1.battery_j < together[0].platforms.battery_j[30]
    for satellite in (0, 23, 24, 35):
        alone = platforms_of_one(scenario, geometry.fleet, satellite)
        kept = None
        for epoch in together:
            states = geometry.fleet.states_of(np.array([satellite]), np.array([epoch.sim_ns]))
            found, kept = alone.at(
                kept, epoch.sim_ns, states.position_km[:, 0], states.velocity_km_per_s[:, 0]
            )
            for field in fields(Platforms):
                a, b = getattr(found, field.name)[0], getattr(epoch.platforms, field.name)[satellite]
                assert a == pytest.approx(b, rel=1e-6), field.name
    named = loads(SCENARIO.replace("PLATFORM", 'platform = "jpl-1mw"'))
    assert Geometry(named).epoch_at(0).platforms.demand_w[30] == pytest.approx(708e3)  # type: ignore[union-attr]


def test_shells_alike_are_computed_together() -> None:
    alike = FleetPlatforms(
        [(ShellPlatform(), 4), (ShellPlatform(), 6), (ShellPlatform(preset="rack"), 2)], 0, 0.0
    )
    assert [(kind.first, kind.end) for kind in alike.kinds] == [(0, 10), (10, 12)]


def test_a_satellite_that_serves_hard_warms_up_and_its_idle_neighbour_does_not() -> None:
    """Side by side, in the dark for ten minutes: 70 kW apart, all from the battery, and into heat."""
    section = ShellPlatform.model_validate(
        {"figures": {"battery-capacity": "200 kWh"}, "charge": 1.0, "temperature": "250 K"}
    )
    cards = Accelerators(11.52e3, 100.8e3)
    fleet = FleetPlatforms([(section, 3)], MIDNIGHT, 0.0, cards=cards)
    place = np.repeat(over(np.array([20.0])), 3, axis=0)  # 20 degrees east at midnight: the Earth's shadow
    speed = np.tile([0.0, 7.0, 0.0], (3, 1))
    draws = Draws(np.array([0, 1]), np.array([81.52e3, 11.52e3]), np.array([81.52e3, 11.52e3]))
    found, kept = fleet.at(None, 0, place, speed)
    assert (found.measured == 0).all()
    for second in range(10, 601, 10):
        found, kept = fleet.at(kept, second * NS_PER_S, place, speed, draws)
    assert (found.sunlit_ratio == 0).all()
    rest_w = (1 - 100.8 / 150) * 120e3
    np.testing.assert_allclose(found.compute_w, [81.52e3 + rest_w, 11.52e3 + rest_w, 120e3])
    assert found.measured.tolist() == [1, 1, 0]
    hard, idle, _ = found.temperature_k
    assert hard - idle > 20
    spent_j = float(found.battery_j[1] - found.battery_j[0])
    assert spent_j == pytest.approx(70e3 * 600 / 0.95, rel=1e-4)


def test_what_the_accelerators_ask_for_in_vain_has_a_cause_however_seldom_they_compute() -> None:
    """A third of the time busy, and slowed by heat whenever they are; one at rest misses nothing."""
    cards = Accelerators(11.52e3, 100.8e3)
    section = ShellPlatform.model_validate({"temperature": "350 K"})
    fleet = FleetPlatforms([(section, 3)], MIDNIGHT, 0.0, cards=cards)
    place = np.repeat(over(np.array([200.0])), 3, axis=0)
    speed = np.tile([0.0, 7.0, 0.0], (3, 1))
    _, kept = fleet.at(None, 0, place, speed)
    draws = Draws(np.array([0, 1]), np.array([30e3, 11.52e3]), np.array([41e3, 11.52e3]))
    found, _ = fleet.at(kept, NS_PER_S, place, speed, draws)
    assert (found.capacity_ratio < 0.9).all()
    assert [HELD_BACK_BY[cause] for cause in found.cause[:2]] == ["heat", ""]
    assert found.demand_w[0] - found.compute_w[0] == pytest.approx(11e3, rel=1e-5)


def test_of_those_with_accelerators_what_slows_them_has_a_cause_by_the_load_model_too() -> None:
    """They ask for the peak while they compute; others for no more than their mean, which they get."""
    section = ShellPlatform.model_validate({"temperature": "347 K", "demand": "60 kW"})
    place = np.repeat(over(np.array([200.0])), 3, axis=0)
    speed = np.tile([0.0, 7.0, 0.0], (3, 1))
    shells = [(section, 1), (section.model_copy(update={"demand_w": 61e3}), 2)]
    fleet = FleetPlatforms(shells, MIDNIGHT, 0.0, cards=Accelerators(11.52e3, 100.8e3), hosts=[0, 2])
    first, kept = fleet.at(None, 0, place, speed)
    found, _ = fleet.at(kept, NS_PER_S, place, speed, Draws(np.empty(0, np.int64), np.empty(0), np.empty(0)))
    for each in (first, found):
        assert (each.capacity_ratio < 0.9).all()
        np.testing.assert_allclose(each.compute_w, [60e3, 61e3, 61e3], rtol=1e-6)
        assert [HELD_BACK_BY[cause] for cause in each.cause] == ["heat", "", "heat"]


def test_what_is_asked_for_beyond_the_mean_moves_no_energy() -> None:
    around = Surroundings(np.ones(1), np.ones(1), np.zeros(1))
    state = State(np.array([AI1.battery_j]), np.array([345.0]))
    one = advance(AI1, state, around, 60e3, 1.0)
    other = advance(AI1, state, around, 60e3, 1.0, most_w=150e3)
    assert one[0].temperature_k == other[0].temperature_k
    assert (one[1].cause[0], other[1].cause[0]) == (0, HELD_BACK_BY.index("heat"))


def test_accelerators_that_draw_more_than_the_platform_has_are_said() -> None:
    scenario = loads(
        SCENARIO.replace("PLATFORM", "").replace(
            'accelerator = "h100"', 'accelerator = "h100"\nreplicas = 300'
        )
    )
    (said,) = platform_cautions(scenario)
    assert "draw up to 210 kW on each satellite" in said
    assert "ai1 150 kW at their peak" in said
    assert platform_cautions(loads(SCENARIO.replace("PLATFORM", ""))) == []
