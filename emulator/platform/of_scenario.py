"""From a scenario to the platforms of its satellites.  Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from orbitmesh.wire.serving import ServingSpec

from ..orbit import Fleet
from ..presets.serving import accelerator
from ..scenario.model import Content
from ..scenario.platforms import STEADY, customers_hours, own_platform, platforms_of
from ..scenario.satellite import ShellPlatform
from ..scenario.serving import serving_spec
from .fleet import FleetPlatforms, Kind, chosen
from .load import Accelerators
from .parameters import Platform

if TYPE_CHECKING:
    from ..scenario import Scenario


def accelerators_of(spec: ServingSpec) -> Accelerators:
    """Of a satellite that serves."""
    card, n = spec.deployment.accelerator, spec.replicas * spec.deployment.tensor_parallel
    return Accelerators(n * card.idle_power_w, n * card.power_w)


def accelerators_in(scenario: Content) -> tuple[str, int, Accelerators] | None:
    """Name, number and power of those that are modelled of a satellite that serves, or else trains."""
    if scenario.serving is not None:
        spec = serving_spec(scenario.serving)
        on = spec.deployment
        return on.accelerator.name, spec.replicas * on.tensor_parallel, accelerators_of(spec)
    if (training := scenario.training) is not None:
        card, n = accelerator(training.accelerator), training.accelerators
        return card.name, n, Accelerators(n * card.idle_power_w, n * card.power_w)
    return None


def fleet_platforms(scenario: Scenario, fleet: Fleet, hosts: Sequence[int]) -> FleetPlatforms:
    """Of all satellites of a scenario that has platforms; ``hosts``: those with a process."""
    modelled = accelerators_in(scenario)
    return FleetPlatforms(
        [(section, len(shell)) for section, shell in zip(platforms_of(scenario), fleet.shells, strict=True)],
        fleet.start_unix_ns,
        fleet.dut1_s,
        customers_hours=customers_hours(scenario.customers),
        cards=None if modelled is None else modelled[2],
        hosts=() if modelled is None else hosts,
    )


def platforms_of_one(
    scenario: Scenario, fleet: Fleet, satellite: int, demand_w: float | None = None
) -> FleetPlatforms:
    """Of one satellite, as if it were alone; ``demand_w``, where given, in the place of its load."""
    section = platforms_of(scenario)[fleet.shell[satellite]]
    hours = customers_hours(scenario.customers)
    if demand_w is not None:
        section = section.model_copy(
            update={"demand_w": demand_w, "utilisation_ratio": None, "hours": STEADY}
        )
    return FleetPlatforms([(section, 1)], fleet.start_unix_ns, fleet.dut1_s, customers_hours=hours)


def described_platforms(scenario: Content) -> list[dict[str, Any]]:
    """For a record: the scenario's platform, and after it those of shells that have one of their own."""
    assert scenario.platform is not None
    own = [
        (shell.name or f"shell-{number}", own_platform(shell.platform))
        for number, shell in enumerate(scenario.constellation.shells, 1)
        if shell.platform is not None
    ]
    usual = _described(scenario, scenario.platform)
    usual["load"] |= {"by": scenario.platform.load}
    return [usual, *({"shell": name} | _described(scenario, section) for name, section in own)]


def _described(scenario: Content, section: ShellPlatform) -> dict[str, Any]:
    """The preset's figures as used; the load model, the kind of its mean, and whose its hours are."""
    kind = Kind(section, 0, 0, customers_hours(scenario.customers))
    named = kind.preset
    return {
        "preset": named.name,
        "title": named.title,
        "figures": {
            name: {
                "value": each.value, "unit": each.unit, "low": each.low, "high": each.high,
                "kind": each.kind, "date": each.date, "source": each.source,
            }
            for name, each in named.figures.items()
        },
        "load": {
            "mean_w": kind.load.mean_w,
            "mean_kind": kind.load_kind,
            "hours": kind.load_hours,
            "accelerators": _accelerators(scenario, kind.platform),
        },
    }  # fmt: skip


def _accelerators(scenario: Content, platform: Platform) -> dict[str, Any] | None:
    """Those that are modelled of a satellite, beside what its platform's computers may draw."""
    modelled = accelerators_in(scenario)
    if modelled is None:
        return None
    name, count, cards = modelled
    return {
        "name": name,
        "count": count,
        "idle_w": cards.idle_w,
        "most_w": cards.most_w,
        "share_ratio": cards.share_ratio(platform),
    }


def platform_cautions(scenario: Content) -> list[str]:
    """What to look at before one trusts its power and heat."""
    modelled = accelerators_in(scenario)
    if scenario.platform is None or modelled is None:
        return []
    cards, found = modelled[2], list[str]()
    do, fewer = ("serve", "replicas") if scenario.serving is not None else ("train", "accelerators")
    for section in platforms_of(scenario):
        platform = chosen(section)[1]
        if cards.most_w > platform.peak_w:
            found.append(
                f"the accelerators that {do} draw up to {cards.most_w / 1e3:g} kW on each satellite, the "
                f"computers of {section.preset} {platform.peak_w / 1e3:g} kW at their peak: what they would "
                f"draw beyond it is not supplied, and slows nothing: lower {fewer}, or raise peak-power"
            )
    return list(dict.fromkeys(found))
