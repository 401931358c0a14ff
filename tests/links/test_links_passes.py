"""When a satellite sets: closed forms on circles, and SGP4 itself by a fine search."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from orbitmesh.emulator.constants import EARTH_RADIUS_KM
from orbitmesh.emulator.epoch import NS_PER_S
from orbitmesh.emulator.links.passes import HORIZON_NS, remaining_ns, states_of
from orbitmesh.emulator.links.visibility import Stations
from orbitmesh.emulator.orbit import Fleet, States, station_positions_itrs_km, station_zeniths_itrs
from orbitmesh.emulator.scenario import Scenario

GM_KM3_PER_S2 = 398_600.5


def one_station(mask_deg: float = 0.0, max_slant_range_km: float = math.inf) -> Stations:
    return Stations(
        ("here",),
        np.array([[EARTH_RADIUS_KM, 0.0, 0.0]]),
        np.array([[1.0, 0.0, 0.0]]),
        np.sin(np.radians([mask_deg])),
        np.array([max_slant_range_km]),
        (1,),
    )


def circle(altitude_km: float, gone_after_s: float = math.inf) -> Callable[[np.ndarray, np.ndarray], States]:
    """Satellite i, on a circle over the equator of an Earth at rest, starts i/10 rad past the station."""
    radius_km = EARTH_RADIUS_KM + altitude_km
    motion = math.sqrt(GM_KM3_PER_S2 / radius_km**3)

    def propagate(satellites: np.ndarray, sim_ns: np.ndarray) -> States:
        t_s = sim_ns[None, :] / NS_PER_S
        angle = 0.1 * satellites[:, None] + motion * t_s
        zero = np.zeros_like(angle)
        place = radius_km * np.stack([np.cos(angle), np.sin(angle), zero], axis=-1)
        velocity = radius_km * motion * np.stack([-np.sin(angle), np.cos(angle), zero], axis=-1)
        gone = np.broadcast_to(t_s > gone_after_s, angle.shape)
        place[gone] = velocity[gone] = np.nan
        return States(place, velocity, gone.astype(np.uint8))

    return propagate


def angle_at_mask(altitude_km: float, mask_deg: float) -> float:
    """Angle at the Earth's centre between the station and a satellite at the mask."""
    mask = math.radians(mask_deg)
    return math.acos(EARTH_RADIUS_KM * math.cos(mask) / (EARTH_RADIUS_KM + altitude_km)) - mask


@pytest.mark.parametrize("altitude_km", [550.0, 1200.0, 8000.0])
@pytest.mark.parametrize("mask_deg", [0.0, 5.0, 25.0])
def test_the_time_to_the_mask_on_a_circle(altitude_km: float, mask_deg: float) -> None:
    motion = math.sqrt(GM_KM3_PER_S2 / (EARTH_RADIUS_KM + altitude_km) ** 3)
    expected_s = [(angle_at_mask(altitude_km, mask_deg) - 0.1 * i) / motion for i in (0, 1)]
    rows, satellites = np.array([0, 0]), np.array([0, 1])
    found = remaining_ns(one_station(mask_deg), rows, satellites, 0, circle(altitude_km))
    np.testing.assert_allclose(found / NS_PER_S, expected_s, atol=1e-4)


def test_the_time_to_a_slant_range_on_a_circle() -> None:
    radius_km = EARTH_RADIUS_KM + 550
    cosine = (radius_km**2 + EARTH_RADIUS_KM**2 - 1000.0**2) / (2 * radius_km * EARTH_RADIUS_KM)
    expected_s = math.acos(cosine) / math.sqrt(GM_KM3_PER_S2 / radius_km**3)
    found = remaining_ns(one_station(5.0, 1000.0), np.array([0]), np.array([0]), 0, circle(550.0))
    assert found[0] / NS_PER_S == pytest.approx(expected_s, abs=1e-4)


def test_what_stands_still_stays_as_long_as_anybody_looks() -> None:
    hover = States(np.array([42_164.0, 0, 0]), np.zeros(3), np.zeros(()))

    def propagate(satellites: np.ndarray, sim_ns: np.ndarray) -> States:
        shape = (len(satellites), len(sim_ns), 3)
        return States(
            np.broadcast_to(hover.position_km, shape), np.zeros(shape), np.zeros(shape[:2], np.uint8)
        )

    assert remaining_ns(one_station(), np.array([0]), np.array([0]), 0, propagate)[0] == HORIZON_NS


def test_what_decays_is_there_no_longer() -> None:
    found = remaining_ns(one_station(), np.array([0]), np.array([0]), 0, circle(8000.0, gone_after_s=100))
    assert 60 <= found[0] / NS_PER_S <= 100


def test_against_a_search_in_milliseconds_with_sgp4() -> None:
    scenario = Scenario.load("demo")
    fleet = Fleet.build(scenario.constellation, scenario.run.start_utc, scenario.base)
    ground = scenario.ground
    stations = Stations.of(
        ground,
        station_positions_itrs_km(ground.stations, ground.ellipsoid),
        station_zeniths_itrs(ground.stations),
    )
    now_ns = 1234 * NS_PER_S
    look = stations.look(fleet.states_itrs(np.array([now_ns])).position_km[:, 0])
    rows, satellites = np.nonzero(look.visible)
    assert len(rows) >= 8
    found = remaining_ns(stations, rows, satellites, now_ns, lambda who, when: states_of(fleet, who, when))
    for row, satellite, stays_ns in zip(rows, satellites, found, strict=True):
        around_ns = now_ns + int(stays_ns) + np.array([-1_000_000, 1_000_000])
        place = states_of(fleet, np.array([satellite]), around_ns).position_km[0]
        assert [bool(stations.look(p[None]).visible[row, 0]) for p in place] == [True, False]
        # and it had not set before
        between_ns = np.linspace(now_ns, around_ns[0], 50).astype(np.int64)
        place = states_of(fleet, np.array([satellite]), between_ns).position_km
        assert (stations.margin(np.array([row]), place) >= 0).all()


def test_states_of_some_are_those_of_all() -> None:
    scenario = Scenario.load("demo")
    fleet = Fleet.build(scenario.constellation, scenario.run.start_utc, scenario.base)
    when = np.array([0, 10**12])
    some, every = states_of(fleet, np.array([3, 60]), when), fleet.states_itrs(when)
    np.testing.assert_array_equal(some.position_km, every.position_km[[3, 60]])
    np.testing.assert_array_equal(some.velocity_km_per_s, every.velocity_km_per_s[[3, 60]])
