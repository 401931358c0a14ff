"""A formation: as many satellites, as far apart, as its equations and an independent integration say."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from orbitmesh.emulator.epoch import Float64
from orbitmesh.emulator.orbit import Fleet
from orbitmesh.emulator.orbit.frames import gmst82_rad
from orbitmesh.emulator.orbit.gravity import GRAVITY
from orbitmesh.emulator.scenario.constellation import Constellation
from orbitmesh.emulator.scenario.formation import Formation, lattice_points

START = datetime(2026, 11, 1, tzinfo=UTC)
TURN_S = 5864.0  # at 650 km
SUNCATCHER = {"altitude": "650 km", "raan": "306 deg"}


def build(**more: str) -> Fleet:
    section = Constellation.model_validate({"shells": [{"formation": SUNCATCHER | more}]})
    return Fleet.build(section, START, Path())


def positions_km(fleet: Fleet, at_s: Float64) -> Float64:
    return fleet.states_itrs((at_s * 1e9).astype(np.int64)).position_km


def test_the_published_figures_make_the_published_81() -> None:
    points = lattice_points(Formation.model_validate(SUNCATCHER))
    assert len(points) == len(set(points)) == 81
    assert max(p * p + q * q for p, q in points) == 25
    assert len(build()) == 81
    assert len(build(spacing="200 m", radius="800 m")) == 13


def test_neighbours_stay_100_to_200_m_apart_and_all_within_a_kilometre_for_a_day() -> None:
    fleet = build()
    lattice = fleet.shells[0].lattice
    assert lattice is not None
    at_s = np.arange(0, 86_400, 301.0)
    place = positions_km(fleet, at_s)
    middle = place[[row for row, steps in enumerate(lattice.tolist()) if steps == [0, 0]]]
    assert 0.98 < np.linalg.norm(place - middle, axis=2).max() < 1.02
    step = np.abs(lattice[:, None] - lattice[None]).sum(axis=2)
    a, b = np.nonzero(np.triu(step == 1))
    apart_m = 1e3 * np.linalg.norm(place[a] - place[b], axis=2)
    assert 97 < apart_m.min() < 101
    assert 199 < apart_m.max() < 204
    # each is drawn out and drawn together again twice a turn
    turn = 1e3 * np.linalg.norm(
        np.diff(positions_km(fleet, np.linspace(0, TURN_S, 200))[[40, 41]], axis=0)[0], axis=1
    )
    rises = np.diff(np.sign(np.diff(turn)))
    assert np.count_nonzero(rises) in (3, 4)


def test_relative_orbits_are_those_of_clohessy_and_wiltshire() -> None:
    """In the frame that turns with the middle: x = -(p cos u + q sin u) d, y = 2 (p sin u - q cos u) d."""
    fleet = build()
    lattice = fleet.shells[0].lattice
    assert lattice is not None
    at_s = np.linspace(0, TURN_S, 60)
    place, moving = inertial(fleet, at_s)
    middle, speed = place[40], moving[40]
    radial = middle / np.linalg.norm(middle, axis=1, keepdims=True)
    normal = np.cross(middle, speed)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    along = np.cross(normal, radial)
    relative_m = 1e3 * (place - middle)
    x, y, z = (np.einsum("ntk,tk->nt", relative_m, axis) for axis in (radial, along, normal))
    u = 2 * np.pi * at_s / TURN_S
    p, q = 100.0 * lattice.T[:, :, None]
    assert np.abs(x + (p * np.cos(u) + q * np.sin(u))).max() < 5
    assert np.abs(y - 2 * (p * np.sin(u) - q * np.cos(u))).max() < 10
    assert np.abs(z).max() < 2


@pytest.mark.parametrize("slot", [0, 35, 45])
def test_an_independent_integration_keeps_them_together(slot: int) -> None:
    """Two bodies and J2 by DOP853, from SGP4's states at the start.  What SGP4 leaves out of J2's
    second order lets those at the edge drift 8 m in a turn, of 1 km."""
    fleet = build()
    at_s = np.linspace(0, TURN_S, 40)
    place, moving = inertial(fleet, at_s)
    relative = []
    for row in (slot, 40):
        start = np.concatenate([place[row, 0], moving[row, 0]])
        found = solve_ivp(_gravity, (0, TURN_S), start, "DOP853", at_s, rtol=1e-11, atol=1e-11)
        relative.append(found.y[:3].T)
    expected_m = 1e3 * (relative[0] - relative[1])
    ours_m = 1e3 * (place[slot] - place[40])
    assert np.linalg.norm(expected_m - ours_m, axis=1).max() < 10
    assert np.linalg.norm(expected_m, axis=1).max() < 1_010


def _gravity(_: float, state: Float64) -> Float64:
    g = GRAVITY["WGS72"]
    r = state[:3]
    d = float(np.linalg.norm(r))
    z2 = 5 * (r[2] / d) ** 2
    bulge = 1.5 * g.j2 * (g.radius_km / d) ** 2 * np.array([1 - z2, 1 - z2, 3 - z2])
    return np.concatenate([state[3:], -g.gm_km3_per_s2 / d**3 * r * (1 + bulge)])


def inertial(fleet: Fleet, at_s: Float64) -> tuple[Float64, Float64]:
    """Positions, and velocities by differences over 2 s; the Earth's turn taken out."""

    def turned(instants_s: Float64) -> Float64:
        sim_ns = (instants_s * 1e9).astype(np.int64)
        place = positions_km(fleet, instants_s)
        angle = gmst82_rad(fleet.start_unix_ns + sim_ns, 0.0)
        c, s = np.cos(angle), np.sin(angle)
        return np.stack(
            [c * place[..., 0] - s * place[..., 1], s * place[..., 0] + c * place[..., 1], place[..., 2]], -1
        )

    return turned(at_s), (turned(at_s + 1) - turned(at_s - 1)) / 2
