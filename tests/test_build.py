"""What is compiled is put in place whole, beside what is running: by a compiler that takes its time."""

from __future__ import annotations

import mmap
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

SETUP = Path(__file__).parents[1] / "setup.py"
COMPILER = """#!/bin/sh
while [ $# -gt 0 ]; do [ "$1" = -o ] && out=$2; shift; done
[ "$out" = /dev/null ] && exit 0
printf '%s begins, ' "$WORD" >"$out"
sleep 0.3
printf '%s ends' "$WORD" >>"$out"
"""
MADE = (
    "emulator/orbitmesh-arrays.so",
    "emulator/plane/engine/orbitmesh-engine",
    "emulator/calibration/orbitmesh-traffic",
)


def begun(tree: Path, word: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "setup.py", "-q", "build_native"], cwd=tree, text=True,
        env=os.environ | {"CC": str(tree / "cc"), "WORD": word},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def test_builds_at_once_leave_one_whole_file_each_and_what_runs_keeps_its_own(tmp_path: Path) -> None:
    shutil.copy(SETUP, tmp_path)
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "orbitmesh"\nversion = "0"\n')
    (tmp_path / "cc").write_text(COMPILER)
    (tmp_path / "cc").chmod(0o755)
    for name in MADE:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("an older one that runs")
    for name in ("nodes", "wire", "proto/orbitmesh"):
        (tmp_path / name).mkdir(parents=True)
    with (tmp_path / MADE[0]).open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as running:
        builds = []
        for word in ("one", "other"):
            builds.append(begun(tmp_path, word))
            time.sleep(0.15)
        for build in builds:
            said, _ = build.communicate(timeout=60)
            assert build.returncode == 0, said
        assert bytes(running) == b"an older one that runs"
    for name in MADE:
        assert (tmp_path / name).read_text() in ("one begins, one ends", "other begins, other ends")
        left = {path.name for path in (tmp_path / name).parent.iterdir() if path.is_file()}
        assert left == {Path(name).name}
