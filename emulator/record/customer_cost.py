"""What a class's answers cost by their own joules: on the platform of the run, and on the ground.  Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orbitmesh.wire.serving import Deployment

from ..answers.cost import Estimate, Place, cost, in_orbit, measured, on_the_ground, run_joules
from ..errors import InputError
from ..presets import Figure, Preset, preset
from .shape import Each, problem

PRICES, GROUND, RACK = "orbit-2026", "ground-data-centre", "rack"  # where nobody names others
ENDS = ("least", "low", "value", "high", "most")
#: key, of what, and how many of it
UNITS = (("dollars_per_request", "request", 1.0), ("dollars_per_million_tokens", "token", 1e6))

# what is computed with
_FIGURE = dict.fromkeys(("value", "low", "high"), float) | {"unit": str}


def platform_of(run: Mapping[str, Any]) -> Preset | None:
    """The satellites' platform, with the figures that the run used; None: it had none.

    Of shells that have one of their own nothing is said.  InputError where run.json is damaged.
    """
    of = run.get("platform")
    if of is None:
        return None
    try:
        if (wrong := problem(of["figures"], Each(_FIGURE), "figures")) is not None:
            raise ValueError(wrong)
        figures = {name: Figure(**each) for name, each in of["figures"].items()}
        return Preset(str(of["preset"]), "platform", str(of["title"]), "", figures)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"its platform makes no sense: {type(error).__name__}: {error}") from None


def has_joules(row: Mapping[str, Any]) -> bool:
    joules = (row.get("joules_per_request"), row.get("joules_per_token"))
    return all(each is not None and 0 < each < float("inf") for each in joules)


def dollars(row: Mapping[str, Any], on: Deployment, place: Place) -> dict[str, dict[str, float | None]]:
    """Of a request, and of a million tokens; None: no bound."""
    return {
        name: ends(
            cost(
                place, measured(run_joules(row[f"joules_per_{of}"], on.model.name, on.accelerator.name))
            ).times(factor)
        )
        for name, of, factor in UNITS
    }


def ends(made: Estimate) -> dict[str, float | None]:
    return {end: value if (value := getattr(made, end)) != float("inf") else None for end in ENDS}


def with_costs(
    rows: Sequence[dict[str, Any]], run: Mapping[str, Any], on: Deployment
) -> list[dict[str, Any]]:
    """``cost`` in each that was answered.  InputError where run.json's platform is damaged."""
    if not any(map(has_joules, rows)):
        return list(rows)
    platform, why = platform_of(run), "the scenario has no [platform]"
    orbit = None
    if platform is not None:
        try:
            orbit = in_orbit(platform, preset("cost", PRICES))
        except InputError as error:  # a rack does not fly: it has no mass to launch
            why = error.message
    ground = on_the_ground(preset("platform", RACK), preset("cost", GROUND))
    return [
        row
        | {
            "cost": {
                "platform": None if platform is None else platform.name,
                "prices": PRICES,
                "ground_prices": GROUND,
                "orbit": None if orbit is None else dollars(row, on, orbit),
                "no_orbit": why if orbit is None else None,
                "ground": dollars(row, on, ground),
            }
        }
        if has_joules(row)
        else row
        for row in rows
    ]
