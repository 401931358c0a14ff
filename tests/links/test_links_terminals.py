"""Which terminal a laser is at, and that it stays there."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orbitmesh.emulator.links.pattern import plus_grid
from orbitmesh.emulator.links.terminals import AHEAD, BEHIND, LEFT, RIGHT, follow
from orbitmesh.emulator.orbit import Fleet
from orbitmesh.emulator.scenario.constellation import Constellation

N, TERMINALS = 9, 3


def chosen(seed: int) -> np.ndarray:
    """Pairs of which no satellite has more than TERMINALS."""
    rng, free, pairs = np.random.default_rng(seed), np.full(N, TERMINALS), []
    every = [(a, b) for a in range(N) for b in range(a + 1, N)]
    for a, b in rng.permutation(every)[: rng.integers(0, 30)].tolist():
        if free[a] and free[b]:
            free[[a, b]] -= 1
            pairs.append((a, b))
    return np.array(sorted(pairs), np.int32).reshape(-1, 2)


@settings(max_examples=200)
@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=5))
def test_a_laser_keeps_its_terminals_and_no_terminal_has_two(seeds: list[int]) -> None:
    before, had = np.full((N, TERMINALS), -1, np.int32), {}
    for seed in seeds:
        pairs = chosen(seed)
        at, before = follow(pairs, before)
        ends = {(a, int(t[0])) for (a, _), t in zip(pairs.tolist(), at, strict=True)}
        ends |= {(b, int(t[1])) for (_, b), t in zip(pairs.tolist(), at, strict=True)}
        assert len(ends) == 2 * len(pairs)
        now = {tuple(pair): tuple(t) for pair, t in zip(pairs.tolist(), at.tolist(), strict=True)}
        assert all(had[pair] == now[pair] for pair in had.keys() & now.keys())
        for (a, b), (one, other) in now.items():
            assert (before[a, one], before[b, other]) == (b, a)
        assert (before >= 0).sum() == 2 * len(pairs)
        had = now


def test_more_lasers_than_terminals_are_refused() -> None:
    star = np.array([[0, k] for k in range(1, TERMINALS + 2)], np.int32)
    with pytest.raises(IndexError, match="satellite 0 has more lasers than its 3 terminals"):
        follow(star, np.full((N, TERMINALS), -1, np.int32))


@pytest.mark.parametrize(
    "code", ["D:550:53:48/6/3", "S:550:86:48/6/3", "D:550:53:20/2/1", "D:550:53:3/3/0", "D:550:53:4/2/0"]
)
def test_in_a_grid_each_terminal_has_its_place(code: str) -> None:
    shells = Constellation.model_validate({"shells": [{"code": code}]})
    fleet = Fleet.build(shells, datetime(2026, 11, 1, tzinfo=UTC), Path.cwd())
    pairs, at = plus_grid(fleet.shells)
    ends = np.concatenate(
        [np.column_stack([pairs[:, 0], at[:, 0]]), np.column_stack([pairs[:, 1], at[:, 1]])]
    )
    assert len(np.unique(ends, axis=0)) == len(ends)
    n_planes, n_slots = fleet.shells[0].n_planes, fleet.shells[0].n_slots
    for (a, b), (one, other) in zip(pairs.tolist(), at.tolist(), strict=True):
        assert {one, other} in ({AHEAD, BEHIND}, {RIGHT, LEFT})
        if one in (AHEAD, BEHIND):
            ahead = (fleet.slot[b] - fleet.slot[a]) * (1 if one == AHEAD else -1)
            assert ahead % n_slots == 1
        else:
            right = (fleet.plane[b] - fleet.plane[a]) * (1 if one == RIGHT else -1)
            assert right % n_planes == 1
