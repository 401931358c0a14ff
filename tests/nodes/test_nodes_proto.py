"""The .proto files: buf's standard lint and format."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROTO = Path(__file__).resolve().parents[2] / "proto"
BUF = Path(sys.executable).parent / "buf"


@pytest.mark.parametrize("arguments", [["lint"], ["format", "--diff", "--exit-code"], ["build"]])
def test_buf(arguments: list[str]) -> None:
    if not BUF.exists():
        pytest.skip("needs buf (pip install buf-bin, or the [test] extra)")
    result = subprocess.run([BUF, *arguments], cwd=PROTO, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
