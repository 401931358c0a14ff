"""Tests against a mesh: ``orbitmesh.testing``, a plugin of pytest.

Installed with orbitmesh, it is there in every pytest run of the environment, and does nothing until a test
asks for one of its fixtures: ``mesh``, ``gateway``, ``satellite``, ``service``, ``fault``, ``clock``,
``measure``, ``assert_latency``, ``assert_available``, ``assert_within_physics``.
docs/how-to/test-latency-with-pytest.md shows them.  What they are made of is here for other test runners.

Nothing here imports numpy, Arrow or the mesh before a test asks for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .clock import MeshClock
    from .faults import Faults
    from .measurement import Distribution, Measurement
    from .measuring import measure
    from .services import Service, Services

__all__ = ["Distribution", "Faults", "Measurement", "MeshClock", "Service", "Services", "measure"]

_HOMES = {
    "Distribution": "measurement",
    "Faults": "faults",
    "Measurement": "measurement",
    "MeshClock": "clock",
    "Service": "services",
    "Services": "services",
    "measure": "measuring",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
