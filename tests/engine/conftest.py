"""The library of the fabric's work on packets, for all tests of it."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

import pytest
from message_lab import LIBRARY, compile_library, load_library


@pytest.fixture(scope="session")
def lib(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    found = os.environ.get(LIBRARY)
    path = Path(found) if found else tmp_path_factory.mktemp("messages") / "messages.so"
    if not found:
        compile_library(path)
    return load_library(path)
