"""What a scenario is dumped as can be read again, in Python and as JSON."""

from __future__ import annotations

import pytest

from orbitmesh.emulator.scenario.hash import scenario_hash
from orbitmesh.emulator.scenario.scenario import Scenario, shipped


@pytest.mark.parametrize("name", [each.name for each in shipped()])
def test_a_dump_is_read_as_the_same_scenario(name: str) -> None:
    scenario = Scenario.load(name)
    again = Scenario.model_validate(scenario.model_dump())
    from_json = Scenario.model_validate_json(scenario.model_dump_json())
    without_defaults = Scenario.model_validate(scenario.model_dump(exclude_unset=True))
    for other in (again, from_json, without_defaults):
        assert other.model_dump() == scenario.model_dump()
        assert scenario_hash(other) == scenario_hash(scenario)
    assert again.run == scenario.run
    assert again.constellation == scenario.constellation


def test_a_dump_says_its_units() -> None:
    dumped = Scenario.load("demo").model_dump(mode="json")
    assert dumped["run"]["step"] == "1000000000 ns"
    assert dumped["ground"]["uplink"].endswith(" bit/s")
