"""When satellites and stations see each other: closed forms on circles, and Skyfield's own passes."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from skyfield.api import EarthSatellite, load, wgs84

from orbitmesh.emulator.constants import EARTH_RADIUS_KM
from orbitmesh.emulator.epoch import NS_PER_S
from orbitmesh.emulator.links.contacts import laser_contacts, station_contacts
from orbitmesh.emulator.links.culmination import culminations
from orbitmesh.emulator.links.passes import remaining_ns, states_of
from orbitmesh.emulator.links.visibility import Stations
from orbitmesh.emulator.orbit import Fleet, States, station_positions_itrs_km, station_zeniths_itrs
from orbitmesh.emulator.scenario.constellation import Constellation
from orbitmesh.emulator.scenario.model import Ground

GM_KM3_PER_S2 = 398_600.5
START = datetime(2026, 11, 1, tzinfo=UTC)
HOUR_NS = 3600 * NS_PER_S


def motion(altitude_km: float) -> float:
    return math.sqrt(GM_KM3_PER_S2 / (EARTH_RADIUS_KM + altitude_km) ** 3)


def circles(*altitudes_km: float, begin_rad: float = 0.0) -> Callable[[np.ndarray, np.ndarray], States]:
    """Satellite i on a circle over the equator of an Earth at rest, at altitude i; all begin at one angle."""

    def propagate(satellites: np.ndarray, sim_ns: np.ndarray) -> States:
        height = np.array(altitudes_km)[satellites]
        radius = (EARTH_RADIUS_KM + height)[:, None]
        speed = np.array([motion(each) for each in altitudes_km])[satellites][:, None]
        angle = begin_rad + speed * sim_ns[None, :] / NS_PER_S
        zero = np.zeros_like(angle)
        place = radius[..., None] * np.stack([np.cos(angle), np.sin(angle), zero], axis=-1)
        going = (radius * speed)[..., None] * np.stack([-np.sin(angle), np.cos(angle), zero], axis=-1)
        return States(place, going, np.zeros(angle.shape, np.uint8))

    return propagate


def one_station(mask_deg: float) -> Stations:
    return Stations(
        ("here",), np.array([[EARTH_RADIUS_KM, 0.0, 0.0]]), np.array([[1.0, 0.0, 0.0]]),
        np.sin(np.radians([mask_deg])), np.array([np.inf]), (1,),
    )  # fmt: skip


@pytest.mark.parametrize("altitude_km", [300.0, 550.0, 1200.0])
@pytest.mark.parametrize("mask_deg", [0.0, 25.0, 85.0, 89.0])
def test_passes_over_a_circle_are_the_closed_form(altitude_km: float, mask_deg: float) -> None:
    """Also those of a few seconds, between two of the instants that are looked at."""
    mask, speed = math.radians(mask_deg), motion(altitude_km)
    half = math.acos(EARTH_RADIUS_KM * math.cos(mask) / (EARTH_RADIUS_KM + altitude_km)) - mask
    window_ns = round((0.7 + 5 * math.pi) / speed * NS_PER_S)
    found = station_contacts(
        one_station(mask_deg),
        np.array([0]),
        np.array([0]),
        circles(altitude_km, begin_rad=-0.7),
        0,
        window_ns,
    )
    middles = [(0.7 + 2 * math.pi * k) / speed for k in range(3)]
    assert len(found) == len(middles)
    begins, ends = np.array(found.of(0)).T / NS_PER_S
    np.testing.assert_allclose(begins, np.array(middles) - half / speed, atol=1e-3)
    np.testing.assert_allclose(ends, np.array(middles) + half / speed, atol=1e-3)
    assert found.begins.all()
    assert found.ends.all()


def test_two_satellites_at_two_heights_see_each_other_until_the_earth_is_between() -> None:
    """Apart by acos(R/r1) + acos(R/r2) with R the grazing radius."""
    low, high, grazing = 550.0, 1200.0, 80.0
    radius = EARTH_RADIUS_KM + grazing
    apart = math.acos(radius / (EARTH_RADIUS_KM + low)) + math.acos(radius / (EARTH_RADIUS_KM + high))
    period_s = 2 * math.pi / (motion(low) - motion(high))
    end_ns = round(2.1 * period_s * NS_PER_S)
    found = laser_contacts(
        np.array([0]), np.array([1]), circles(low, high), 0, end_ns, grazing_altitude_km=grazing
    )
    half_s = apart / (motion(low) - motion(high))
    expected = [
        (0, half_s),
        (period_s - half_s, period_s + half_s),
        (2 * period_s - half_s, end_ns / NS_PER_S),
    ]
    np.testing.assert_allclose(np.array(found.of(0)) / NS_PER_S, expected, atol=2e-3)
    assert found.begins.tolist() == [False, True, True]
    assert found.ends.tolist() == [True, True, False]


def test_the_range_of_a_terminal_ends_a_contact() -> None:
    low, high, reach = 550.0, 600.0, 2000.0
    a, b = EARTH_RADIUS_KM + low, EARTH_RADIUS_KM + high
    apart = math.acos((a**2 + b**2 - reach**2) / (2 * a * b))
    found = laser_contacts(
        np.array([0]), np.array([1]), circles(low, high), 0, 24 * HOUR_NS,
        grazing_altitude_km=80.0, max_range_km=reach,
    )  # fmt: skip
    assert found.of(0)[0][1] / NS_PER_S == pytest.approx(apart / (motion(low) - motion(high)), abs=0.01)


def test_those_who_always_and_who_never_see_each_other() -> None:
    always = laser_contacts(
        np.array([0]), np.array([1]), circles(550, 550), 5, HOUR_NS, grazing_altitude_km=80
    )
    assert always.of(0) == [(5, HOUR_NS)]
    assert not always.begins[0]
    never = station_contacts(
        one_station(0), np.array([0]), np.array([0]), circles(550, begin_rad=2), 0, 60 * NS_PER_S
    )
    assert len(never) == 0
    assert len(station_contacts(one_station(0), np.empty(0), np.empty(0), circles(550), 0, HOUR_NS)) == 0


STATIONS = [
    {"name": "london", "latitude": "51.507 deg", "longitude": "-0.128 deg"},
    {"name": "quito", "latitude": "-0.18 deg", "longitude": "-78.47 deg", "altitude": "2850 m"},
]


def starlinks() -> tuple[Fleet, Stations, Ground]:
    shells = [{"code": "D:550:53:6/3/1"}]
    dut1_s = float(load.timescale(builtin=True).from_datetime(START).dut1)
    fleet = Fleet.build(
        Constellation.model_validate({"shells": shells, "dut1-seconds": dut1_s}), START, Path()
    )
    ground = Ground.model_validate({"min-elevation": "10 deg", "stations": STATIONS})
    positions = station_positions_itrs_km(ground.stations, ground.ellipsoid)
    return fleet, Stations.of(ground, positions, station_zeniths_itrs(ground.stations)), ground


def test_passes_are_skyfields_to_a_fifth_of_a_second() -> None:
    """That much on one that hardly rises above the mask; the others are within 0.02 s."""
    fleet, stations, ground = starlinks()
    rows, satellites = np.repeat([0, 1], len(fleet)), np.tile(np.arange(len(fleet)), 2)
    found = station_contacts(
        stations, rows, satellites, lambda who, when: states_of(fleet, who, when), 0, 12 * HOUR_NS
    )
    times = load.timescale(builtin=True)
    t0, t1 = times.from_datetime(START), times.from_datetime(START + timedelta(hours=12))
    compared = 0
    for pair, (row, satellite) in enumerate(zip(rows.tolist(), satellites.tolist(), strict=True)):
        station = ground.stations[row]
        place = wgs84.latlon(
            math.degrees(station.latitude_rad), math.degrees(station.longitude_rad), 1e3 * station.altitude_km
        )
        known = EarthSatellite.from_satrec(fleet.elements[satellite].satrec, times)
        at, what = known.find_events(place, t0, t1, altitude_degrees=10.0)
        seconds = [(each - START).total_seconds() for each in at.utc_datetime()]
        rises = [s for s, event in zip(seconds, what.tolist(), strict=True) if event == 0]
        sets = [s for s, event in zip(seconds, what.tolist(), strict=True) if event == 2]
        mine = found.pair == pair
        np.testing.assert_allclose(found.begin_sim_ns[mine & found.begins] / NS_PER_S, rises, atol=0.2)
        np.testing.assert_allclose(found.end_sim_ns[mine & found.ends] / NS_PER_S, sets, atol=0.2)
        compared += len(rises) + len(sets)
    assert compared > 40


def test_culminations_are_skyfields_to_a_second_and_a_hundredth_of_a_degree() -> None:
    fleet, stations, ground = starlinks()
    rows, satellites = np.zeros(len(fleet), int), np.arange(len(fleet))

    def propagate(who: np.ndarray, when: np.ndarray) -> States:
        return states_of(fleet, who, when)

    found = station_contacts(stations, rows, satellites, propagate, 0, 12 * HOUR_NS)
    at_ns, elevation_rad = culminations(stations, rows, satellites, found, propagate)
    times, station = load.timescale(builtin=True), ground.stations[0]
    place = wgs84.latlon(math.degrees(station.latitude_rad), math.degrees(station.longitude_rad))
    t0, t1 = times.from_datetime(START), times.from_datetime(START + timedelta(hours=12))
    compared = 0
    for satellite in range(len(fleet)):
        known = EarthSatellite.from_satrec(fleet.elements[satellite].satrec, times)
        at, what = known.find_events(place, t0, t1, altitude_degrees=10.0)
        highest = [each for each, event in zip(at, what.tolist(), strict=True) if event == 1]
        mine = (found.pair == satellite) & found.begins & found.ends
        for seconds, elevation in zip(at_ns[mine] / NS_PER_S, elevation_rad[mine], strict=True):
            nearest = min(highest, key=lambda t: abs((t.utc_datetime() - START).total_seconds() - seconds))
            assert (nearest.utc_datetime() - START).total_seconds() == pytest.approx(seconds, abs=1.0)
            altitude_deg = (known - place).at(nearest).altaz()[0].degrees
            assert math.degrees(elevation) == pytest.approx(altitude_deg, abs=0.01)
            compared += 1
    assert compared > 10


def test_a_pass_that_reaches_beyond_the_window_is_highest_within_it() -> None:
    station, rows = one_station(0), np.array([0])
    rising = circles(550, begin_rad=-0.3)
    end_ns = round(0.1 / motion(550) * NS_PER_S)
    found = station_contacts(station, rows, rows, rising, 0, end_ns)
    at_ns, _ = culminations(station, rows, rows, found, rising)
    assert at_ns.tolist() == [end_ns]
    over = station_contacts(station, rows, rows, rising, 0, 10 * end_ns)
    at_ns, elevation_rad = culminations(station, rows, rows, over, rising)
    assert at_ns[0] / NS_PER_S == pytest.approx(0.3 / motion(550), abs=0.02)
    assert elevation_rad[0] == pytest.approx(math.pi / 2, abs=1e-4)


def test_a_pass_ends_when_the_time_left_of_it_says() -> None:
    fleet, stations, _ = starlinks()

    def propagate(who: np.ndarray, when: np.ndarray) -> States:
        return states_of(fleet, who, when)

    found = station_contacts(stations, np.zeros(6, int), np.arange(6), propagate, 0, 6 * HOUR_NS)
    middle = (found.begin_sim_ns[0] + found.end_sim_ns[0]) // 2
    left = remaining_ns(stations, np.array([0]), found.pair[:1], int(middle), propagate)
    assert left[0] == pytest.approx(found.end_sim_ns[0] - middle, abs=1e5)
