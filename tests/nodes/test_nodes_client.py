"""The example client by a python that has no grpc: a sentence that says which to take."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

CLIENT = Path(__file__).parents[2] / "docs/examples/client.py"


def test_by_another_python_it_says_what_lacks(tmp_path: Path) -> None:
    other = tmp_path / "python"
    other.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "$@"\n')
    other.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["env", "python", str(CLIENT), "sat-3-7"], capture_output=True, text=True, env=environment, timeout=60
    )
    assert done.returncode == 1
    assert "lacks grpc: call it with the python that orbitmesh is installed in" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_command_that_it_shows_names_the_python_that_has_grpc() -> None:
    text = CLIENT.read_text()
    assert re.search(r"exec gw-london -- \.venv/bin/python docs/examples/client\.py sat-3-7", text)
