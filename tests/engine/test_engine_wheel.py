"""The engine's wheel gives back its events in order, however many share a slot or an instant."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from orbitmesh.emulator.plane.engine.process import BINARY


def test_events_come_by_instant_then_by_order_of_adding(tmp_path: Path) -> None:
    if shutil.which("cc") is None:
        pytest.skip("needs cc")
    include = BINARY.parent / "src"
    sources = [Path(__file__).with_name("check_wheel.c"), include / "wheel.c"]
    flags = ["-std=c11", "-O2", "-Wall", "-Werror", "-D_GNU_SOURCE", f"-I{include}"]
    subprocess.run(["cc", *flags, "-o", tmp_path / "check", *sources], check=True)
    said = subprocess.run([tmp_path / "check"], check=True, capture_output=True, text=True, timeout=60).stdout
    taken, wrong, is_empty = (int(word) for word in said.split())
    assert taken > 10_000
    assert wrong == 0
    assert is_empty
