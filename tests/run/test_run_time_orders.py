"""Emulated time in hand: it stands still, moves by so much through all epochs, and goes at another speed."""

from __future__ import annotations

import queue
import threading
import time
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from test_run_conductor import STEP_NS as FAKE_STEP_NS
from test_run_conductor import ahead

from orbitmesh.emulator.course import Course
from orbitmesh.emulator.errors import FailureError, InputError
from orbitmesh.emulator.feed.feed import Feed
from orbitmesh.emulator.run.clock import PacedClock, RealClock, SteppedClock
from orbitmesh.emulator.run.conductor import Conductor
from orbitmesh.emulator.run.in_hand import InHand
from orbitmesh.emulator.run.ticks import Tick, Turn
from orbitmesh.emulator.run.time_orders import Order

STEP_NS = 100_000_000


def epoch_at(number: int) -> Any:
    """Each a step after the last."""
    made = ahead(number)
    return replace(made, epoch=replace(made.epoch, sim_ns=number * STEP_NS))


class Plane:
    """Notes what is in force: number of the epoch, t0, how far ahead of the epoch, how fast."""

    def __init__(self, lead_ns: int = 0) -> None:
        self.lead_ns = lead_ns
        self.pending: Any = None
        self.commits: list[tuple[int, int, int, float]] = []

    def prepare(self, old: Any, new: Any) -> Any:
        assert self.pending is None
        self.pending = new
        return new

    def commit(self, change: Any, t0_mono_ns: int, *, ahead_ns: int = 0, ratio: float = 1.0) -> Any:
        assert change is self.pending
        self.pending = None
        self.commits.append((change.number, t0_mono_ns, ahead_ns, ratio))
        now_ns = time.monotonic_ns()
        return SimpleNamespace(began_mono_ns=now_ns, ended_mono_ns=max(now_ns, t0_mono_ns), total_ns=3)

    def abandon(self, change: Any) -> None:
        assert change is self.pending
        self.pending = None

    def settle(self, now_mono_ns: int) -> None: ...

    def more_routes(self, epoch: Any, more: Any) -> Any:
        return epoch


class Run:
    """A mesh of nothing but time."""

    def __init__(self, clock: Any, lead_ns: int = 0, n_epochs: int = 1000) -> None:
        assert FAKE_STEP_NS != STEP_NS
        self.clock, self.feed = clock, Feed()
        self.plane = Plane(lead_ns)
        self.began_sim_ns: int | None = 0
        self.ends_sim_ns: int | None = None
        self.epochs: queue.Queue[Any] = queue.Queue()
        for number in range(1, n_epochs):
            self.epochs.put(epoch_at(number))
        self.ticks: list[Tick] = []
        self.failures: list[BaseException] = []
        self._conductor = Conductor(self.plane, clock, self.epochs, self.ticks.append, self.failures.append)
        self.hand = InHand(self, lambda: STEP_NS)  # type: ignore[arg-type]
        self.turns: list[Turn] = []
        self._conductor.on_turn = lambda turn: (self.hand.turned(turn), self.turns.append(turn))[0]

    def __enter__(self) -> Run:
        self._conductor.first(epoch_at(0))
        self.hand.began()
        self._conductor.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._conductor.stop()
        assert self.failures == []


def test_time_stands_still_where_it_was_paused_and_goes_on_from_there() -> None:
    with Run(RealClock(), lead_ns=5_000_000) as run:
        time.sleep(0.15)
        paused = run.hand.pause("a test")
        assert paused["paused"] is True
        stands_ns = run.clock.sim_ns()
        assert paused["elapsed_ns"] == stands_ns
        n = len(run.ticks)
        time.sleep(0.25)
        assert run.clock.sim_ns() == stands_ns
        assert len(run.ticks) == n  # nothing came meanwhile
        # the links are of that instant, between two epochs, and stand still
        number, t0_ns, ahead_ns, ratio = run.plane.commits[-1]
        assert (number * STEP_NS + ahead_ns, ratio) == (stands_ns, 0.0)
        assert 0 <= ahead_ns < STEP_NS
        assert t0_ns == run.clock.course.mono_ns
        again = run.hand.resume()
        assert again["paused"] is False
        assert again["elapsed_ns"] == stands_ns
        number, t0_ns, ahead_ns, ratio = run.plane.commits[-1]
        assert (number * STEP_NS + ahead_ns, ratio) == (stands_ns, 1.0)
        time.sleep(0.15)
        assert run.clock.sim_ns() - stands_ns >= 100_000_000
        assert run.clock.sim_ns() == pytest.approx(
            stands_ns + time.monotonic_ns() - run.clock.course.mono_ns, abs=50_000_000
        )
    told = [entry.value["event"] for entry in run.feed.present()[0] if entry.kind == "event"]
    assert told == []  # events do not stand
    assert [turn.order.verb for turn in run.turns] == ["pause", "resume"]
    assert run.hand.pauses == 1
    assert run.hand.paused_ns >= 250_000_000
    numbers = [tick.epoch.number for tick in run.ticks]
    assert numbers == list(range(len(numbers)))  # none was lost, none came twice


def test_a_step_passes_all_epochs_between_and_ends_where_it_was_told_to() -> None:
    with Run(SteppedClock(), lead_ns=5_000_000) as run:
        assert run.clock.sim_ns() == 0
        time.sleep(0.05)
        assert [tick.epoch.number for tick in run.ticks] == [0]
        assert run.hand.step(250_000_000)["elapsed_ns"] == 250_000_000
        assert [tick.epoch.number for tick in run.ticks] == [0, 1, 2]
        assert [tick.course.sim_ns for tick in run.ticks] == [0, STEP_NS, 2 * STEP_NS]
        assert run.plane.commits[-1][0::2] == (2, 50_000_000)
        assert run.plane.commits[-1][3] == 0.0
        # to the instant of an epoch, and not beyond it
        assert run.hand.step(50_000_000)["elapsed_ns"] == 3 * STEP_NS
        assert run.ticks[-1].epoch.number == 3
        assert run.hand.step(1)["elapsed_ns"] == 3 * STEP_NS + 1
        assert run.ticks[-1].epoch.number == 3
        assert run.hand.step(100 * STEP_NS)["elapsed_ns"] == 103 * STEP_NS + 1
        assert [tick.epoch.number for tick in run.ticks] == list(range(104))
    assert run.hand.steps == 4
    assert run.hand.pauses == 0


def test_links_follow_their_slopes_as_fast_as_time_goes() -> None:
    with Run(RealClock(), lead_ns=1_000_000) as run:
        run._conductor.last_cost_ns.extend([1_000_000] * 20)
        assert run.hand.speed(4)["speed_ratio"] == 4
        since_ns, began_ns = time.monotonic_ns(), run.clock.sim_ns()
        time.sleep(0.3)
        gone_ns, took_ns = run.clock.sim_ns() - began_ns, time.monotonic_ns() - since_ns
        assert gone_ns == pytest.approx(4 * took_ns, rel=0.1)
        run.hand.pause()
        run.hand.speed(0.5)
        assert run.hand.state() == {"paused": True, "speed_ratio": 0.5}
        stands_ns = run.clock.sim_ns()
        run.hand.resume()
        assert run.clock.course == Course(stands_ns, run.clock.course.mono_ns, 0.5)
    fast = [(number, t0, more) for number, t0, more, ratio in run.plane.commits if ratio == 4.0]
    assert len(fast) >= 8
    # epochs come a quarter of a step apart, and links go four times as steep
    steps = {b[1] - a[1] for a, b in pairwise(fast[1:])}
    assert steps <= {STEP_NS // 4, STEP_NS // 4 + 1}
    assert [ratio for *_, ratio in run.plane.commits][-2:] == [0.0, 0.5]


@pytest.mark.parametrize("clock", [RealClock(), SteppedClock()], ids=lambda clock: clock.name)
def test_what_this_clock_cannot_do_is_said(clock: Any) -> None:
    with Run(clock) as run:
        for ratio in (0.09, 1001, float("nan")):
            with pytest.raises(InputError, match=r"0\.1 to 1000"):
                run.hand.speed(ratio)
        for by_ns in (0, -1, 10**20):
            with pytest.raises(InputError, match="more than 0 and at most 366 days"):
                run.hand.step(by_ns)
        if clock.name == "stepped":
            with pytest.raises(InputError, match="moves by steps alone"):
                run.hand.resume()
            with pytest.raises(InputError, match="has no speed"):
                run.hand.speed(2)
            assert run.hand.pause() == {"elapsed_ns": 0, "sim_ns": 0, "paused": True, "speed_ratio": 1.0}
        else:
            with pytest.raises(InputError, match="pause it first"):
                run.hand.step(1)
            run._conductor.last_cost_ns.extend([50_000_000] * 20)
            with pytest.raises(InputError, match=r"takes 50 ms here: up to 1\.6 times"):
                run.hand.speed(10)


def test_a_paced_clock_takes_any_speed_and_waits_for_what_comes_late() -> None:
    with Run(PacedClock()) as run:
        run._conductor.last_cost_ns.extend([50_000_000] * 20)
        assert run.hand.speed(100)["speed_ratio"] == 100


def test_who_asks_as_the_run_ends_is_told_so() -> None:
    run = Run(SteppedClock(), n_epochs=2)
    with run:
        found: list[BaseException] = []

        def ask() -> None:
            try:
                run.hand.step(10 * STEP_NS)  # more than there ever will be
            except FailureError as error:
                found.append(error)

        asking = threading.Thread(target=ask)
        asking.start()
        while run.clock.sim_ns() < STEP_NS:
            time.sleep(0.001)
    asking.join(5)
    assert [str(error) for error in found] == ["the run is ending"]
    with pytest.raises(FailureError, match="the run is ending"):
        run.hand.pause()


def test_a_speed_is_not_taken_before_it_is_known_what_a_tick_takes() -> None:
    with Run(RealClock(), n_epochs=1) as run:
        run._conductor.count_afresh()  # as a run does once it is built
        with pytest.raises(InputError, match=r"not known before one has come: ask again after 0\.1 s"):
            run.hand.speed(1000)
        assert run.hand.speed(0.5)["speed_ratio"] == 0.5
    with Run(RealClock()) as run:
        run._conductor.last_cost_ns.extend([50_000_000] * 20)
        run._conductor.count_afresh()  # what is known of ticks stays known
        with pytest.raises(InputError, match="takes 50 ms here"):
            run.hand.speed(1000)


def test_a_step_beyond_the_end_does_not_end_the_run() -> None:
    with Run(SteppedClock()) as run:
        run.ends_sim_ns = 10 * STEP_NS
        run.hand.step(4 * STEP_NS)
        with pytest.raises(
            InputError, match=r"a step of 0\.7 s goes beyond the end of the run, .* 0\.6 s away"
        ):
            run.hand.step(7 * STEP_NS)
        assert run.hand.step(6 * STEP_NS)["elapsed_ns"] == 10 * STEP_NS


def test_a_step_behind_somebody_s_resume_is_refused_and_time_never_goes_back() -> None:
    with Run(RealClock(), lead_ns=1_000_000) as run:
        run.hand.pause()
        stood_ns = run.clock.sim_ns()
        step, resume = Order("step", "one", by_ns=STEP_NS // 4), Order("resume", "another")
        with run._conductor.orders._turn:  # both were asked for while it stood, and this is their order
            run._conductor.orders._waiting.extend([resume, step])
        run._conductor._wake.set()
        assert step.done.wait(10)
        assert isinstance(step.error, InputError)
        assert "pause it first" in str(step.error)
        assert not run.clock.course.is_still
        assert run.clock.course.sim_ns == stood_ns


def test_a_pause_ends_a_step_where_it_is() -> None:
    with Run(SteppedClock(), lead_ns=1_000_000, n_epochs=4) as run:
        found: list[str] = []

        def ask() -> None:
            with pytest.raises(InputError) as caught:
                run.hand.step(10 * STEP_NS, "one")
            found.append(str(caught.value))

        asking = threading.Thread(target=ask)
        asking.start()
        while run.clock.sim_ns() < 3 * STEP_NS:
            time.sleep(0.001)  # and there it waits for an epoch that takes long to make
        paused: list[Any] = []
        pausing = threading.Thread(target=lambda: paused.append(run.hand.pause("another")), daemon=True)
        pausing.start()
        pausing.join(10)
        assert paused == [
            {"elapsed_ns": 3 * STEP_NS, "sim_ns": 3 * STEP_NS, "paused": True, "speed_ratio": 1.0}
        ]
        asking.join(10)
        assert found == ["the step ended early, at the emulated instant 0.3 s: another paused the mesh"]
        for number in range(4, 12):  # what was being made comes with the next step, and not before
            run.epochs.put(epoch_at(number))
        time.sleep(0.1)
        assert [tick.epoch.number for tick in run.ticks] == [0, 1, 2, 3]
        assert run.hand.step(2 * STEP_NS)["sim_ns"] == 5 * STEP_NS
        assert [tick.epoch.number for tick in run.ticks] == [0, 1, 2, 3, 4, 5]


def test_a_program_that_stops_waiting_for_its_step_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with Run(SteppedClock(), n_epochs=2) as run:
        order = Order("step", "a test", by_ns=10 * STEP_NS)

        def interrupted() -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(order.done, "wait", interrupted)
            with pytest.raises(KeyboardInterrupt):
                run._conductor.orders.ask(order)
        assert order.done.wait(10)
        assert run.hand.state()["paused"] is True
        with pytest.raises(InputError, match="366 days"):
            run.hand.step(0)
