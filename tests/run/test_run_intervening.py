"""Interventions in a run under way: when who asked is told, and what, also where ticks stand still."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from orbitmesh.emulator.errors import FailureError, InputError, RunError
from orbitmesh.emulator.interventions import Change, Intervened, Intervention, Interventions, Named
from orbitmesh.emulator.run import intervening
from orbitmesh.emulator.run.clock import RealClock
from orbitmesh.emulator.run.intervening import Intervening

MS = 1_000_000


class Mesh:
    """One whose ticks come when a test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        nobody = SimpleNamespace(
            links=np.empty(0, np.int64), nodes=np.zeros(1, np.int32), antennas=np.empty(0, np.int32)
        )
        monkeypatch.setattr(intervening, "resolve", lambda *named: nobody)
        self.scenario = SimpleNamespace(
            constellation=SimpleNamespace(shells=[]), ground=SimpleNamespace(stations=[])
        )
        self.nodes, self.ended, self.step_ns = range(3), False, 5 * 10**9
        self.clock = RealClock()
        self.clock.start(0)
        self.epoch: Any = SimpleNamespace(sim_ns=0)
        self.told: list[int] = []
        self.has_been_told = threading.Event()
        self.asks = Intervening(self, Interventions(1, 1), self.tell)  # type: ignore[arg-type]
        self.asks.count_on(SimpleNamespace(turn=threading.RLock()))  # type: ignore[arg-type]

    def tell(self, more: object, lifted: object, sim_ns: int, at_once: bool) -> None:
        self.told.append(sim_ns)
        self.has_been_told.set()

    def tick(self, *begun: int, cost_ns: int = MS) -> None:
        now_ns = time.monotonic_ns()
        intervened = Intervened(tuple({"intervention": number} for number in begun))
        self.asks.ticked(
            SimpleNamespace(
                intervened=intervened,
                ended_mono_ns=now_ns,
                cost_ns=cost_ns,
                epoch=SimpleNamespace(links=SimpleNamespace(up=None, loss_ratio=None)),
            )
        )  # type: ignore[arg-type]


def test_who_fails_something_is_told_by_the_tick_that_has_it_and_not_by_an_epoch_without_its_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mesh = Mesh(monkeypatch)
    answers: list[dict[str, Any]] = []
    asking = threading.Thread(target=lambda: answers.append(mesh.asks.intervene(["sat-0-0"])))
    asking.start()
    assert mesh.has_been_told.wait(5)
    mesh.epoch = SimpleNamespace(sim_ns=mesh.told[0])  # committed, and its tick not told yet
    mesh.tick()  # one of a later instant, sent before anybody had asked
    asking.join(0.1)
    assert asking.is_alive()
    mesh.tick(0)
    asking.join(5)
    assert answers[0]["in_force_ns"] > 50 * MS


@pytest.mark.parametrize(("clock", "least_ms", "most_ms"), [("real", 19, 19), ("paced", 64, 64)])
def test_what_is_asked_for_waits_for_no_instant_beyond_the_making_of_its_epoch(
    clock: str, least_ms: int, most_ms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By what a quick one of those cost that were asked for; a paced clock would stand still afterwards."""
    mesh = Mesh(monkeypatch)
    mesh.clock.name = clock
    for number, cost_ms in enumerate((19, 90, 20)):
        asking = threading.Thread(target=mesh.asks.intervene, args=(["a laser"],), daemon=True)
        asking.start()
        assert mesh.has_been_told.wait(60)
        mesh.has_been_told.clear()
        mesh.tick(cost_ns=60 * MS)  # one that has nothing of it says nothing of what that takes
        mesh.tick(number, cost_ns=cost_ms * MS)
        asking.join(60)
    mesh.tick(cost_ns=60 * MS)
    before_ns = mesh.clock.sim_ns()
    soon_ns = mesh.asks._soon()
    between_ns = mesh.clock.sim_ns() - before_ns
    assert least_ms * MS <= soon_ns - before_ns <= most_ms * MS + between_ns


def test_while_ticks_stand_still_each_who_asks_is_told_in_time_what_came_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(intervening, "_IN_FORCE_S", 0.3)
    mesh = Mesh(monkeypatch)
    found: list[Exception] = []

    def ask() -> None:
        with pytest.raises((RunError, FailureError)) as caught:
            mesh.asks.intervene(["sat-0-0"])
        found.append(caught.value)

    began_s = time.monotonic()
    asking = [threading.Thread(target=ask) for _ in range(3)]
    for each in asking:
        each.start()
    for each in asking:
        each.join(5)
    assert time.monotonic() - began_s < 0.8  # and not one after the other
    done = [each for each in found if "is not in force after" in str(each) and isinstance(each, RunError)]
    undone = [each for each in found if "so nothing was done" in str(each)]
    assert len(done) >= 1
    assert len(done) + len(undone) == 3
    assert len(mesh.told) == len(mesh.asks._kept.all()) == len(done)


def test_in_so_large_a_mesh_that_only_steps_have_epochs_the_next_of_them_has_what_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(intervening, "_IN_FORCE_S", 0.2)
    mesh = Mesh(monkeypatch)
    mesh.nodes, mesh.step_ns = range(20_001), 400 * MS  # type: ignore[assignment]
    mesh.clock.start(30 * MS)
    answers: list[dict[str, Any]] = []
    asking = threading.Thread(target=lambda: answers.append(mesh.asks.intervene(["x"], lasts_ns=60 * MS)))
    asking.start()
    assert mesh.has_been_told.wait(5)
    # what lasts 60 ms from now on would have been over by then
    assert mesh.told == [400 * MS]
    assert [(each.at_sim_ns, each.until_sim_ns) for each in mesh.asks._kept.all()] == [(400 * MS, 460 * MS)]
    time.sleep(0.36)  # longer than it would wait for one that comes at once
    mesh.tick(0)
    asking.join(5)
    assert len(answers) == 1


def test_a_name_that_is_a_number_goes_before_the_number_of_an_intervention(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mesh = Mesh(monkeypatch)
    some = mesh.asks._kept.add(*(Intervention(what, Named(), 0) for what in ("sat-0-0", "0", "sat-0-1")))
    assert [each.number for each in some] == [0, 1, 2]
    for text, number in (("0", 1), ("sat-0-0", 0), ("2", 2)):
        found = mesh.asks._meant(text, some)
        assert [each.number for each in found] == [number]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (Change(extra_delay_ns=-1), "write 0 or more, and at most 10 s"),
        (Change(extra_delay_ns=11 * 10**9), "at most 10 s"),
        (Change(rate_bps=0), "a rate of 0 bit/s: write more than 0"),
        (Change(rate_bps=10**16), "at most 1000 Tbit/s"),
        (Change(loss_ratio=1.5), "a loss of 1.5: write a share"),
        (Change(loss_ratio=float("nan")), "a loss of nan"),
        (Change(), "nothing is to change"),
    ],
)
def test_a_program_is_refused_what_the_command_line_is(
    change: Change, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A negative delay went to the links, and ended the run there."""
    mesh = Mesh(monkeypatch)
    with pytest.raises(InputError, match=why):
        mesh.asks.intervene(["gw-a"], change=change)
    assert mesh.told == []
