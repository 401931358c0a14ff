"""What a user writes: sections, units, loading; and the scenarios that are shipped."""

from .hash import scenario_hash
from .scenario import Scenario, ShippedScenario, load, loads, shipped

__all__ = ["Scenario", "ShippedScenario", "load", "loads", "scenario_hash", "shipped"]
