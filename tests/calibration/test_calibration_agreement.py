"""The same scenario in both planes, beside the pure computation; and that the check can fail."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orbitmesh.emulator.calibration import agreement
from orbitmesh.emulator.calibration.agreement import PLANES, Plan, look
from orbitmesh.emulator.calibration.consistency import disagreements
from orbitmesh.emulator.calibration.hops import hops_to
from orbitmesh.emulator.calibration.lab import Line
from orbitmesh.emulator.errors import RunError
from orbitmesh.emulator.plane.engine import EngineBackend
from orbitmesh.emulator.plane.fabric import banks
from orbitmesh.emulator.scenario import Scenario

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))
from e2e_lab import toy

pytestmark = [pytest.mark.netns, pytest.mark.timeout(180)]

# The delays are tens of ms, and a machine that does much else is late by some of one: what a machine's own
# calibration states is for ``orbitmesh calibrate`` to hold against it.
BOUND_NS = 2_000_000


@pytest.fixture(autouse=True)
def _shorter(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shared queue is full after 0.4 s; a calibration looks for longer."""
    monkeypatch.setattr(agreement, "_SHARING_S", 2.0)
    monkeypatch.setattr(agreement, "_WARM_UP_S", 0.7)


def _plan(scenario: Scenario) -> Plan:
    return Plan.of(scenario, n_streams=3, n_satellites=2)


def test_both_planes_and_the_pure_computation_agree() -> None:
    plan = _plan(toy())
    assert len(plan.ways) == 20
    lengths = {len(plan.epoch.path(*way)) for way in plan.ways}
    assert max(lengths) >= 6
    seen = [look(plan, plane) for plane in PLANES]
    assert [one.plane for one in seen] == ["wired", "fabric"]
    assert disagreements(seen, lambda one, hops: BOUND_NS, by="min") == []
    for one in seen:
        assert len(one.ways) == 20
        assert len(one.delays) == 3


def test_a_fabric_that_is_wrong_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Light too fast and lasers too wide: packets can tell."""
    laser_pipes, delays_ns = banks.laser_pipes, banks.delays_ns

    def wrong(*arguments: Any) -> tuple[int, int]:
        changes, pipes = laser_pipes(*arguments), arguments[-1]
        pipes["delay_ns"] = pipes["delay_ns"] * 0.99
        pipes["rate_bps"] *= np.float32(1.2)
        return changes

    monkeypatch.setattr(banks, "laser_pipes", wrong)
    monkeypatch.setattr(banks, "delays_ns", lambda ns: delays_ns(ns * 0.99))  # of ground links
    plan = _plan(toy())
    said = disagreements([look(plan, "fabric")], lambda one, hops: BOUND_NS, by="min")
    assert sum("a datagram is" in sentence and "early" in sentence for sentence in said) == 3, said
    assert any("of 20.00 Mbit/s carried 2" in sentence for sentence in said), said


@pytest.mark.beside
def test_a_way_that_is_not_the_computed_one_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = _plan(toy())
    plan.geometry.set_destinations(range(len(plan.geometry.nodes)))
    later = plan.geometry.epoch_at(600 * 10**9)
    changed = [way for way in plan.ways if later.path(*way) not in (None, plan.epoch.path(*way))]
    assert changed
    monkeypatch.setattr(agreement._Lab, "_path", lambda lab, a, b: later.path(a, b))
    with agreement._built(plan, "fabric", "auto", "adaptive") as lab:
        for way in changed:
            seen = lab.way(*way)
            assert seen.found != seen.planned


@pytest.mark.beside
def test_a_way_that_is_longer_than_allowed_is_named() -> None:
    with Line(EngineBackend(), 2) as line:
        netns_fd = line.kernel.netns_fd(0)
        assert hops_to(netns_fd, line.address(2), 5) == (line.address(1), line.address(2))
        with pytest.raises(RunError, match=f"{line.address(2)} was not reached in 1 hops"):
            hops_to(netns_fd, line.address(2), 1)
