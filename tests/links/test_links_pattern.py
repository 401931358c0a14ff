"""+Grid and nearest neighbours: who points at whom."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orbitmesh.emulator.links.pattern import nearest_neighbours, plus_grid
from orbitmesh.emulator.links.terminals import RIGHT
from orbitmesh.emulator.orbit import Fleet, ShellLayout
from orbitmesh.emulator.scenario.constellation import Constellation

START = datetime(2026, 11, 1, tzinfo=UTC)


def fleet(*shells: dict[str, Any]) -> Fleet:
    return Fleet.build(Constellation.model_validate({"shells": list(shells)}), START, Path.cwd())


def planes(*sizes: int) -> dict[str, Any]:
    rows = [
        {
            "altitude": "600 km",
            "inclination": "60 deg",
            "raan": f"{360 * p / len(sizes)} deg",
            "satellites": size,
        }
        for p, size in enumerate(sizes)
    ]
    return {"planes": rows}


def grid(shells: tuple[ShellLayout, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Pairs, and which are of two planes."""
    pairs, at = plus_grid(shells)
    return pairs, at[:, 0] >= RIGHT


def named(fleet: Fleet) -> set[frozenset[str]]:
    pairs, _ = plus_grid(fleet.shells)
    return {frozenset((fleet.names[a], fleet.names[b])) for a, b in pairs}


def degrees(pairs: np.ndarray, n: int) -> np.ndarray:
    return np.bincount(pairs.ravel(), minlength=n)


def well_formed(pairs: np.ndarray) -> bool:
    rows = [tuple(pair) for pair in pairs.tolist()]
    return rows == sorted(set(rows)) and all(a < b for a, b in rows)


def test_a_delta_shell_gives_each_satellite_four_neighbours() -> None:
    shell = fleet({"code": "D:550:53:1584/72/39"})
    pairs, is_between = grid(shell.shells)
    assert well_formed(pairs)
    assert len(pairs) == 2 * 1584
    assert is_between.sum() == 1584
    assert (degrees(pairs, 1584) == 4).all()
    links = named(shell)
    assert frozenset(("sat-5-0", "sat-5-21")) in links  # round its plane
    assert frozenset(("sat-5-3", "sat-6-3")) in links
    # at the wrap the phasing factor has turned the slots by 39, which is 17 of 22
    assert frozenset(("sat-71-3", "sat-0-20")) in links
    assert frozenset(("sat-71-3", "sat-0-3")) not in links


def test_a_formation_joins_the_neighbours_of_its_lattice() -> None:
    flock = fleet({"formation": {"altitude": "650 km", "raan": "306 deg"}})
    pairs, at = plus_grid(flock.shells)
    assert well_formed(pairs)
    lattice = flock.shells[0].lattice
    assert lattice is not None
    steps = np.abs(lattice[pairs[:, 1]] - lattice[pairs[:, 0]])
    assert (steps.sum(axis=1) == 1).all()
    # rows and columns of 1, 7, 9, 9, 9, 11, 9, 9, 9, 7, 1: so many less one each
    assert len(pairs) == 2 * (81 - 11)
    assert degrees(pairs, 81).tolist().count(4) == 53  # the edge has fewer
    for end in (0, 1):  # a terminal points at one neighbour
        assert (
            len({(node, terminal) for node, terminal in zip(pairs[:, end], at[:, end], strict=True)}) == 140
        )
    across, at = plus_grid(flock.shells, diagonals=True)
    assert well_formed(across)
    assert degrees(across, 81).max() == 8
    ends = set(zip(across.ravel().tolist(), at.ravel().tolist(), strict=True))
    assert len(ends) == 2 * len(across)


def test_a_star_has_no_lasers_across_its_seam() -> None:
    star = fleet({"code": "S:780:86.4:66/6/1"})
    pairs, is_between = grid(star.shells)
    assert (~is_between).sum() == 66
    assert is_between.sum() == 5 * 11
    joined = {tuple(sorted(p)) for p in star.plane[pairs[is_between]].tolist()}
    assert joined == {(p, p + 1) for p in range(5)}


@pytest.mark.parametrize(
    ("code", "n_links", "most"),
    [
        ("D:600:60:1/1/0", 0, 0),
        ("D:600:60:2/1/0", 1, 1),
        ("D:600:60:3/1/0", 3, 2),
        ("D:600:60:2/2/0", 1, 1),
        ("D:600:60:3/3/0", 3, 2),
        ("D:600:60:4/2/0", 2 + 2, 2),  # neighbours on both sides are the same satellite: one link
        ("D:600:60:4/2/1", 2 + 4, 3),  # the wrap leads to the other slot
        ("D:600:60:6/2/0", 6 + 3, 3),
        ("D:600:60:6/2/1", 6 + 6, 4),
        ("D:600:60:6/3/0", 3 + 6, 3),
        ("S:600:87:6/2/0", 6 + 3, 3),
    ],
)
def test_small_shells_have_no_link_twice(code: str, n_links: int, most: int) -> None:
    shell = fleet({"code": code})
    pairs, is_between = grid(shell.shells)
    assert well_formed(pairs)
    assert len(pairs) == len(is_between) == n_links
    assert degrees(pairs, len(shell)).max() == most


def test_planes_of_unequal_sizes() -> None:
    shell = fleet(planes(5, 3, 5))
    pairs, is_between = grid(shell.shells)
    assert well_formed(pairs)
    assert degrees(pairs, 13).max() <= 4
    between = shell.plane[pairs[is_between]]
    # each satellite of the smaller plane has one neighbour in the larger; the two large ones are joined 1:1
    assert [int(((between == p).any(axis=1) & (between == q).any(axis=1)).sum()) for p, q in
            ((0, 1), (1, 2), (0, 2))] == [3, 3, 5]  # fmt: skip


def test_each_shell_is_a_grid_of_its_own() -> None:
    both = fleet({"code": "D:550:53:24/4/1"}, {"code": "S:780:86.4:12/3/1"})
    pairs, _ = plus_grid(both.shells)
    assert (both.shell[pairs[:, 0]] == both.shell[pairs[:, 1]]).all()
    alone, _ = plus_grid(fleet({"code": "S:780:86.4:12/3/1"}).shells)
    np.testing.assert_array_equal(pairs[both.shell[pairs[:, 0]] == 1], alone + 24)


def test_neighbours_in_a_plane_are_where_geometry_puts_them() -> None:
    n_slots, altitude_km = 22, 550
    shell = fleet({"code": f"D:{altitude_km}:53:{n_slots}/1/0"})
    pairs, _ = plus_grid(shell.shells)
    place = shell.states_itrs(np.array([0])).position_km[:, 0]
    range_km = np.linalg.norm(place[pairs[:, 0]] - place[pairs[:, 1]], axis=1)
    expected_km = 2 * (6378.135 + altitude_km) * np.sin(np.pi / n_slots)
    assert range_km.mean() == pytest.approx(expected_km, rel=1e-3)  # J2 moves each by up to 7 km
    np.testing.assert_allclose(range_km, expected_km, atol=15)


# -- nearest --------------------------------------------------------------------------------------


def everything(pairs: np.ndarray, range_km: np.ndarray) -> np.ndarray:
    return np.ones(len(pairs), bool)


def brute_force(
    place: np.ndarray, terminals: int, max_range_km: float, banned: set[tuple[int, int]]
) -> list[tuple[int, int]]:
    n = len(place)
    every = []
    for a in range(n):
        for b in range(a + 1, n):
            range_km = float(np.linalg.norm(place[a] - place[b]))
            if range_km <= max_range_km and (a, b) not in banned:
                every.append((round(range_km / 1e-6), a, b))
    free, taken = [terminals] * n, []
    for _, a, b in sorted(every):
        if free[a] and free[b]:
            free[a], free[b] = free[a] - 1, free[b] - 1
            taken.append((a, b))
    return sorted(taken)


@settings(max_examples=150)
@given(st.integers(0, 2**32 - 1), st.integers(0, 60), st.integers(1, 5), st.booleans(), st.booleans())
def test_nearest_is_the_greedy_choice_among_all_pairs(
    seed: int, n: int, terminals: int, clustered: bool, on_a_grid: bool
) -> None:
    rng = np.random.default_rng(seed)
    place = rng.normal(size=(n, 3)) * 1000
    if clustered:  # the nearest few of a satellite are then all taken
        place = place / 100 + rng.normal(size=(3, 3))[rng.integers(0, 3, n)] * 2000
    if on_a_grid:  # many equal ranges
        place = np.round(place / 500) * 500 + np.arange(n)[:, None] * 0.0
    max_range_km = float(rng.choice([300.0, 1500.0, 1e5]))
    banned = {
        (int(a), int(b)) for a, b in np.sort(rng.integers(0, max(n, 1), (2 * n, 2)), axis=1).tolist() if a < b
    }

    def joinable(pairs: np.ndarray, range_km: np.ndarray) -> np.ndarray:
        return np.array([tuple(pair) not in banned for pair in pairs.tolist()], bool)

    found = nearest_neighbours(place, terminals, max_range_km, joinable)
    assert [tuple(pair) for pair in found.tolist()] == brute_force(place, terminals, max_range_km, banned)
    assert degrees(found, n).max(initial=0) <= terminals


def test_equal_neighbours_do_not_change_places_with_the_rounding() -> None:
    turn = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    ring = 7000 * np.column_stack([np.cos(turn), np.sin(turn), np.zeros(20)])
    rng = np.random.default_rng(1)
    first = nearest_neighbours(ring, 1, 1e5, everything)
    for _ in range(20):
        moved = ring + rng.normal(size=ring.shape) * 1e-11
        np.testing.assert_array_equal(nearest_neighbours(moved, 1, 1e5, everything), first)


@pytest.mark.parametrize("n", [0, 1])
def test_nobody_to_point_at(n: int) -> None:
    assert nearest_neighbours(np.zeros((n, 3)), 4, 1e5, everything).shape == (0, 2)
