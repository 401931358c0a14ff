"""What nodes are told of who serves whom, as ticks come."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from orbitmesh.emulator.run import workload
from orbitmesh.emulator.run.workload import Workload


class Orders:
    def __init__(self) -> None:
        self.told: list[tuple[Any, Any]] = []

    def assign(self, before: Any, now: Any, *more: Any, **quiet: Any) -> None:
        self.told.append((before, now))

    def serve(self, name: str, **order: Any) -> None:
        raise AssertionError("nobody serves here")


def test_a_change_while_nodes_warm_up_is_told_when_the_run_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway kept its old satellite until the next change of all."""
    monkeypatch.setattr(workload, "ring_nodes", lambda *_: [])
    nodes = SimpleNamespace(names=[], index={})
    run = SimpleNamespace(step_ns=10**9, rate_scale=1.0)
    mesh: Any = SimpleNamespace(
        scenario=SimpleNamespace(serving=None, platform=None, run=run), nodes=nodes, hosting=None,
        clock=SimpleNamespace(mono_ns=int), plane=SimpleNamespace(addresses=[]), began_sim_ns=None,
    )  # fmt: skip
    orders: Any = Orders()
    made = Workload(mesh, {}, orders, lambda draws: None, lambda caution: None)

    def tick(assignment: str) -> Any:
        told = SimpleNamespace(power_again={}, leaves={}, name=assignment)
        epoch = SimpleNamespace(platforms=None)
        made.tick(SimpleNamespace(assignment=told, epoch=epoch, t0_mono_ns=0))  # type: ignore[arg-type]
        return told

    first = tick("first")
    made.begin(0)
    tick("while they warm up")
    assert orders.told == [(None, first)]
    mesh.began_sim_ns = 0
    later = tick("later")
    last = tick("last")
    assert orders.told == [(None, first), (first, later), (later, last)]
