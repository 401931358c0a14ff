"""Lasers between shells: who is joined, for how long, and by which terminal."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from orbitmesh.emulator.epoch import NS_PER_S, Epoch
from orbitmesh.emulator.errors import ScenarioError
from orbitmesh.emulator.geometry import Geometry
from orbitmesh.emulator.scenario import Scenario

THREE = ("D:540:53:200/10/3", "D:600:53:240/12/5", "S:700:86:180/10/2")


def geometry(*codes: str, **lasers: Any) -> Geometry:
    return Geometry(
        Scenario.model_validate(
            {
                "name": "toy",
                "constellation": {"shells": [{"code": code} for code in codes]},
                "lasers": {"junction-every": 4, **lasers},
                "compute": {"satellites": 3},
                "run": {"start": "2026-11-01T00:00:00Z"},
            }
        )
    )


def between(made: Geometry, epoch: Epoch) -> set[tuple[int, int]]:
    shell = made.nodes.shell
    a, b = epoch.links.a, epoch.links.b
    other = shell[a] != shell[b]
    return set(zip(a[other].tolist(), b[other].tolist(), strict=True))


def test_junctions_join_each_shell_to_the_next_one_and_have_one_such_laser() -> None:
    made = geometry(*THREE)
    pairs = np.array(sorted(between(made, made.epoch_at(0))))
    shell = made.nodes.shell
    joined = {(int(shell[a]), int(shell[b])) for a, b in pairs}
    assert joined == {(0, 1), (1, 2)}
    assert len(np.unique(pairs)) == pairs.size
    first = np.array([0, 200, 440])
    assert ((pairs - first[shell[pairs]]) % 4 == 0).all()
    # 50 junctions below, half of 60 in the middle: nearly all that can be are joined
    assert 25 <= ((shell[pairs] == [0, 1]).all(axis=1)).sum() <= 30


def test_a_laser_between_shells_is_held_for_as_long_as_it_closes() -> None:
    made = geometry(*THREE, **{"max-range": "2500 km"})
    came, old = 0, None
    for epoch in itertools.islice(made.epochs(0, 20 * NS_PER_S), 30):
        now = between(made, epoch)
        if old is not None:
            place = epoch.positions_itrs_km
            for a, b in old - now:
                assert np.linalg.norm(place[a] - place[b]) > 2500
            came += len(now - old)
        old = now
    assert came > 0


def test_it_is_at_the_terminal_behind_those_of_the_grid() -> None:
    made = geometry(*THREE)
    epoch = made.epoch_at(0)
    ports, shell = epoch.routes.ports, made.nodes.shell
    assert ports.laser_slots == 5
    for terminal in range(5):
        neighbour = ports.laser_neighbour[:, terminal]
        used = np.flatnonzero(neighbour >= 0)
        assert (shell[used] == shell[neighbour[used]]).all() == (terminal < 4)
        assert len(used) > 100
        row = ports.laser_row[used, terminal]
        np.testing.assert_array_equal(np.minimum(used, neighbour[used]), epoch.links.a[row])
        np.testing.assert_array_equal(np.maximum(used, neighbour[used]), epoch.links.b[row])


def test_with_them_all_shells_reach_each_other() -> None:
    made = geometry(*THREE)
    made.set_destinations([0, 300, 500])
    assert all(made.epoch_at(0).path(source, to) for source in (5, 250, 600) for to in (0, 300, 500))
    alone = geometry(*THREE, **{"junction-every": None})
    alone.set_destinations([0, 300, 500])
    assert alone.epoch_at(0).path(5, 300) is None


def test_one_shell_has_no_next_one() -> None:
    with pytest.raises(ScenarioError, match="there is one shell: add another, or leave junction-every out"):
        geometry(THREE[0])
