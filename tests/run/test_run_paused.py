"""A mesh whose time stands still when what it needs dies: it ends at once, and says why to who waits."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from orbitmesh.emulator import Emulation
from orbitmesh.emulator.course import Course
from orbitmesh.emulator.errors import FailureError, ProcessDied, RunEnded
from orbitmesh.emulator.run.in_hand import InHand

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))
from e2e_lab import quiet, until


@pytest.mark.parametrize("steps", [False, True])
def test_a_geometry_that_is_killed_in_a_pause_ends_the_run_and_who_steps(steps: bool, tmp_path: Path) -> None:
    """No epoch is waited for, so nobody misses it."""
    refused: list[BaseException] = []

    def step(mesh: Emulation) -> None:
        try:
            while True:  # one that is not cut by the death would go on
                mesh.step(50)
        except BaseException as error:
            refused.append(error)

    mesh = Emulation(quiet(run={"duration": "1 h"}), links="fake", out=tmp_path / "run")
    asking = threading.Thread(target=step, args=(mesh,))

    def kill_in_a_pause() -> None:
        with mesh:
            mesh.pause()
            if steps:
                asking.start()
                time.sleep(0.2)
            (geometry,) = (each for each in mesh._supervision.children if each.name == "geometry")
            os.kill(geometry.pid, signal.SIGKILL)
            until(lambda: mesh.ended, "the run ends")

    with pytest.raises(ProcessDied, match="geometry process died: signal 9"):
        kill_in_a_pause()
    if steps:
        asking.join(30)
        assert not asking.is_alive()
        assert isinstance(refused[0], RunEnded)
    summary = mesh.summary
    assert (summary["ended"], summary["clock_pauses"]) == ("failed", 1)
    assert "geometry process died" in summary["reason"]
    assert summary["clock_paused_ns"] > 0


@pytest.mark.parametrize("verb", ["pause", "resume", "step", "speed"])
def test_before_the_run_begins_its_time_is_in_nobody_s_hand(verb: str) -> None:
    """While nodes warm up ticks come already: what is asked then would be of a time that is not the run's."""
    still = SimpleNamespace(course=Course(0, 0, 0.0))
    mesh: Any = SimpleNamespace(clock=still, began_sim_ns=None, ends_sim_ns=None, _conductor=object())
    in_hand = InHand(mesh, lambda: 10**9)
    asked: dict[str, tuple[float, ...]] = {"step": (10**9,), "speed": (1.0,)}
    with pytest.raises(FailureError, match="still being built"):
        getattr(in_hand, verb)(*asked.get(verb, ()))
