"""``orbitmesh.testing``: tests against a mesh; see the package that it stands for."""

from typing import Any

from .emulator import testing as _testing
from .emulator.testing import __all__  # noqa: F401


def __getattr__(name: str) -> Any:
    return getattr(_testing, name)
