"""What nodes are told of who serves whom, as ticks come."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from orbitmesh.emulator.assignment import Assignment, Leave
from orbitmesh.emulator.course import NEVER_MONO_NS, Course
from orbitmesh.emulator.placement.view import NO_POWER, Refusal
from orbitmesh.emulator.run import workload
from orbitmesh.emulator.run.clock import RealClock
from orbitmesh.emulator.run.leave_orders import LeaveOrders
from orbitmesh.emulator.run.node_processes import NodeProcesses
from orbitmesh.emulator.run.workload import Workload

S = 10**9


class Orders:
    def __init__(self) -> None:
        self.told: list[tuple[Any, Any]] = []
        self.served: list[tuple[str, dict[str, Any]]] = []

    def assign(self, before: Any, now: Any, *more: Any, **quiet: Any) -> None:
        self.told.append((before, now))

    def serve(self, name: str, **order: Any) -> None:
        self.served.append((name, order))


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
    assert orders.served == []


def test_a_satellite_without_power_is_told_anew_when_time_stands_still_and_when_it_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It went by the instant of before the pause; and while there is none, nobody knows when it comes."""
    monkeypatch.setattr(workload, "ring_nodes", lambda *_: [0])
    nodes = SimpleNamespace(names=["sat-0-0"], index={"sat-0-0": 0})
    run = SimpleNamespace(step_ns=10**9, rate_scale=1.0)
    clock = RealClock()
    mesh: Any = SimpleNamespace(
        scenario=SimpleNamespace(serving=None, platform=None, run=run), nodes=nodes, hosting=None,
        clock=clock, plane=SimpleNamespace(addresses=[]), began_sim_ns=0,
    )  # fmt: skip
    orders: Any = Orders()
    made = Workload(mesh, {}, orders, lambda draws: None, lambda caution: None)
    assignment = Assignment({}, {}, power_again={0: 60 * S})
    platforms = SimpleNamespace(capacity_ratio=[0.0])
    clock.go(Course(0, 1_000 * S))
    made.tick(
        SimpleNamespace(assignment=assignment, epoch=SimpleNamespace(platforms=platforms), t0_mono_ns=0)
    )  # type: ignore[arg-type]
    made.begin(0)
    orders.served = []
    for course in (Course(10 * S, 1_010 * S, 0.0), Course(10 * S, 1_500 * S, 5.0)):
        clock.go(course)
        made.turned()
    told = [order["power_again_mono_ns"] for _, order in orders.served]
    assert told == [None, 1_510 * S]
    assert all((name, order["capacity_ratio"]) == ("sat-0-0", 0.0) for name, order in orders.served)


def test_where_time_stands_still_a_gateway_is_told_no_instant_at_which_to_ask_again() -> None:
    """It was told one in 146 years, and recorded so of each request that was refused."""
    sent: list[dict[str, Any]] = []
    processes = NodeProcesses.__new__(NodeProcesses)
    processes._order = sent.append  # type: ignore[method-assign]
    nodes: Any = SimpleNamespace(names=["sat-0-0", "gw-a"])
    refused = {1: {"chat": Refusal(NO_POWER, 60 * S), "code": Refusal(NO_POWER, 5 * S)}}
    now = Assignment({}, {1: None}, {1: {"chat": None, "code": None}}, refused)
    still, goes_on = Course(10 * S, 1_000 * S, 0.0), Course(10 * S, 1_000 * S)
    for course in (still, goes_on):
        processes.assign(None, now, nodes, lambda node: "", course.mono_at)
    # of what is over, it may ask at once
    assert sent[0]["retry_mono_ns"] == {"code": 1_000 * S}
    assert sent[1]["retry_mono_ns"] == {"chat": 1_050 * S, "code": 995 * S}


def test_where_time_stands_still_who_is_to_leave_does_not_and_knows_of_nobody_after_it() -> None:
    leave = Leave(1, "chat", "outlive", 20 * S, NO_POWER, 60 * S, ())
    nodes: Any = SimpleNamespace(names=["sat-0-0", "gw-a"])
    for course, until_mono_ns, again_mono_ns in (
        (Course(10 * S, 1_000 * S, 0.0), NEVER_MONO_NS, None),
        (Course(10 * S, 1_000 * S), 1_010 * S, 1_050 * S),
    ):
        row = LeaveOrders(nodes, str, 1.0, course.mono_at, lambda *_, **more: None)._row(leave)
        assert (row["until_mono_ns"], row["again_mono_ns"]) == (until_mono_ns, again_mono_ns)
