"""``orbitmesh.testing``: tests against a mesh; see the package that it stands for."""

from typing import TYPE_CHECKING, Any

from .emulator import testing as _testing

if TYPE_CHECKING:
    from .emulator.testing import (
        Distribution,
        Faults,
        Measurement,
        MeshClock,
        Service,
        Services,
        measure,
    )

__all__ = ["Distribution", "Faults", "Measurement", "MeshClock", "Service", "Services", "measure"]


def __getattr__(name: str) -> Any:  # on demand, as there
    return getattr(_testing, name)
