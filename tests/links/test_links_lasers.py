"""The lasers of a scenario: limits, rates, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from orbitmesh.emulator.errors import ScenarioError
from orbitmesh.emulator.links.lasers import LaserMesh
from orbitmesh.emulator.links.visibility import clears_earth
from orbitmesh.emulator.orbit import Fleet
from orbitmesh.emulator.scenario import Scenario, loads


def mesh(code: str = "S:780:86.4:66/6/1", **lasers: Any) -> tuple[LaserMesh, Fleet, np.ndarray]:
    scenario = Scenario.model_validate(
        {
            "name": "toy",
            "constellation": {"shells": [{"code": code}]},
            "lasers": lasers,
            "run": {"start": "2026-11-01T00:00:00Z"},
        }
    )
    fleet = Fleet.build(scenario.constellation, scenario.run.start_utc, scenario.base)
    return LaserMesh(scenario, fleet), fleet, fleet.states_itrs(np.array([0])).position_km[:, 0]


def ranges_km(place: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    return np.linalg.norm(place[pairs[:, 0]] - place[pairs[:, 1]], axis=1)


def test_none_is_none() -> None:
    lasers, _, place = mesh(pattern="none")
    assert lasers.at(place).pairs.shape == (0, 2)


def test_a_range_limit_is_the_scenarios_or_the_terminals() -> None:
    own = {"power": "2 W", "aperture": "10 cm", "photons-per-bit": 40, "ceiling": "1 Tbit/s"}
    lasers, _, place = mesh()
    all_km = ranges_km(place, lasers.at(place).pairs)
    for limited in (
        {"max-range": "3900 km"},
        {"terminal": {**own, "max-range": "3900 km"}},
        {"max-range": "3900 km", "terminal": {**own, "max-range": "4000 km"}},
    ):
        some, _, _ = mesh(**limited)
        np.testing.assert_array_equal(
            ranges_km(place, some.at(place).pairs), all_km[all_km <= 3900], str(limited)
        )
    assert 0 < (all_km <= 3900).sum() < len(all_km)


def test_a_laser_that_does_not_close_is_absent() -> None:
    own = {
        "power": "2 W", "aperture": "10 cm", "photons-per-bit": 40, "ceiling": "1 Tbit/s",
        "ladder": ["200 Gbit/s"],
    }  # fmt: skip
    lasers, _, place = mesh(terminal=own)
    found = lasers.at(place)
    everything, _, _ = mesh()
    closed_to_km = 3842  # 200 Gbit/s of starlink-class: test_links_budget
    assert ranges_km(place, found.pairs).max() < closed_to_km * 1.002
    assert len(found.pairs) < len(everything.at(place).pairs)
    assert (found.rate_bps == 200 * 10**9).all()


def test_lasers_end_at_the_limb() -> None:
    # neighbours in a ring of five lie 8,100 km apart: through the Earth
    lasers, _, place = mesh("D:600:60:5/1/0")
    assert len(lasers.at(place).pairs) == 0


@pytest.mark.parametrize("pattern", ["+grid", "nearest"])
def test_cross_plane_lasers_are_off_above_a_latitude(pattern: str) -> None:
    lasers, fleet, place = mesh(pattern=pattern, **{"cross-plane-max-latitude": "60 deg"})
    free, _, _ = mesh(pattern=pattern)

    def high(pairs: np.ndarray) -> np.ndarray:
        latitude = np.degrees(np.arcsin(place[:, 2] / np.linalg.norm(place, axis=1)))
        crossing = fleet.plane[pairs[:, 0]] != fleet.plane[pairs[:, 1]]
        return np.asarray(crossing & (np.abs(latitude)[pairs] > 60).any(axis=1))

    assert high(free.at(place).pairs).any()
    assert not high(lasers.at(place).pairs).any()
    if pattern == "+grid":
        expected = free.at(place).pairs
        np.testing.assert_array_equal(lasers.at(place).pairs, expected[~high(expected)])


def test_nearest_is_mutual_in_sight_and_within_the_terminals() -> None:
    lasers, fleet, place = mesh("D:550:53:240/12/5", pattern="nearest", terminals=3)
    pairs = lasers.at(place).pairs
    assert np.bincount(pairs.ravel(), minlength=len(fleet)).max() <= 3
    assert clears_earth(place[pairs[:, 0]], place[pairs[:, 1]], 80.0).all()
    assert len(pairs) > len(fleet)  # most terminals are in use


def test_too_few_terminals_for_a_grid() -> None:
    text = """name = "toy"
[constellation]
shells = [{ code = "D:550:53:24/4/1" }]
[lasers]
terminals = 3
[run]
start = 2026-11-01T00:00:00Z
"""
    scenario = loads(text)
    fleet = Fleet.build(scenario.constellation, scenario.run.start_utc, scenario.base)
    with pytest.raises(ScenarioError, match=r"\+grid needs 4 laser terminals.*it has 3") as caught:
        LaserMesh(scenario, fleet)
    assert (caught.value.line, caught.value.key) == (5, "lasers.terminals")


def test_two_terminals_do_for_a_ring() -> None:
    lasers, _, place = mesh("D:550:53:24/1/0", terminals=2)
    assert len(lasers.at(place).pairs) == 24
