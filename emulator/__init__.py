"""A network emulator for a laser-linked mesh of orbital compute satellites.

The door: ``Scenario`` (what is emulated), ``Emulation`` (a running mesh) and
the errors.  Everything else is a module of the package that names its subject.
``__version__`` is here too, as in ``orbitmesh`` itself.
"""

from typing import TYPE_CHECKING, Any

from .errors import OrbitmeshError

if TYPE_CHECKING:
    from .run.emulation import Emulation
    from .scenario import Scenario

__all__ = ["Emulation", "OrbitmeshError", "Scenario"]


def __getattr__(name: str) -> Any:
    # on demand: Mininet and scipy take longer to import than `orbitmesh --help` should
    if name == "Scenario":
        from .scenario import Scenario

        return Scenario
    if name == "Emulation":
        from .run.emulation import Emulation

        return Emulation
    if name == "__version__":
        from importlib.metadata import version

        return version("orbitmesh")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
