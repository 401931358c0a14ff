"""The conductor: each epoch at its instant, in order, late ones counted, a failure handed on."""

from __future__ import annotations

import queue
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from jumping_clock import JumpingClock

from orbitmesh.emulator.assignment import Assignment
from orbitmesh.emulator.epoch import Epoch, Links, RouteRows, Routes
from orbitmesh.emulator.interventions import Intervened
from orbitmesh.emulator.links.changes import Handover, LinkChanges
from orbitmesh.emulator.run.clock import RealClock
from orbitmesh.emulator.run.conductor import LATE_NS, Conductor
from orbitmesh.emulator.run.ticks import Ahead, Tick

STEP_NS = 1_000_000


def epoch(number: int) -> Epoch:
    none = np.empty(0, np.int32)
    links = Links(none, none, none.astype(np.uint8), *(np.empty(0),) * 2, *(np.empty(0, np.int64),) * 2)
    routes = Routes.from_next_nodes(none, np.empty((0, 1), np.int32), links, 1)
    return Epoch(number, number * STEP_NS, np.zeros((1, 3)), links, routes)


def ahead(number: int) -> Ahead:
    return Ahead(epoch(number), Assignment({}, {}), computed_ns=5)


class Plane:
    """Notes what it is told; refuses the epoch whose number is ``breaks_at``."""

    lead_ns = 0

    def __init__(self, breaks_at: int | None = None) -> None:
        self.calls: list[tuple[str, object]] = []
        self.breaks_at = breaks_at

    def prepare(self, old, new):
        self.calls.append(("prepare", (None if old is None else old.number, new.number)))
        return new

    def commit(self, change, t0_mono_ns, *, ahead_ns=0, ratio=1.0):
        if change.number == self.breaks_at:
            raise ValueError("no such device")
        self.calls.append(("commit", change.number))
        return SimpleNamespace(began_mono_ns=1, ended_mono_ns=2, total_ns=3)

    def abandon(self, change):
        self.calls.append(("abandon", change.number))

    def settle(self, now_mono_ns):
        self.calls.append(("settle", now_mono_ns))

    def more_routes(self, epoch, more):
        self.calls.append(("more", epoch.number))
        return replace(epoch, routes=epoch.routes.joined(more))


class Run:
    def __init__(self, plane: Plane, clock) -> None:
        self.epochs: queue.Queue[Ahead] = queue.Queue()
        self.ticks: list[Tick] = []
        self.failures: list[BaseException] = []
        self.ticked = threading.Semaphore(0)
        self.failed = threading.Event()
        self.conductor = Conductor(plane, clock, self.epochs, self.on_tick, self.on_failure)

    def on_tick(self, tick: Tick) -> None:
        self.ticks.append(tick)
        self.ticked.release()

    def on_failure(self, error: BaseException) -> None:
        self.failures.append(error)
        self.failed.set()


def test_epochs_are_prepared_before_and_committed_at_their_instant():
    plane, clock = Plane(), JumpingClock()
    run = Run(plane, clock)
    run.conductor.first(ahead(0))
    run.conductor.start()
    for number in (1, 2):
        run.epochs.put(ahead(number))
        clock.advance(STEP_NS - 1)
        assert not run.ticked.acquire(timeout=0.1) or number == 1
        clock.advance(1)
        assert run.ticked.acquire(timeout=5)
    run.conductor.stop()
    calls = [call for call in plane.calls if call[0] != "settle"]
    assert calls == [
        ("prepare", (None, 0)), ("commit", 0),
        ("prepare", (0, 1)), ("commit", 1),
        ("prepare", (1, 2)), ("commit", 2),
    ]  # fmt: skip
    assert [tick.t0_mono_ns - run.ticks[0].t0_mono_ns for tick in run.ticks] == [0, STEP_NS, 2 * STEP_NS]
    assert run.failures == []


def test_a_tick_past_its_instant_is_late_and_named():
    run = Run(Plane(), RealClock())
    run.conductor.first(ahead(0))
    threading.Event().wait(0.05)  # 50 ms against a step of 1 ms
    run.epochs.put(ahead(1))
    run.conductor.start()
    assert run.ticked.acquire(timeout=5)
    assert run.ticked.acquire(timeout=5)
    run.conductor.stop()
    (late,) = run.conductor.ticks.late
    assert (late.number, late.sim_ns) == (1, STEP_NS)
    assert late.late_ns >= 49_000_000


def test_a_failure_of_the_plane_ends_the_conductor_and_is_handed_on():
    run = Run(Plane(breaks_at=1), JumpingClock())
    run.conductor.first(ahead(0))
    run.epochs.put(ahead(1))
    run.conductor.start()
    run.conductor._clock.advance(STEP_NS)
    assert run.failed.wait(5)
    run.conductor.stop()
    with pytest.raises(ValueError, match="no such device"):
        raise run.failures[0]
    assert [tick.epoch.number for tick in run.ticks] == [0]


def test_more_destinations_reach_the_epoch_in_force_the_prepared_one_and_those_that_wait():
    plane, clock = Plane(), JumpingClock()
    run = Run(plane, clock)
    run.conductor.first(ahead(0))
    run.epochs.put(ahead(1))
    run.conductor.start()
    while ("prepare", (0, 1)) not in plane.calls:
        threading.Event().wait(0.001)
    for node in (3, 2):
        routes = RouteRows(np.array([node], np.int32), np.array([[0]], np.uint8))
        run.conductor.more_routes(dict.fromkeys(range(-1, 3), routes))  # -1 is over
    assert [number for what, number in plane.calls if what == "more"] == [0, 1, 0, 1]
    assert run.conductor.current.routes.destinations.tolist() == [2, 3]
    for number in (2, 3):
        run.epochs.put(ahead(number))
    for _ in range(3):
        clock.advance(STEP_NS)
    for _ in range(4):
        assert run.ticked.acquire(timeout=5)
    run.conductor.stop()
    # a tick has the epoch as it was in force; one that nobody said anything of is as it was computed
    assert [tick.epoch.routes.destinations.tolist() for tick in run.ticks] == [[], [2, 3], [2, 3], []]
    assert run.failures == []


def test_a_tick_that_never_came_is_late_too():
    plane, clock = Plane(), JumpingClock()
    run = Run(plane, clock)
    run.conductor.first(ahead(0))
    run.conductor.start()
    clock.advance(STEP_NS + LATE_NS)
    run.conductor.stop()
    run.conductor.note_overdue(STEP_NS)
    assert run.conductor.ticks.late == []  # not yet
    clock.advance(3 * STEP_NS)
    run.conductor.note_overdue(STEP_NS)
    (late,) = run.conductor.ticks.late
    assert (late.number, late.sim_ns, late.late_ns) == (1, STEP_NS, 3 * STEP_NS + LATE_NS)


def test_an_epoch_that_is_superseded_is_let_go_and_the_one_in_its_place_comes_at_its_instant():
    plane, clock = Plane(), JumpingClock()
    run = Run(plane, clock)
    let_go = []
    run.conductor.on_let_go = let_go.append
    run.conductor.first(ahead(0))
    run.conductor.start()
    assert run.ticked.acquire(timeout=5)
    run.epochs.put(ahead(1))
    run.epochs.put(ahead(2))
    while ("prepare", (0, 1)) not in plane.calls:
        time.sleep(0.001)
    run.conductor.anew(1, 2)
    sooner = ahead(3)
    run.epochs.put(replace(sooner, epoch=replace(sooner.epoch, sim_ns=STEP_NS // 2)))
    clock.advance(STEP_NS // 2)
    assert run.ticked.acquire(timeout=5)
    # one that comes too late, since the epoch in force is of a later instant
    run.epochs.put(replace(sooner, epoch=replace(sooner.epoch, number=4, sim_ns=STEP_NS // 4)))
    run.epochs.put(ahead(5))
    clock.advance(10 * STEP_NS)
    assert run.ticked.acquire(timeout=5)
    run.conductor.stop()
    assert [tick.epoch.number for tick in run.ticks] == [0, 3, 5]
    assert let_go == [1, 2, 4]
    calls = [call for call in plane.calls if call[0] != "settle"]
    assert calls[2:] == [
        ("prepare", (0, 1)), ("abandon", 1), ("prepare", (0, 3)), ("commit", 3),
        ("prepare", (3, 5)), ("commit", 5),
    ]  # fmt: skip
    assert run.failures == []


def test_a_tick_made_anew_that_was_heard_of_too_late_comes_at_once_with_what_was_passed_over() -> None:
    plane, clock = Plane(), JumpingClock()
    run = Run(plane, clock)
    run.conductor.first(ahead(0))
    run.conductor.start()
    run.epochs.put(ahead(1))
    clock.advance(STEP_NS)
    for _ in range(2):
        assert run.ticked.acquire(timeout=5)
    run.conductor.anew(1, 1)  # something failed just before it, and it has come into force without
    failed = Intervened(begun=({"intervention": 7},))
    late = replace(ahead(2), intervened=failed)
    run.epochs.put(replace(late, epoch=replace(late.epoch, sim_ns=STEP_NS - 1)))
    again = ahead(3)
    run.epochs.put(replace(again, epoch=replace(again.epoch, sim_ns=STEP_NS)))
    assert run.ticked.acquire(timeout=5)
    run.conductor.stop()
    assert [tick.epoch.number for tick in run.ticks] == [0, 1, 3]
    assert [tick.intervened.begun for tick in run.ticks] == [(), (), failed.begun]
    assert run.failures == []


def test_links_changed_since_the_epoch_in_force_whichever_was_made_between() -> None:
    """With one that is passed over go no handovers, and none is told twice."""
    plane, clock = Plane(), JumpingClock()
    run = Run(plane, clock)
    gateway = 9

    def on(satellite: int, number: int, sim_ns: int, left: int | None, cause: str | None = None) -> Ahead:
        links = Links(
            np.array([satellite], np.int32), np.array([gateway], np.int32), np.ones(1, np.uint8),
            *(np.ones(1),) * 2, *(np.ones(1, np.int64),) * 2,
        )  # fmt: skip
        went = () if left is None else (Handover(gateway, (left,), (satellite,), cause),)
        made = ahead(number)
        return replace(
            made,
            epoch=replace(made.epoch, sim_ns=sim_ns, links=links),
            changes=LinkChanges(handovers=went, n_handovers=len(went)),
        )

    run.conductor.first(on(0, 0, 0, None))
    run.conductor.start()
    run.epochs.put(on(1, 1, STEP_NS, 0, "set"))
    clock.advance(STEP_NS)
    for _ in range(2):
        assert run.ticked.acquire(timeout=5)
    run.conductor.anew(1, 1)
    run.epochs.put(on(2, 2, STEP_NS - 1, 0, "failed"))  # of before the tick in force: passed over
    run.epochs.put(on(2, 3, STEP_NS, None))
    run.epochs.put(on(3, 4, 2 * STEP_NS, 2, "chosen"))
    clock.advance(STEP_NS)
    for _ in range(2):
        assert run.ticked.acquire(timeout=5)
    run.conductor.stop()
    assert run.failures == []
    assert [tick.epoch.number for tick in run.ticks] == [0, 1, 3, 4]
    assert [tick.changes.handovers for tick in run.ticks[1:]] == [
        (Handover(gateway, (0,), (1,), "set"),),
        (Handover(gateway, (1,), (2,), "failed"),),
        (Handover(gateway, (2,), (3,), "chosen"),),
    ]


def test_what_was_told_with_an_overtaken_epoch_is_told_once() -> None:
    plane, clock = Plane(), JumpingClock()
    run = Run(plane, clock)
    failed, ended = Intervened(begun=({"intervention": 7},)), Intervened(ended=({"intervention": 7},))
    run.conductor.first(replace(ahead(0), intervened=failed))
    run.conductor.start()
    run.epochs.put(ahead(1))
    clock.advance(STEP_NS)
    for _ in range(2):
        assert run.ticked.acquire(timeout=5)
    run.conductor.anew(1, 1)
    late = replace(ahead(2), intervened=failed)  # of before the tick in force: passed over
    run.epochs.put(replace(late, epoch=replace(late.epoch, sim_ns=STEP_NS - 1)))
    run.epochs.put(replace(ahead(3), intervened=failed.then(ended)))
    run.epochs.put(replace(ahead(4), intervened=ended))
    clock.advance(10 * STEP_NS)
    for _ in range(2):
        assert run.ticked.acquire(timeout=5)
    run.conductor.stop()
    assert [tick.intervened.begun for tick in run.ticks] == [failed.begun, (), (), ()]
    assert [tick.intervened.ended for tick in run.ticks] == [(), (), ended.ended, ()]
    assert run.failures == []
