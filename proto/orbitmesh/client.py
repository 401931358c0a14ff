"""``orbitmesh.client``: a running mesh for programs; see the package that it stands for."""

from .emulator.client import *  # noqa: F403
from .emulator.client import __all__ as __all__
