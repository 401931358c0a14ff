"""What a user writes: sections, units, loading; and the scenarios that are shipped."""

from .hash import scenario_hash
from .load import ShippedScenario, load, loads, shipped
from .model import Scenario

__all__ = ["Scenario", "ShippedScenario", "load", "loads", "scenario_hash", "shipped"]
