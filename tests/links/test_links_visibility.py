"""Line of sight between satellites, and what a station sees: against closed forms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbitmesh.emulator.constants import EARTH_RADIUS_KM
from orbitmesh.emulator.links.visibility import Stations, clears_earth, longest_chord_km
from orbitmesh.emulator.scenario.model import Ground

GRAZING_KM = 80.0

# 2 √((Re + h)² − (Re + 80 km)²), to the kilometre
LONGEST_KM = {550: 5017, 600: 5287, 800: 6267, 1200: 7930}


def at(radius_km: float, angle_rad: float) -> np.ndarray:
    return np.array([[radius_km * np.cos(angle_rad), radius_km * np.sin(angle_rad), 0.0]])


@pytest.mark.parametrize(("altitude_km", "longest_km"), LONGEST_KM.items())
def test_the_longest_link_of_a_shell(altitude_km: int, longest_km: int) -> None:
    radius_km = EARTH_RADIUS_KM + altitude_km
    assert longest_chord_km(radius_km, GRAZING_KM) == pytest.approx(longest_km, abs=1.0)
    half_rad = np.arcsin(longest_chord_km(radius_km, GRAZING_KM) / 2 / radius_km)
    here = at(radius_km, 0.0)
    assert clears_earth(here, at(radius_km, 2 * half_rad - 1e-9), GRAZING_KM)[0]
    assert not clears_earth(here, at(radius_km, 2 * half_rad + 1e-9), GRAZING_KM)[0]


def test_nothing_below_the_grazing_altitude_reaches_anywhere() -> None:
    assert longest_chord_km(EARTH_RADIUS_KM + 79, GRAZING_KM) == 0


def test_a_satellite_sees_one_right_above_it_and_none_on_the_other_side() -> None:
    low, high = EARTH_RADIUS_KM + 550, EARTH_RADIUS_KM + 1200
    assert clears_earth(at(low, 1.0), at(high, 1.0), GRAZING_KM)[0]
    assert not clears_earth(at(low, 1.0), at(high, 1.0 + np.pi), GRAZING_KM)[0]
    assert clears_earth(at(low, 1.0), at(low, 1.0), GRAZING_KM)[0]  # in one place


places = st.tuples(st.floats(6600, 9000), st.floats(-np.pi / 2, np.pi / 2), st.floats(-np.pi, np.pi)).map(
    lambda p: p[0] * np.array([np.cos(p[1]) * np.cos(p[2]), np.cos(p[1]) * np.sin(p[2]), np.sin(p[1])])
)


@given(places, places)
def test_line_of_sight_is_where_the_lowest_point_of_the_chord_clears(a: np.ndarray, b: np.ndarray) -> None:
    points = a + np.linspace(0, 1, 5001)[:, None] * (b - a)
    lowest_km = np.linalg.norm(points, axis=1).min() - EARTH_RADIUS_KM
    clear = bool(clears_earth(a[None], b[None], GRAZING_KM)[0])
    assert clear == bool(clears_earth(b[None], a[None], GRAZING_KM)[0])
    # the lowest sample lies up to (chord / 5000)² / 2r above the lowest point: 1 m
    if abs(lowest_km - GRAZING_KM) > 0.001:
        assert clear == (lowest_km > GRAZING_KM)


# -- from the ground ------------------------------------------------------------------------------


def station(**limits: Any) -> dict[str, Any]:
    return {"name": "here", "latitude": "0 deg", "longitude": "0 deg", **limits}


def stations(*own: dict[str, Any], **everybody: Any) -> Stations:
    """All at one place on the sphere, looking up along x."""
    ground = Ground.model_validate({"stations": list(own), **everybody})
    n = len(own)
    return Stations.of(ground, np.tile([EARTH_RADIUS_KM, 0.0, 0.0], (n, 1)), np.tile([1.0, 0.0, 0.0], (n, 1)))


def slant_range_km(elevation_rad: float, altitude_km: float) -> float:
    """d = √((Re sin e)² + h² + 2 Re h) − Re sin e."""
    up_km = EARTH_RADIUS_KM * np.sin(elevation_rad)
    return float(np.sqrt(up_km**2 + altitude_km**2 + 2 * EARTH_RADIUS_KM * altitude_km) - up_km)


def seen_at(elevation_rad: float, altitude_km: float) -> np.ndarray:
    """A satellite of that altitude at that elevation from the place of ``stations``."""
    d_km = slant_range_km(elevation_rad, altitude_km)
    return np.array([[EARTH_RADIUS_KM + d_km * np.sin(elevation_rad), d_km * np.cos(elevation_rad), 0.0]])


@given(st.floats(0, np.pi / 2), st.floats(300, 2000))
def test_slant_range_and_elevation(elevation_rad: float, altitude_km: float) -> None:
    place = seen_at(elevation_rad, altitude_km)
    assert np.linalg.norm(place) == pytest.approx(EARTH_RADIUS_KM + altitude_km, abs=1e-8)
    look = stations(station(**{"min-elevation": "0 deg"})).look(place)
    assert look.range_km[0, 0] == pytest.approx(slant_range_km(elevation_rad, altitude_km), abs=1e-8)
    assert look.sine_elevation[0, 0] == pytest.approx(np.sin(elevation_rad), abs=1e-12)


def test_the_published_footprint_of_starlink_at_25_degrees() -> None:
    # SpaceX, FCC SAT-MOD-20181108-00083: 550 km and 25 deg make a radius of 940.7 km on the ground
    place = seen_at(np.radians(25), 550)
    angle_rad = np.arctan2(place[0, 1], place[0, 0])
    assert EARTH_RADIUS_KM * angle_rad == pytest.approx(940.7, abs=1.5)  # their Earth's radius is not stated


AT_25_DEG = f"{slant_range_km(np.radians(25), 550)!r} km"


@pytest.mark.parametrize(
    ("limits", "elevation_deg", "visible"),
    [
        ({"min-elevation": "25 deg"}, 25.001, True),
        ({"min-elevation": "25 deg"}, 24.999, False),
        ({"max-slant-range": AT_25_DEG}, 25.001, True),
        ({"max-slant-range": AT_25_DEG}, 24.999, False),
        ({"max-slant-range": "9000 km"}, 0.001, True),
        ({"max-slant-range": "9000 km"}, -0.001, False),  # below the horizon, however near
        ({"min-elevation": "10 deg", "max-slant-range": "1000 km"}, 25.0, False),  # too far
        ({"min-elevation": "40 deg", "max-slant-range": "9000 km"}, 25.0, False),  # too low
        ({"min-elevation": "10 deg", "max-slant-range": "9000 km"}, 25.0, True),
    ],
)
def test_mask_range_or_both(limits: dict[str, str], elevation_deg: float, visible: bool) -> None:
    place = seen_at(np.radians(elevation_deg), 550)
    assert bool(stations(station(**limits)).look(place).visible[0, 0]) == visible
    assert bool(stations(station(), **limits).look(place).visible[0, 0]) == visible  # given for all
    margin = stations(station(**limits)).margin(np.array([0]), place[None, 0])
    assert bool(margin[0] >= 0) == visible


def test_a_stations_own_limits_go_before_those_for_all() -> None:
    found = stations(
        station(**{"min-elevation": "5 deg"}),
        station(name="there", antennas=7),
        **{"min-elevation": "30 deg", "antennas": 3},
    )
    assert found.antennas == (3, 7)
    assert found.look(seen_at(np.radians(20), 550)).visible[:, 0].tolist() == [True, False]


def test_what_is_no_longer_in_orbit_is_not_visible() -> None:
    here = stations(station(**{"min-elevation": "0 deg"}))
    assert not here.look(np.full((1, 3), np.nan)).visible.any()
    assert not (here.margin(np.array([0]), np.full((1, 3), np.nan)) >= 0).any()


@pytest.mark.parametrize("limits", [{"min-elevation": "25 deg"}, {"max-slant-range": "1500 km"}, {}])
def test_sight_finds_what_a_look_at_every_satellite_finds(limits: dict[str, str]) -> None:
    rng = np.random.default_rng(7)
    place = rng.normal(size=(3001, 3))
    place *= rng.uniform(6700, 42000, (3001, 1)) / np.linalg.norm(place, axis=1)[:, None]
    place[0] *= 7000 / np.linalg.norm(place[0])
    place[:200] = place[0] + rng.normal(size=(200, 3))  # a crowd
    place[17] = np.nan
    ground = Ground.model_validate({"stations": [station(), {**station(), "name": "there"}], **limits})
    zenith = np.stack([place[0], place[40]]) / np.linalg.norm(place[[0, 40]], axis=1)[:, None]
    here = Stations.of(ground, 6378.0 * zenith, zenith)
    seen = here.look(place)
    found = here.sight(place)
    assert len(found.satellite) > (1024 if not limits else 200)
    rows, satellites = np.nonzero(seen.visible)
    np.testing.assert_array_equal(np.repeat([0, 1], np.diff(found.first)), rows)
    np.testing.assert_array_equal(found.satellite, satellites)
    np.testing.assert_allclose(found.range_km, seen.range_km[seen.visible], rtol=1e-15)
    np.testing.assert_allclose(
        found.sine_elevation, seen.sine_elevation[seen.visible], rtol=1e-13, atol=1e-15
    )
    for row in (0, 1):
        np.testing.assert_array_equal(found.of(row)[0], np.flatnonzero(seen.visible[row]))
