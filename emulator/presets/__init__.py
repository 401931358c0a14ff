"""Parameters with their origin: platforms, accelerators, models, targets, terminals, costs; TOML files."""

from .figures import FAMILIES, KINDS, Figure, Preset
from .files import preset, presets, read_preset

__all__ = ["FAMILIES", "KINDS", "Figure", "Preset", "preset", "presets", "read_preset"]
