"""A recorder that stands still does not hold up the mesh, and what it missed is told."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from e2e_lab import toy, until

from orbitmesh.emulator import Emulation
from orbitmesh.emulator.feed.feed import Feed

pytestmark = [pytest.mark.netns, pytest.mark.beside, pytest.mark.native, pytest.mark.timeout(90)]


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


def test_what_is_failed_while_the_recorder_stands_still_is_in_force_at_once_and_recorded_later(
    tmp_path: Path,
) -> None:
    with Emulation(toy(), duration_ns=60 * 10**9, out=tmp_path / "run") as mesh:
        names, epoch = mesh.nodes.names, mesh.epoch
        assert epoch is not None
        links = [f"{names[epoch.links.a[row]]}:{names[epoch.links.b[row]]}" for row in range(0, 40, 4)]
        recorder = next(child.pid for child in mesh._supervision.children if child.name == "recorder")
        os.kill(recorder, signal.SIGSTOP)
        try:
            took_ns = [mesh.fail(link)["in_force_ns"] for link in links]
            in_force = [each["what"] for each in mesh._intervening.listed()]
            mesh.restore()
        finally:
            os.kill(recorder, signal.SIGCONT)
    assert max(took_ns) < 5 * 10**9
    assert in_force == links
    assert mesh.summary["ended"] == "completed"
    lines = [json.loads(line) for line in (tmp_path / "run/events.jsonl").read_text().splitlines()]
    for event in ("intervention", "intervention ended"):
        assert [line["what"] for line in lines if line["event"] == event] == links
    assert mesh.summary["interventions"]["count"] == len(links)
