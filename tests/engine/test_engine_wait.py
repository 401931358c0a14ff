"""An engine at real-time priority leaves room for others, whatever there is to do."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from orbitmesh.emulator.plane.engine.process import BINARY


def test_endless_work_leaves_a_tenth_of_the_core(tmp_path: Path) -> None:
    if shutil.which("cc") is None:
        pytest.skip("needs cc")
    include = BINARY.parent / "src"
    sources = [Path(__file__).with_name("check_wait.c"), include / "wait.c"]
    flags = ["-std=c11", "-O2", "-D_GNU_SOURCE", f"-I{include}"]
    subprocess.run(["cc", *flags, "-o", tmp_path / "check", *sources], check=True)
    said = subprocess.run([tmp_path / "check"], check=True, capture_output=True, text=True).stdout
    # 2 ms in 2.2 are 91 %; the kernel would step in at 95 %
    assert float(said) < 95
