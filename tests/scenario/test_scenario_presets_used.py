"""What a report names: the presets that a scenario leans on, and of what kinds their figures are."""

from __future__ import annotations

import pytest

from orbitmesh.emulator.presets import preset
from orbitmesh.emulator.scenario import Scenario, shipped
from orbitmesh.emulator.scenario.model import Lasers, Serving, Terminal
from orbitmesh.emulator.scenario.presets_used import preset_facts, presets_used
from orbitmesh.emulator.scenario.satellite import Platform


def names(scenario: Scenario, **sections: object) -> list[str]:
    return [each.name for each in presets_used(scenario.model_copy(update=sections))]


def test_terminal_platform_model_and_accelerator() -> None:
    demo = Scenario.load("pocket")
    serving = Serving.model_validate({"model": "llama-3.1-8b", "accelerator": "h100"})
    assert names(demo) == ["starlink-class"]
    assert names(demo, platform=Platform(), serving=serving) == [
        "starlink-class",
        "ai1",
        "llama-3.1-8b",
        "h100",
    ]
    assert names(demo, lasers=Lasers(pattern="none")) == []
    own = Terminal.model_validate(
        {"power": "1 W", "aperture": "5 cm", "photons-per-bit": 50, "ceiling": "1 Gbit/s"}
    )
    assert names(demo, lasers=Lasers(terminal=own)) == []


@pytest.mark.parametrize("name", [each.name for each in shipped()])
def test_every_shipped_scenario_says_what_it_leans_on(name: str) -> None:
    assert presets_used(Scenario.load(name))


def test_figures_of_ones_own_are_told_apart() -> None:
    said = preset_facts(preset("platform", "ai1").with_own({"peak-power": "0.13 MW"}))
    assert said["own"] == {"peak-power": "0.13 MW"}
    assert said["figures"]["own"] == 1
    assert sum(said["figures"].values()) == len(preset("platform", "ai1").figures)
