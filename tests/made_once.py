"""What takes long to make and several of pytest's workers need: made by the first, used by all."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest

#: names the folder where several runs of pytest keep what they share
PLACE = "ORBITMESH_TESTS_MADE"


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """The folder that ``make`` has filled; nobody changes what is in it."""
    folder = _place(factory) / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            half = folder.with_suffix(f".{os.getpid()}")
            half.mkdir()
            make(half)
            half.rename(folder)
    return folder


def _place(factory: pytest.TempPathFactory) -> Path:
    if place := os.environ.get(PLACE):
        return Path(place)
    base = factory.getbasetemp()
    # a worker's own folder is one of those of the whole run
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
