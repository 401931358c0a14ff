"""Costs: closed forms by hand, one direction for each assumption, and a range that holds its value."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from orbitmesh.emulator.answers.cost import (
    YEAR_S,
    Assumption,
    annuity_per_s,
    cost,
    estimate,
    ground_parts,
    in_orbit,
    mean_power_w,
    measured,
    on_the_ground,
    orbit_parts,
    ratio,
    token_rate,
    tokens,
)
from orbitmesh.emulator.errors import InputError
from orbitmesh.emulator.presets import Figure, preset, presets

ORBITS = [name for name in presets("cost") if name.startswith("orbit-")]
SATELLITES = [name for name in presets("platform") if name != "rack"]
HOUR_S = 3600.0


def figure(value: float, unit: str, low: float | None = None, high: float | None = None) -> Figure:
    ends = (value if low is None else low, value if high is None else high)
    return Figure(value, unit, "a test", "2026-11", "estimated", *ends)


def test_a_dollar_over_its_life() -> None:
    assert annuity_per_s(0.0, 5 * YEAR_S) * YEAR_S == pytest.approx(0.2)
    # 8 % over five years: 0.08 / (1 - 1.08^-5), as in every table of annuities
    assert annuity_per_s(0.08 / YEAR_S, 5 * YEAR_S) * YEAR_S == pytest.approx(0.250456, abs=1e-6)
    assert annuity_per_s(1e-9 / YEAR_S, 5 * YEAR_S) * YEAR_S == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("first_w", "loss", "mean_w"),
    [
        (200.0, 0.0, 100.0),  # there is always enough
        (60.0, 0.0, 60.0),
        (-5.0, 0.0, 0.0),
        (200.0, 10.0, 100.0),  # just enough to the end, ten seconds later
        (100.0, 10.0, 50.0),  # a triangle
        (100.0, 20.0, 25.0),  # one that ends half way
        (150.0, 10.0, 87.5),  # half a plateau, half a slope from 100 to 50
        (-5.0, 10.0, 0.0),
    ],
)
def test_the_mean_of_what_ages(first_w: float, loss: float, mean_w: float) -> None:
    assert mean_power_w(100.0, first_w, loss, 10.0) == pytest.approx(mean_w)


PLAIN = {
    "average-power": 100e3, "bus-power": 0.0, "array-area": 500.0, "array-output": 250.0, "array-aging": 0.0,
    "radiator-area": 100.0, "mass": 2000.0, "launch-price": 1000.0, "build-price": 500.0, "array-price": 8.0,
    "radiator-price": 1000.0, "accelerator-price": 20.0, "life": 5 * YEAR_S, "replacement": 0.02 / YEAR_S,
    "operation": 0.03 / YEAR_S, "capital-cost": 0.0, "sunlit-share": 1.0, "system-power": 1.0,
    "utilisation": 1.0,
}  # fmt: skip


def test_orbit_by_hand() -> None:
    """Bought: 2.0 of launch, 1.0 of satellite, 1.0 of array, 0.1 of radiator, 2.0 of accelerators, in M$."""
    kwh = 3.6e6
    hours = YEAR_S / HOUR_S  # 100 kW give 100 kWh in each
    parts = {name: each * kwh * 100 * hours for name, each in orbit_parts(PLAIN).items()}  # $ a year
    assert parts == {
        "launch": pytest.approx(400e3), "satellite": pytest.approx(200e3), "array": pytest.approx(200e3),
        "radiator": pytest.approx(20e3), "accelerators": pytest.approx(400e3),
        "replacement": pytest.approx(122e3), "operation": pytest.approx(183e3),
    }  # fmt: skip
    half = {**PLAIN, "utilisation": 0.5, "system-power": 1.3}
    assert sum(orbit_parts(half).values()) == pytest.approx(2.6 * sum(orbit_parts(PLAIN).values()))
    dark = {**PLAIN, "sunlit-share": 0.4}  # 50 kW of 100: all costs twice as much
    assert sum(orbit_parts(dark).values()) == pytest.approx(2 * sum(orbit_parts(PLAIN).values()))


def test_the_ground_by_hand() -> None:
    values = {
        "average-power": 100e3, "idle-power": 20e3, "electricity-price": 0.1 / 3.6e6,
        "power-usage-effectiveness": 1.5, "site-price": 10.0, "accelerator-price": 20.0,
        "site-life": 20 * YEAR_S, "life": 5 * YEAR_S, "operation": 0.02 / YEAR_S, "capital-cost": 0.0,
        "system-power": 1.25, "utilisation": 0.5,
    }  # fmt: skip
    # of accelerators: 100 kW / 1.25 * 0.5 = 40 kWh each hour
    hour = {name: each * 40 * 3.6e6 for name, each in ground_parts(values).items()}
    hours = YEAR_S / HOUR_S
    assert hour == {
        "accelerators": pytest.approx(2e6 / 5 / hours), "site": pytest.approx(1e6 / 20 / hours),
        "electricity": pytest.approx(60 * 1.5 * 0.1), "operation": pytest.approx(60e3 / hours),
    }  # fmt: skip


def test_a_range_by_hand() -> None:
    """x * y with x 1..2..4 and y 3 alone: halves and doubles."""
    given = {"x": Assumption("a", figure(2, "1", 1, 4)), "y": Assumption("b", figure(3, "1"))}
    made = estimate(given, lambda v: v["x"] * v["y"])
    assert (made.least, made.value, made.most) == (3, 6, 12)
    assert (made.low, made.high) == (pytest.approx(3), pytest.approx(12))
    assert [(e.name, e.at_low, e.at_high) for e in made.effects] == [("x", 3, 12), ("y", 6, 6)]
    twice = {"x": given["x"], "y": Assumption("b", figure(2, "1", 1, 4))}
    made = estimate(twice, lambda v: v["x"] / v["y"])
    assert (made.least, made.value, made.most) == (0.25, 1, 4)
    # independent: the root of two squares of log 2
    assert made.high == pytest.approx(2 ** math.sqrt(2))
    assert made.low == pytest.approx(2 ** -math.sqrt(2))


CHEAPER_WITH_MORE = {
    "life", "utilisation", "sunlit-share", "array-output", "array-area", "average-power", "site-life",
}  # fmt: skip


@pytest.mark.parametrize("prices", ORBITS)
@pytest.mark.parametrize("platform", SATELLITES)
def test_each_assumption_moves_the_cost_in_its_direction(platform: str, prices: str) -> None:
    place = in_orbit(preset("platform", platform), preset("cost", prices))
    at = {name: each.in_base(each.figure.value) for name, each in place.assumptions.items()}
    for name, each in place.assumptions.items():
        if name in ("array-area", "array-output", "average-power"):  # they buy power, and cost
            continue
        low, high = each.in_base(each.figure.low), each.in_base(each.figure.high)
        costs = [place.dollars_per_j({**at, name: low + (high - low) * i / 8}) for i in range(9)]
        slack = 1e-12 * costs[0]
        steps = [b - a for a, b in pairwise(costs)]
        if name in CHEAPER_WITH_MORE:
            assert max(steps) <= slack, name
        else:
            assert min(steps) >= -slack, name


@pytest.mark.parametrize("prices", ORBITS)
@pytest.mark.parametrize("platform", SATELLITES)
def test_the_range_holds_the_value_and_the_extremes_hold_the_range(platform: str, prices: str) -> None:
    place = in_orbit(preset("platform", platform), preset("cost", prices))
    ground = on_the_ground(preset("platform", "rack"), preset("cost", "ground-data-centre"))
    work = tokens(preset("accelerator", "b200"), 1, token_rate(3000.0, "llama-3.1-70b", "b200"))
    for made in (cost(place, work), cost(ground, work), ratio(place, ground)):
        assert 0 < made.least < made.low < made.value < made.high < made.most
        # of suncatcher nobody knows the size: a small array and a large bus leave nothing
        assert math.isfinite(made.most) or platform == "suncatcher"
        spreads = [effect.ratio for effect in made.effects]
        assert spreads == sorted(spreads, reverse=True)
        assert all(made.least <= min(e.at_low, e.at_high) * (1 + 1e-12) for e in made.effects)
        assert all(made.most >= max(e.at_low, e.at_high) * (1 - 1e-12) for e in made.effects)


def test_tokens_and_requests_are_the_same_joules() -> None:
    """1,000 W and 500 token/s are 2 J a token; a request of 100 tokens was measured at 200 J."""
    place = in_orbit(preset("platform", "ai1"), preset("cost", "orbit-2026"))
    card = preset("accelerator", "b200").with_own({"power": "1 kW"})
    token = cost(place, tokens(card, 1, figure(500, "token/s")))
    request = cost(place, measured(figure(0.2, "kJ")))
    assert token.times(100).value == pytest.approx(request.value)
    assert token.times(100).most == pytest.approx(request.most)
    assert cost(place, tokens(card, 4, figure(500, "token/s"))).value == pytest.approx(4 * token.value)


def test_what_both_places_assume_alike_is_one_assumption() -> None:
    place = in_orbit(preset("platform", "ai1"), preset("cost", "orbit-2026"))
    ground = on_the_ground(preset("platform", "rack"), preset("cost", "ground-data-centre"))
    made = ratio(place, ground)
    names = [effect.name for effect in made.effects]
    assert {"accelerator-price", "system-power", "utilisation"} <= set(names)
    assert {"cost orbit-2026: life", "cost ground-data-centre: life"} <= set(names)
    # all but the ground's electricity is paid by time: how busy accelerators are all but cancels
    assert next(e for e in made.effects if e.name == "utilisation").ratio < 1.1
    work = measured(figure(1, "J"))
    assert made.value == pytest.approx(cost(place, work).value / cost(ground, work).value)


def test_a_rate_that_was_extrapolated_says_so() -> None:
    held = token_rate(1000, "llama-3.1-70b", "h100")
    guessed = token_rate(1000, "mixtral-8x7b", "h100")
    assert (held.kind, guessed.kind) == ("calibrated", "estimated")
    assert guessed.low < held.low < held.value < held.high < guessed.high
    assert "extrapolated" in guessed.source


def test_what_has_no_cost() -> None:
    prices = preset("cost", "orbit-2026")
    with pytest.raises(InputError, match="platform preset 'rack' has no figure 'mass'"):
        in_orbit(preset("platform", "rack"), prices)
    with pytest.raises(InputError, match="no figure 'launch-price'"):
        in_orbit(preset("platform", "ai1"), preset("cost", "ground-data-centre"))
    with pytest.raises(InputError, match="nothing is left for computing"):
        in_orbit(preset("platform", "ai1").with_own({"array-output": "5 W/m2"}), prices)
    with pytest.raises(InputError, match=r"utilisation of cost orbit-2026 is 0 1: write more than 0"):
        in_orbit(preset("platform", "ai1"), prices.with_own({"utilisation": 0}))
