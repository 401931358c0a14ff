"""TEME to ITRS: against Skyfield, and what must hold for every rotation."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sgp4.api import Satrec, SatrecArray
from skyfield.api import EarthSatellite, load
from skyfield.framelib import itrs

from orbitmesh.emulator.orbit.frames import gmst82_rad, teme_to_itrs_km, teme_to_itrs_km_per_s
from orbitmesh.emulator.orbit.propagate import states_itrs
from orbitmesh.emulator.orbit.time import julian, unix_ns

ISS = (
    "1 25544U 98067A   19343.69339541  .00001764  00000-0  38792-4 0  9991",
    "2 25544  51.6439 211.2001 0007417  17.6667  85.6398 15.50103472202482",
)
MOLNIYA = (  # of the verification set
    "1 08195U 75081A   06176.33215444  .00000099  00000-0  11873-3 0   813",
    "2 08195  64.1586 279.0717 6877146 264.7651  20.2257  2.00491383225656",
)
TIMESCALE = load.timescale(builtin=True)

SKYFIELD_TOLERANCE_KM = 1e-5  # 1 cm: Skyfield goes through GCRS and back
# Skyfield turns by the rate of the Earth, we by that of GMST-82, as our angle does: 7e-12 rad/s apart
SKYFIELD_TOLERANCE_RAD_PER_S = 8e-12

# SGP4's velocity is not quite the derivative of its position: its short-period terms are of first order.
# Measured over a day: 2.3e-5 km/s in low orbits, 1.1e-3 km/s for Molniya.
DERIVATIVE_TOLERANCE_KM_PER_S = {ISS: 4e-5, MOLNIYA: 2e-3}

coordinate = st.floats(min_value=-50_000, max_value=50_000)
vector = st.tuples(coordinate, coordinate, coordinate)
instant = st.integers(min_value=0, max_value=2_700_000_000_000_000_000)


@pytest.mark.parametrize(
    ("lines", "epoch"),
    [(ISS, datetime(2019, 12, 9, 17, tzinfo=UTC)), (MOLNIYA, datetime(2006, 6, 25, 8, tzinfo=UTC))],
)
def test_states_are_skyfields(lines: tuple[str, str], epoch: datetime) -> None:
    satellite = EarthSatellite(*lines, ts=TIMESCALE)
    for hours in (0, 1.5, 7, 23):
        utc = epoch + timedelta(hours=hours)
        t = TIMESCALE.from_datetime(utc)
        position, velocity = satellite.at(t).frame_xyz_and_velocity(itrs)
        ours = states_itrs(SatrecArray([Satrec.twoline2rv(*lines)]), np.array([unix_ns(utc)]), float(t.dut1))
        assert np.abs(ours.position_km[0, 0] - position.km).max() < SKYFIELD_TOLERANCE_KM
        tolerance_km_per_s = SKYFIELD_TOLERANCE_RAD_PER_S * np.linalg.norm(position.km)
        assert np.abs(ours.velocity_km_per_s[0, 0] - velocity.km_per_s).max() < tolerance_km_per_s


def test_dut1_turns_the_earth() -> None:
    at = np.array([unix_ns(datetime(2026, 11, 1, tzinfo=UTC))])
    turned = gmst82_rad(at, 0.5) - gmst82_rad(at, 0.0)
    assert turned[0] == pytest.approx(0.5 * 7.2921158553e-5, rel=1e-6)
    # half a second is some 233 m on the equator
    assert 6378.137 * turned[0] == pytest.approx(0.2325, abs=0.001)


@given(vector, instant)
def test_a_turn_keeps_the_distance_from_the_centre_and_the_height_over_the_equator(
    position: tuple[float, float, float], at: int
) -> None:
    teme_km = np.array([[position]])
    itrs_km = teme_to_itrs_km(teme_km, gmst82_rad(np.array([at])))
    assert np.linalg.norm(itrs_km) == pytest.approx(np.linalg.norm(teme_km), rel=1e-14)
    assert itrs_km[0, 0, 2] == teme_km[0, 0, 2]


@given(vector, vector, instant)
def test_range_is_the_same_in_every_frame(
    here: tuple[float, float, float], there: tuple[float, float, float], at: int
) -> None:
    teme_km = np.array([[here], [there]])
    itrs_km = teme_to_itrs_km(teme_km, gmst82_rad(np.array([at])))
    assert np.linalg.norm(itrs_km[0] - itrs_km[1]) == pytest.approx(
        np.linalg.norm(teme_km[0] - teme_km[1]), abs=1e-10
    )


@given(vector, vector, vector, vector, instant)
def test_range_rate_is_the_same_in_every_frame(
    p1: tuple[float, ...], v1: tuple[float, ...], p2: tuple[float, ...], v2: tuple[float, ...], at: int
) -> None:
    position, velocity = np.array([[p1], [p2]]), np.array([[v1], [v2]]) / 5000
    gmst = gmst82_rad(np.array([at]))
    position_itrs = teme_to_itrs_km(position, gmst)
    velocity_itrs = teme_to_itrs_km_per_s(velocity, position_itrs, gmst)

    def opening(p: np.ndarray, v: np.ndarray) -> float:
        return float(np.dot((p[1] - p[0])[0], (v[1] - v[0])[0]))

    assert opening(position_itrs, velocity_itrs) == pytest.approx(
        opening(position, velocity), rel=1e-9, abs=1e-6
    )


@given(vector, instant)
def test_what_rests_in_teme_moves_westward_over_the_ground(
    position: tuple[float, float, float], at: int
) -> None:
    second = 10**9
    teme_km = np.array([[position, position, position]])
    gmst = gmst82_rad(np.array([at - second, at, at + second]))
    itrs_km = teme_to_itrs_km(teme_km, gmst)
    derivative = (itrs_km[0, 2] - itrs_km[0, 0]) / 2
    velocity = teme_to_itrs_km_per_s(np.zeros_like(teme_km), itrs_km, gmst)[0, 1]
    assert np.abs(velocity - derivative).max() < 1e-7


@settings(max_examples=50)
@given(st.sampled_from([ISS, MOLNIYA]), st.integers(min_value=-(86_400 * 10**9), max_value=86_400 * 10**9))
def test_velocity_is_the_derivative_of_the_position(lines: tuple[str, str], offset_ns: int) -> None:
    satrec = Satrec.twoline2rv(*lines)
    epoch = round((satrec.jdsatepoch + satrec.jdsatepochF - 2_440_587.5) * 86_400) * 10**9
    half_ns = 200_000_000
    at = epoch + offset_ns + np.array([-half_ns, 0, half_ns])
    states = states_itrs(SatrecArray([satrec]), at, 0.0)
    derivative = (states.position_km[0, 2] - states.position_km[0, 0]) / (2 * half_ns / 1e9)
    assert np.abs(states.velocity_km_per_s[0, 1] - derivative).max() < DERIVATIVE_TOLERANCE_KM_PER_S[lines]


def test_gmst_is_the_closed_form() -> None:
    """At 0h UT1 GMST-82 is 24110.54841 s + 8640184.812866 T + … (Aoki et al. 1982)."""
    at = np.array([unix_ns(datetime(2026, 11, 1, tzinfo=UTC))])
    jd, _ = julian(at)
    t = (jd - 2_451_545.0) / 36_525
    seconds = 24_110.54841 + 8_640_184.812866 * t + 0.093104 * t**2 - 6.2e-6 * t**3
    assert gmst82_rad(at)[0] == pytest.approx(float(np.radians(seconds / 240)[0] % (2 * np.pi)), abs=1e-10)
