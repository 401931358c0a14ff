"""The example client by a python that has no grpc: a sentence that says which to take."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CLIENT = ROOT / "docs/examples/client.py"


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


SHOWN = [
    (path, command)
    for path in sorted([CLIENT, ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("vagrant/*.md")])
    for command in re.findall(
        r"^ *(?:\./mesh|orbitmesh) exec .*examples/client\.py.*$", path.read_text(), re.M
    )
]


@pytest.mark.parametrize(("path", "command"), SHOWN, ids=lambda value: str(value).rsplit("/", 1)[-1])
def test_each_command_that_is_shown_names_the_python_that_has_grpc(path: Path, command: str) -> None:
    words = command.split()
    assert words[words.index("--") + 1] == ".venv/bin/python"


def test_there_are_such_commands() -> None:
    assert {path.name for path, _ in SHOWN} == {"client.py", "README.md"}
