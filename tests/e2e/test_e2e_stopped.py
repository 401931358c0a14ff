"""Nodes that are stopped for a while: what they did not measure is counted, and withdraws trust."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable

import pytest
from conftest import MeshProcess

pytestmark = [pytest.mark.netns, pytest.mark.native, pytest.mark.timeout(120)]


def test_what_stopped_nodes_did_not_measure_is_told(start_mesh: Callable[..., MeshProcess]):
    mesh = start_mesh("--duration", "3 s")
    mesh.wait_for_samples()
    nodes = mesh.children()["node"]
    for pid in nodes:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(1.0)
    for pid in nodes:
        os.kill(pid, signal.SIGCONT)
    assert mesh.wait() == 0, mesh.output()
    summary = json.loads((mesh.out / "summary.json").read_text())
    measured = summary["measurements"]
    # 8 satellites by 2 gateways by 2 kinds, five times a second: of the 5 in that second one is sent late
    assert measured["not_sent"]["overslept"] > 3 * 32 / 2, measured
    assert measured["sent"] < measured["due"], measured
    assert summary["samples"]["samples"] == measured["sent"]
    assert not summary["trusted"]
    (said,) = (doubt for doubt in summary["doubts"] if "were not made" in doubt)
    assert f"{measured['not_sent']['overslept']:,} because the node's process did not run" in said
    assert "were not made" in " ".join(mesh.output().split())
