"""The seed of a program."""

from __future__ import annotations

import pytest

from orbitmesh.emulator import Emulation, Scenario
from orbitmesh.emulator.errors import InputError


@pytest.mark.parametrize("seed", ["7", 1.0, True, -1, 2**63, [1]])
def test_what_is_no_seed_is_refused_before_anything_is_built(seed: object) -> None:
    with pytest.raises(InputError, match="write a whole number from 0 to 9223372036854775807"):
        Emulation(Scenario.load("pocket"), seed=seed, links="fake")  # type: ignore[arg-type]
