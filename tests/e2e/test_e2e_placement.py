"""A plug-in that fails in the midst of a run: a sentence and status 1, and nothing is left behind."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.netns, pytest.mark.beside]

SERVED = """
[serving]
model = "llama-3.1-8b"
accelerator = "h100"
placement = "mine"

[[customers]]
name = "chat"
rate = 4.0

[run]
"""
PLUGIN = """
import numpy as np
from orbitmesh.emulator.placement import Placement

class Mine:
    def place(self, view):
        if view.epoch.number == 3:
            raise KeyError("no such orbit")
        return Placement(np.full(view.before.shape, view.satellites[-1]))
"""


def test_a_plugin_that_raises_fails_the_run_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text(PLUGIN)
    about = tmp_path / "other-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[orbitmesh.placement]\nmine = other:Mine\n")
    pocket = (Path(__file__).parents[2] / "emulator/scenario/shipped/pocket.toml").read_text()
    (tmp_path / "mine.toml").write_text(pocket.replace("[run]\n", SERVED))
    command = Path(sys.executable).with_name("orbitmesh")
    done = subprocess.run(
        [command, "run", "mine.toml", "--duration", "20s", "--out", "out"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    said = "the placement plug-in 'mine' (other:Mine) failed at epoch 3: KeyError: 'no such orbit'; mend it"
    assert re.search(f"^orbitmesh: {re.escape(said)}", done.stderr, re.MULTILINE), done.stderr
    assert "Traceback" not in done.stderr + done.stdout
