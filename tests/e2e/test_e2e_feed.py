"""A recorder that stands still does not hold up the mesh, and what it missed is told."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from e2e_lab import toy, until

from orbitmesh.emulator import Emulation
from orbitmesh.emulator.feed.feed import Feed

pytestmark = [pytest.mark.netns, pytest.mark.native, pytest.mark.timeout(90)]


def test_a_stopped_recorder_holds_up_no_tick_and_what_it_missed_is_told(tmp_path: Path) -> None:
    scenario = toy(run={"step": "20 ms"})
    mesh = Emulation(scenario, duration_ns=60 * 10**9, out=tmp_path / "run")
    mesh.feed = Feed(most_entries=10)
    with mesh:
        recorder = next(child.pid for child in mesh._supervision.children if child.name == "recorder")
        os.kill(recorder, signal.SIGSTOP)
        try:
            assert mesh.epoch is not None
            first = mesh.epoch.number
            # its socket is full long before
            until(lambda: mesh.epoch is not None and mesh.epoch.number > first + 150, "ticks that go on")
        finally:
            os.kill(recorder, signal.SIGCONT)
    assert mesh.summary["ended"] == "completed"
    assert any("missed" in doubt for doubt in mesh.summary["doubts"]), mesh.summary["doubts"]
