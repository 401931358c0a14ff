"""Geodetic to Earth-fixed: closed forms, ERFA and Skyfield."""

from __future__ import annotations

import erfa
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skyfield.api import wgs84

from orbitmesh.emulator.orbit import station_positions_itrs_km, station_zeniths_itrs
from orbitmesh.emulator.orbit.stations import ELLIPSOID, EllipsoidName, geodetic_to_itrs_km, zenith_itrs
from orbitmesh.emulator.scenario.model import Station

TOLERANCE_KM = 1e-9  # a micrometre
ERFA_NUMBER = {"WGS84": 1, "WGS72": 3}

latitude = st.floats(min_value=-np.pi / 2, max_value=np.pi / 2)
longitude = st.floats(min_value=-np.pi, max_value=2 * np.pi)
altitude = st.floats(min_value=-0.5, max_value=30)
ellipsoid = st.sampled_from(["WGS84", "WGS72"])


def station(latitude: str, longitude: str, altitude: str = "0 km") -> Station:
    return Station.model_validate(
        {"name": "x", "latitude": latitude, "longitude": longitude, "altitude": altitude}
    )


@pytest.mark.parametrize("name", ["WGS84", "WGS72"])
def test_closed_forms(name: EllipsoidName) -> None:
    semi_major_km, flattening = ELLIPSOID[name]
    got = station_positions_itrs_km(
        [
            station("0 deg", "0 deg", "2 km"),
            station("0 deg", "90 deg"),
            station("-90 deg", "12 deg", "500 m"),
        ],
        name,
    )
    want = [[semi_major_km + 2, 0, 0], [0, semi_major_km, 0], [0, 0, -semi_major_km * (1 - flattening) - 0.5]]
    assert np.abs(got - want).max() < TOLERANCE_KM


@given(latitude, longitude, altitude, ellipsoid)
def test_position_is_erfas(lat: float, lon: float, alt: float, name: EllipsoidName) -> None:
    got = geodetic_to_itrs_km(np.array([lat]), np.array([lon]), np.array([alt]), name)
    want = erfa.gd2gc(ERFA_NUMBER[name], lon, lat, alt * 1000) / 1000
    assert np.abs(got[0] - want).max() < TOLERANCE_KM


def test_position_is_skyfields() -> None:
    place = wgs84.latlon(51.507, -0.128, elevation_m=35)
    got = station_positions_itrs_km([station("51.507 deg", "-0.128 deg", "35 m")], "WGS84")
    assert np.abs(got[0] - place.itrs_xyz.km).max() < 1e-6  # Skyfield keeps it in au


@given(latitude, longitude, altitude, ellipsoid)
def test_up_is_where_the_altitude_grows(lat: float, lon: float, alt: float, name: EllipsoidName) -> None:
    at = np.array([lat]), np.array([lon])
    low, high = (geodetic_to_itrs_km(*at, np.array([h]), name) for h in (alt, alt + 1))
    assert np.abs((high - low) - zenith_itrs(*at)).max() < TOLERANCE_KM
    assert np.linalg.norm(zenith_itrs(*at)) == pytest.approx(1, abs=1e-15)


def test_zenith_of_a_station_is_geodetic() -> None:
    zenith = station_zeniths_itrs([station("45 deg", "0 deg")])[0]
    assert np.abs(zenith - [np.sqrt(0.5), 0, np.sqrt(0.5)]).max() < 1e-15
    position = station_positions_itrs_km([station("45 deg", "0 deg")], "WGS84")[0]
    # the geocentric vertical is off by 11.5 arcmin there, the most there is
    between = np.degrees(np.arccos(position @ zenith / np.linalg.norm(position)))
    assert between == pytest.approx(0.1924, abs=1e-3)


def test_no_stations_are_an_empty_array() -> None:
    assert station_positions_itrs_km([], "WGS84").shape == (0, 3)
    assert station_zeniths_itrs([]).shape == (0, 3)
