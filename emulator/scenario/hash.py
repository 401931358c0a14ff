"""What a run was of: one number for everything that shapes it."""

from __future__ import annotations

import hashlib
import json

from ..reading import ELEMENTS, read_bytes
from .scenario import Scenario


def scenario_hash(scenario: Scenario) -> str:
    """SHA-256, in hex, over the scenario as canonical JSON, element files by their contents.

    The same scenario has the same hash wherever its files lie, and however
    they write a quantity ("1 km" or "1000 m").
    """
    content = scenario.model_dump(mode="json")
    for shell in content["constellation"]["shells"]:
        for key in ("tle", "omm"):
            if shell[key] is not None:
                shell[key] = hashlib.sha256(read_bytes(scenario.base / shell[key], ELEMENTS)).hexdigest()
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
