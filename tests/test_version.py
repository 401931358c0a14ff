"""``orbitmesh.__version__``, and the packages that lie in other folders under the same name."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import orbitmesh
import orbitmesh.emulator

ROOT = Path(__file__).parents[1]


def test_it_is_that_of_the_project() -> None:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert orbitmesh.__version__ == orbitmesh.emulator.__version__ == wanted
    with pytest.raises(AttributeError, match="module 'orbitmesh' has no attribute 'version'"):
        _ = orbitmesh.version


@pytest.mark.parametrize("has_init", [False, True])
def test_stubs_in_another_folder_are_found_beside_ours(tmp_path: Path, has_init: bool) -> None:
    (tmp_path / "orbitmesh/other").mkdir(parents=True)
    (tmp_path / "orbitmesh/other/one.py").write_text("")
    if has_init:  # as the wheel's: whichever comes first, both are there
        (tmp_path / "orbitmesh/__init__.py").write_text((ROOT / "proto/orbitmesh/__init__.py").read_text())
    asked = (
        "import orbitmesh.other.one, orbitmesh.emulator, orbitmesh.compute.v1, orbitmesh.probe.v1.probe_pb2"
    )
    done = subprocess.run(
        [sys.executable, "-c", asked],
        capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
