"""What takes long to make and several of pytest's workers need: made by the first, used by all."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """The folder that ``make`` has filled; nobody changes what is in it."""
    base = factory.getbasetemp()
    # a worker's own folder is one of those of the whole run
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            half = folder.with_suffix(f".{os.getpid()}")
            half.mkdir()
            make(half)
            half.rename(folder)
    return folder
