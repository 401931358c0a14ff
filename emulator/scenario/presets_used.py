"""Which presets a scenario leans on: what a record and a report name."""

from __future__ import annotations

from typing import Any

from ..presets import KINDS, Preset, preset
from .model import Content
from .platforms import platforms_of


def presets_used(scenario: Content) -> list[Preset]:
    """Terminal, platforms with the scenario's own figures, model, accelerator: as far as they are presets."""
    used = []
    lasers, serving = scenario.lasers, scenario.serving
    if lasers.pattern != "none" and isinstance(lasers.terminal, str):
        used.append(preset("terminal", lasers.terminal))
    for platform in platforms_of(scenario):
        named = preset("platform", platform.preset).with_own(platform.figures)
        if named not in used:
            used.append(named)
    if serving is not None:
        used += [preset("model", serving.model), preset("accelerator", serving.accelerator)]
    routing = scenario.routing
    used += [
        preset("routing", each) for each in (routing.reaction, routing.local_repair) if isinstance(each, str)
    ]
    if (training := scenario.training) is not None:
        used += [preset("model", training.model), preset("accelerator", training.accelerator)]
    return list({(each.family, each.name): each for each in used}.values())


def preset_facts(used: Preset) -> dict[str, Any]:
    """For a record: whose, how many figures of each kind it has, and those that are the scenario's own."""
    kinds = [figure.kind for figure in used.figures.values()]
    return {
        "family": used.family,
        "name": used.name,
        "figures": {kind: kinds.count(kind) for kind in (*KINDS, "own") if kind in kinds},
        "own": {
            name: f"{each.value:g} {each.unit}" for name, each in used.figures.items() if each.kind == "own"
        },
    }
