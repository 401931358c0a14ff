"""Packages that not every installation has: how this one gets them."""

from __future__ import annotations

import shlex
import sys


def how_to_get(package: str) -> str:
    """A command for the interpreter that runs this: the ``pip`` of a shell may be another's."""
    return f"{shlex.quote(sys.executable)} -m pip install {package}"
