"""The fabric: the whole space segment inside the engine."""

from .plane import FabricPlane

__all__ = ["FabricPlane"]
