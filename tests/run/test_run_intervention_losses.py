"""Whose loss it is: drops on a link belong to what broke it, or made it lose, and to nobody else."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from orbitmesh.emulator.epoch import Links
from orbitmesh.emulator.interventions import Change, Intervention, Interventions, Named
from orbitmesh.emulator.run import intervention_losses
from orbitmesh.emulator.run.intervention_losses import Cost, InterventionLosses

S = 10**9
# four nodes in a ring, and who counts drops of each link's two ways
PAIRS = np.array([(0, 1), (0, 3), (1, 2), (2, 3)], np.int32)


def links(**more: Any) -> Links:
    none = np.zeros(len(PAIRS))
    kind = np.zeros(len(PAIRS), np.uint8)
    rate = np.ones(len(PAIRS), np.int64)
    return Links(PAIRS[:, 0], PAIRS[:, 1], kind, none, none, rate, rate, **more)


class Plane:
    def __init__(self) -> None:
        self.turn = threading.RLock()
        self.counted = np.zeros((2 * len(PAIRS), 2), np.int64)

    def drop_places(self, rows: Any) -> Any:
        return np.column_stack([2 * rows, 2 * rows + 1])

    def drops(self, places: Any) -> Any:
        return self.counted[places]


class Mesh:
    def __init__(self, *asked: Intervention) -> None:
        self.kept, self.plane = Interventions(4, 4, asked), Plane()
        self.book = InterventionLosses(self.plane, self.kept)
        self.epoch: Any = SimpleNamespace(sim_ns=-1, links=links())

    def come(self, sim_ns: int, **of_links: Any) -> None:
        epoch = SimpleNamespace(sim_ns=sim_ns, links=links(**of_links))
        begun, _ = self.kept.between(self.epoch.sim_ns, sim_ns)
        ahead = SimpleNamespace(epoch=epoch, intervened=SimpleNamespace(begun=begun))
        self.book.prepare(self.epoch, ahead)  # type: ignore[arg-type]
        self.book.begin()
        self.epoch = epoch
        self.book.tick(SimpleNamespace(epoch=epoch))  # type: ignore[arg-type]


def a_link(a: int, b: int) -> Named:
    return Named(links=np.array([a << 32 | b], np.int64))


def test_what_is_dropped_on_a_broken_link_is_its_own_from_just_before_to_a_while_after(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mesh = Mesh(
        Intervention("0:1", a_link(0, 1), 1 * S, 3 * S),
        Intervention("2", Named(np.array([2], np.int32)), 2 * S),
    )
    mesh.come(0)
    mesh.plane.counted[0] = (7, 0)  # a laser's own end, before anything failed
    up = np.array([False, True, True, True])
    mesh.come(1 * S, up=up)
    mesh.plane.counted[0] += (5, 0)
    mesh.plane.counted[2] += (100, 0)  # on a link that nobody broke
    assert mesh.book.costs() == {0: Cost(failed=5)}
    mesh.come(2 * S, up=np.array([False, True, False, False]))
    mesh.plane.counted[5] += (11, 0)
    mesh.plane.counted[1] += (1, 0)
    assert mesh.book.costs() == {0: Cost(failed=6), 1: Cost(failed=11)}
    monkeypatch.setattr(intervention_losses.time, "monotonic_ns", lambda: 100 * S)
    mesh.come(3 * S, up=np.array([True, True, False, False]))
    mesh.plane.counted[0] += (2, 0)  # it was in flight when it was restored
    assert mesh.book.costs()[0] == Cost(failed=8)
    monkeypatch.setattr(intervention_losses.time, "monotonic_ns", lambda: 102 * S)
    mesh.come(4 * S, up=np.array([True, True, False, False]))
    mesh.plane.counted[0] += (50, 0)
    assert mesh.book.costs() == {0: Cost(failed=8), 1: Cost(failed=11)}


def test_with_routes_that_know_at_once_the_link_is_watched_as_it_was() -> None:
    mesh = Mesh(Intervention("1:2", a_link(1, 2), 1 * S))
    mesh.come(0)
    mesh.book.prepare(mesh.epoch, SimpleNamespace(  # type: ignore[arg-type]
        epoch=SimpleNamespace(sim_ns=S), intervened=SimpleNamespace(begun=[1])
    ))  # fmt: skip
    mesh.book.begin()
    mesh.plane.counted[4] += (3, 0)  # in flight: it is in no epoch any more
    assert mesh.book.costs() == {0: Cost(failed=3)}
    mesh.book.places_gone(np.array([4, 5]))  # they are given to others
    mesh.plane.counted[4] += (9, 0)
    assert mesh.book.costs() == {0: Cost(failed=3)}


def test_a_loss_that_was_set_is_the_last_one_s() -> None:
    mesh = Mesh(
        Intervention("0:3", a_link(0, 3), 1 * S, None, Change(loss_ratio=0.1)),
        Intervention("3", Named(np.array([3], np.int32)), 2 * S, None, Change(loss_ratio=0.2)),
    )
    nan = np.nan
    mesh.come(0)
    mesh.come(1 * S, loss_ratio=np.array([nan, 0.1, nan, nan]))
    mesh.plane.counted[2] += (0, 4)
    mesh.come(2 * S, loss_ratio=np.array([nan, 0.2, nan, 0.2]))
    mesh.plane.counted[6] += (0, 3)
    assert mesh.book.costs() == {0: Cost(lost=4), 1: Cost(lost=3)}
    # on a link that both change it is the later one's alone, from then on
    mesh.plane.counted[2] += (0, 9)
    assert mesh.book.costs() == {0: Cost(lost=4), 1: Cost(lost=12)}
    mesh.kept.lift([1], 3 * S)
    mesh.come(3 * S, loss_ratio=np.array([nan, 0.1, nan, nan]))
    mesh.plane.counted[2] += (0, 2)
    assert mesh.book.costs() == {0: Cost(lost=6), 1: Cost(lost=12)}


def test_those_that_are_over_are_not_kept_for_good_and_still_have_their_names() -> None:
    kept = Interventions(4, 4)
    for k in range(1_000):
        kept.forget_before(k * S - 10 * S)
        kept.add(Intervention(f"{k}", a_link(0, 1), k * S, k * S + S // 2))
    assert len(kept) < 120
    assert kept.numbered(3).what == "3"
    assert kept.begun_by(1_000 * S) == 1_000
    assert [each.number for each in kept.in_force(999 * S)] == [999]
    assert kept.next_change_ns(998 * S + S // 2, 0, 0) == 999 * S
