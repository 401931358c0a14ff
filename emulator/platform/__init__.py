"""What a satellite can do: sunlight, power, heat, and the computing that follows.  Pure."""

from .advance import LONGEST_STEP_S, Outputs, State, advance
from .budget import holds_s
from .fleet import FleetPlatforms, chosen
from .load import Accelerators, Draws, LoadModel
from .parameters import Platform
from .surroundings import Pointing, Surroundings, at_rest, surroundings

__all__ = [
    "LONGEST_STEP_S",
    "Accelerators",
    "Draws",
    "FleetPlatforms",
    "LoadModel",
    "Outputs",
    "Platform",
    "Pointing",
    "State",
    "Surroundings",
    "advance",
    "at_rest",
    "chosen",
    "holds_s",
    "surroundings",
]
