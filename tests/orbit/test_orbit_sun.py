"""The Sun against Meeus, "Astronomical Algorithms", 2nd ed., chapter 25, which is good to 0.01 degrees."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skyfield.api import load

from orbitmesh.emulator.orbit import sun_direction_itrs, sun_itrs_au
from orbitmesh.emulator.orbit.time import unix_ns

MEEUS_TOLERANCE_DEG = 0.012
TIMESCALE = load.timescale(builtin=True)


def meeus(utc: datetime) -> tuple[np.ndarray, float]:
    """Apparent unit vector of the true equator and equinox of date, and the distance in au."""
    t = (utc - datetime(2000, 1, 1, 12, tzinfo=UTC)).total_seconds() / (36_525 * 86_400)
    l0 = 280.46646 + 36_000.76983 * t + 0.0003032 * t**2
    m = np.radians(357.52911 + 35_999.05029 * t - 0.0001537 * t**2)
    e = 0.016708634 - 0.000042037 * t
    c = (
        (1.914602 - 0.004817 * t) * np.sin(m)
        + (0.019993 - 0.000101 * t) * np.sin(2 * m)
        + 0.000289 * np.sin(3 * m)
    )
    omega = np.radians(125.04 - 1934.136 * t)
    longitude = np.radians(l0 + c - 0.00569 - 0.00478 * np.sin(omega))
    obliquity = np.radians(23.439291 - 0.0130042 * t + 0.00256 * np.cos(omega))
    distance_au = 1.000001018 * (1 - e**2) / (1 + e * np.cos(m + np.radians(c)))
    unit = np.array(
        [np.cos(longitude), np.cos(obliquity) * np.sin(longitude), np.sin(obliquity) * np.sin(longitude)]
    )
    return unit, distance_au


@given(st.datetimes(datetime(2005, 1, 1), datetime(2055, 1, 1)))
def test_direction_and_distance_are_meeus(naive: datetime) -> None:
    utc = naive.replace(tzinfo=UTC)
    unit, distance_au = meeus(utc)
    t = TIMESCALE.from_datetime(utc)
    dut1_s = float(t.dut1)
    gast = t.gast / 12 * np.pi  # Skyfield's sidereal time
    cos, sin = np.cos(gast), np.sin(gast)
    turned = np.array([cos * unit[0] + sin * unit[1], cos * unit[1] - sin * unit[0], unit[2]])
    instants = np.array([unix_ns(utc)])
    # no bound on UT1 - UTC here: Skyfield predicts 2055 without the leap seconds still to come
    ours = sun_itrs_au(instants, dut1_s)[0]
    off_deg = np.degrees(np.linalg.norm(ours / np.linalg.norm(ours) - turned))
    assert off_deg < MEEUS_TOLERANCE_DEG
    assert np.linalg.norm(ours) == pytest.approx(distance_au, abs=2e-4)


def test_seasons_and_the_time_of_day() -> None:
    """Declination at the solstices and equinoxes of 2026 (USNO); noon in Greenwich."""
    for month, day, hour, minute, declination_deg in (
        (3, 20, 14, 46, 0.0), (6, 21, 8, 25, 23.44), (9, 23, 0, 5, 0.0), (12, 21, 20, 50, -23.44),
    ):  # fmt: skip
        at = np.array([unix_ns(datetime(2026, month, day, hour, minute, tzinfo=UTC))])
        assert np.degrees(np.arcsin(sun_direction_itrs(at)[0, 2])) == pytest.approx(declination_deg, abs=0.01)
    # the equation of time is zero on 2026-04-15
    noon = sun_direction_itrs(np.array([unix_ns(datetime(2026, 4, 15, 12, tzinfo=UTC))]))[0]
    assert np.degrees(np.arctan2(noon[1], noon[0])) == pytest.approx(0, abs=0.1)


def test_many_instants_at_once() -> None:
    at = unix_ns(datetime(2026, 11, 1, tzinfo=UTC)) + np.arange(1000) * 10**12
    directions = sun_direction_itrs(at)
    assert directions.shape == (1000, 3)
    assert np.abs(np.linalg.norm(directions, axis=1) - 1).max() < 1e-15
    np.testing.assert_allclose(directions[500], sun_direction_itrs(at[500:501])[0], atol=1e-15)
