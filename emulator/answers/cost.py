"""What a joule of accelerators, and with it a token or a request, costs in orbit and on the ground.  Pure.

Every figure is an assumption with a range, so every cost is one too, with what each assumption alone makes
of it.  A cost is that of the accelerators' energy: who pays for a satellite pays for the joules that its
accelerators draw while they compute.

Left out: gateways and the network, land, taxes, insurance, margins, spare satellites; docs/cost.md has more.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from ..errors import InputError
from ..presets import Figure, Preset
from ..presets.units import base_of

YEAR_S = 365.25 * 86_400.0
Values = Mapping[str, float]  # of assumptions by name, in base units (W, $/W, 1/s, …)


@dataclass(frozen=True)
class Assumption:
    of: str  # whose figure it is: "platform ai1"
    figure: Figure

    def in_base(self, value: float) -> float:
        return value * base_of(self.figure.unit)[1]


Assumptions = Mapping[str, Assumption]


@dataclass(frozen=True)
class Effect:
    """The cost with one assumption at the ends of its range and all others at their values."""

    name: str
    at_low: float
    at_high: float

    @property
    def ratio(self) -> float:
        """The dearer over the cheaper."""
        cheap, dear = sorted((self.at_low, self.at_high))
        return dear / cheap if cheap > 0 else math.inf


@dataclass(frozen=True)
class Estimate:
    """``low`` to ``high``: as if the assumptions erred independently of each other (root of the sum of
    squares of their logarithms); ``least`` and ``most``: all at their cheapest or dearest ends at once.
    The dearer ends are infinite where an assumption leaves nothing to compute with.  ``effects``: the
    greatest first."""

    value: float
    low: float
    high: float
    least: float
    most: float
    effects: tuple[Effect, ...]

    def times(self, factor: float) -> Estimate:
        effects = tuple(Effect(e.name, e.at_low * factor, e.at_high * factor) for e in self.effects)
        return Estimate(
            self.value * factor,
            self.low * factor,
            self.high * factor,
            self.least * factor,
            self.most * factor,
            effects,
        )


def estimate(assumptions: Assumptions, cost: Callable[[Values], float]) -> Estimate:
    """Of a cost that each assumption moves in one direction over its range."""
    at = {name: each.in_base(each.figure.value) for name, each in assumptions.items()}
    value = cost(at)
    effects, cheapest, dearest = [], dict(at), dict(at)
    down = up = 0.0
    for name, each in assumptions.items():
        low, high = each.in_base(each.figure.low), each.in_base(each.figure.high)
        effect = Effect(name, cost({**at, name: low}), cost({**at, name: high}))
        effects.append(effect)
        low_is_cheap = effect.at_low <= effect.at_high
        cheapest[name], dearest[name] = (low, high) if low_is_cheap else (high, low)
        down += math.log(value / min(effect.at_low, effect.at_high, value)) ** 2
        up += math.log(max(effect.at_low, effect.at_high, value) / value) ** 2
    effects.sort(key=lambda effect: (-effect.ratio, effect.name))
    return Estimate(
        value,
        value * math.exp(-math.sqrt(down)),
        value * math.exp(math.sqrt(up)),
        cost(cheapest),
        cost(dearest),
        tuple(effects),
    )


@dataclass(frozen=True)
class Place:
    """Somewhere accelerators are paid for: ``parts`` is $ for each joule that they draw, by what it pays."""

    title: str
    assumptions: Assumptions
    parts: Callable[[Values], dict[str, float]]

    def dollars_per_j(self, values: Values) -> float:
        return math.fsum(self.parts(values).values())


@dataclass(frozen=True)
class Work:
    """What is paid for: the accelerators' joules for one of it."""

    assumptions: Assumptions
    joules: Callable[[Values], float]


_OF_A_SATELLITE = (
    "average-power", "bus-power", "array-area", "array-output", "array-aging", "radiator-area", "mass",
)  # fmt: skip
_OF_ORBIT = (
    "launch-price", "build-price", "array-price", "radiator-price", "accelerator-price", "life",
    "replacement", "operation", "capital-cost", "sunlit-share", "system-power", "utilisation",
)  # fmt: skip
_OF_A_RACK = ("average-power", "idle-power")
_OF_THE_GROUND = (
    "electricity-price", "power-usage-effectiveness", "site-price", "accelerator-price", "site-life", "life",
    "operation", "capital-cost", "system-power", "utilisation",
)  # fmt: skip


def in_orbit(platform: Preset, prices: Preset) -> Place:
    """InputError where a figure is lacking, or the satellite has no power for computing."""
    place = Place(
        f"{platform.name} at the prices of {prices.name}",
        _assumptions((platform, _OF_A_SATELLITE), (prices, _OF_ORBIT)),
        orbit_parts,
    )
    return _checked(place)


def on_the_ground(platform: Preset, prices: Preset) -> Place:
    place = Place(
        f"{platform.name} in {prices.name}",
        _assumptions((platform, _OF_A_RACK), (prices, _OF_THE_GROUND)),
        ground_parts,
    )
    return _checked(place)


def orbit_parts(v: Values) -> dict[str, float]:
    bought = {
        "launch": v["launch-price"] * v["mass"],
        "satellite": v["build-price"] * v["mass"],
        "array": v["array-price"] * v["array-area"] * v["array-output"],
        "radiator": v["radiator-price"] * v["radiator-area"],
        "accelerators": v["accelerator-price"] * v["average-power"],
    }
    each_s = annuity_per_s(v["capital-cost"], v["life"])
    paid = {name: dollars * each_s for name, dollars in bought.items()}
    all_of_it = math.fsum(bought.values())
    paid["replacement"] = all_of_it * v["replacement"]  # this share is built and launched anew
    paid["operation"] = all_of_it * v["operation"]
    array_w = v["array-area"] * v["array-output"] * v["sunlit-share"]
    power_w = mean_power_w(
        v["average-power"], array_w - v["bus-power"], array_w * v["array-aging"], v["life"]
    )
    return _per_j(paid, power_w, v)


def ground_parts(v: Values) -> dict[str, float]:
    power_w = v["average-power"]
    accelerators, site = v["accelerator-price"] * power_w, v["site-price"] * power_w
    drawn_w = v["idle-power"] + (power_w - v["idle-power"]) * v["utilisation"]
    paid = {
        "accelerators": accelerators * annuity_per_s(v["capital-cost"], v["life"]),
        "site": site * annuity_per_s(v["capital-cost"], v["site-life"]),
        "electricity": drawn_w * v["power-usage-effectiveness"] * v["electricity-price"],
        "operation": (accelerators + site) * v["operation"],
    }
    return _per_j(paid, power_w, v)


def annuity_per_s(interest_per_s: float, life_s: float) -> float:
    """What one dollar costs each second over its life: the capital recovery factor, with yearly interest."""
    interest, years = interest_per_s * YEAR_S, life_s / YEAR_S
    yearly = interest / -math.expm1(-years * math.log1p(interest)) if interest > 0 else 1 / years
    return yearly / YEAR_S


def mean_power_w(most_w: float, first_w: float, loss_w_per_s: float, life_s: float) -> float:
    """Mean over a life of the least of ``most_w`` and what falls from ``first_w`` in a line, at least 0."""
    if loss_w_per_s <= 0:
        return max(0.0, min(most_w, first_w))
    until_s = min(max((first_w - most_w) / loss_w_per_s, 0.0), life_s)  # so long there is enough
    end_s = max(min(first_w / loss_w_per_s, life_s), until_s)
    falling_j = first_w * (end_s - until_s) - loss_w_per_s / 2 * (end_s**2 - until_s**2)
    return max(0.0, (most_w * until_s + falling_j) / life_s)


def tokens(accelerator: Preset, accelerators: int, rate: Figure) -> Work:
    """A token of a group of accelerators that makes so many tokens a second all together."""
    return Work(
        {
            "power": Assumption(f"accelerator {accelerator.name}", accelerator.figure("power")),
            "token-rate": Assumption("the serving model", rate),
        },
        lambda v: accelerators * v["power"] / v["token-rate"],
    )


def measured(joules: Figure) -> Work:
    """What was counted in a run."""
    return Work({"energy": Assumption("the run", joules)}, lambda v: v["energy"])


#: of what the step times were held against something that others measured: docs/serving.md
HELD_MODELS = ("llama-3.1-8b", "llama-3.1-70b")
HELD_ACCELERATORS = ("h100", "h200", "b200", "rtx-pro-6000")


def token_rate(tokens_per_s: float, model: str, accelerator: str) -> Figure:
    """The serving model's, with its error."""
    error, kind, source = _error_of(model, accelerator)
    ends = tokens_per_s / (1 + error), tokens_per_s / (1 - error)
    return Figure(tokens_per_s, "token/s", source, "2026-11", kind, *ends)


def run_joules(joules: float, model: str, accelerator: str) -> Figure:
    """What accelerators drew in a run, whose steps take the serving model's times, with its error."""
    error, kind, source = _error_of(model, accelerator)
    return Figure(joules, "J", source, "2026-11", kind, joules * (1 - error), joules * (1 + error))


def _error_of(model: str, accelerator: str) -> tuple[float, Literal["calibrated", "estimated"], str]:
    """Of a step's time, as a ratio; its kind and source."""
    if model in HELD_MODELS and accelerator in HELD_ACCELERATORS:
        held = "90 % of 229 measured rows are within 14.2 % of its times (docs/serving.md)"
        return 0.142, "calibrated", f"the serving model; {held}"
    return (
        0.3,
        "estimated",
        "the serving model, extrapolated: nothing measured of this pair was at hand; 30 % either way is over "
        "twice the largest median error of a group left out of its fit (docs/serving.md)",
    )


def cost(place: Place, work: Work) -> Estimate:
    """In $ for one of it."""
    return estimate(
        {**place.assumptions, **work.assumptions},
        lambda v: place.dollars_per_j(v) * work.joules(v),
    )


def ratio(a: Place, b: Place) -> Estimate:
    """What the same work costs at one place over what it costs at another; the work itself cancels.

    What both assume alike, to the source, is one assumption; others are named with their place's figures.
    """
    both = {
        name for name, each in a.assumptions.items()
        if name in b.assumptions and each.figure == b.assumptions[name].figure
    }  # fmt: skip
    keys = {
        (i, name): name if name in both else f"{each.of}: {name}"
        for i, place in enumerate((a, b))
        for name, each in place.assumptions.items()
    }
    assumptions = {keys[i, name]: (a, b)[i].assumptions[name] for i, name in keys}

    def over(v: Values) -> float:
        one, other = ({name: v[keys[i, name]] for j, name in keys if j == i} for i in (0, 1))
        return a.dollars_per_j(one) / b.dollars_per_j(other)

    return estimate(assumptions, over)


def _assumptions(*needed: tuple[Preset, tuple[str, ...]]) -> dict[str, Assumption]:
    return {
        name: Assumption(f"{preset.family} {preset.name}", preset.figure(name))
        for preset, names in needed
        for name in names
    }


def _per_j(paid_per_s: Mapping[str, float], power_w: float, v: Values) -> dict[str, float]:
    """By the accelerators' share of the power, while they compute."""
    used_w = power_w / v["system-power"] * v["utilisation"]
    return {name: each / used_w if used_w > 0 else math.inf for name, each in paid_per_s.items()}


def _checked(place: Place) -> Place:
    """InputError for a figure that cannot be, and where nothing is left for computing."""
    for name, each in place.assumptions.items():
        if each.figure.low < 0 or (name in _ABOVE_0 and each.figure.low <= 0):
            raise InputError(
                f"{name} of {each.of} is {each.figure.low:g} {each.figure.unit}: write more than 0", key=name
            )
    at = {name: each.in_base(each.figure.value) for name, each in place.assumptions.items()}
    if not 0 < place.dollars_per_j(at) < math.inf:
        raise InputError(
            f"{place.title}: nothing is left for computing: give more array-area or array-output, "
            "or less bus-power"
        )
    return place


_ABOVE_0 = ("average-power", "life", "site-life", "system-power", "utilisation")
