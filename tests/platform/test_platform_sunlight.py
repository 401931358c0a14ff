"""The Earth's shadow: closed forms of circular orbits, and the edges that Skyfield finds."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skyfield.api import EarthSatellite, load

from orbitmesh.emulator.constants import AU_KM, EARTH_RADIUS_KM, SUN_RADIUS_KM
from orbitmesh.emulator.epoch import NS_PER_S
from orbitmesh.emulator.orbit import Fleet, sun_itrs_au
from orbitmesh.emulator.orbit.time import unix_ns
from orbitmesh.emulator.platform import Platform, surroundings
from orbitmesh.emulator.presets import preset
from orbitmesh.emulator.scenario.constellation import Constellation

AI1 = Platform.of(preset("platform", "ai1"))
START = datetime(2026, 11, 1, tzinfo=UTC)
TIMESCALE = load.timescale(builtin=True)


def circle(altitude_km: float, beta_rad: float, n: int = 200_000) -> np.ndarray:
    """(n, 3) km, evenly spaced on a circle; the Sun is at +x, beta above its plane."""
    angle = np.linspace(0, 2 * np.pi, n, endpoint=False)
    inward = np.array([math.cos(beta_rad), 0.0, math.sin(beta_rad)])
    across = np.array([0.0, 1.0, 0.0])
    return (EARTH_RADIUS_KM + altitude_km) * (
        np.cos(angle)[:, None] * inward + np.sin(angle)[:, None] * across
    )


@pytest.mark.parametrize(("altitude_km", "expected"), [(550, 0.372), (600, 0.367), (800, 0.348)])
def test_the_share_of_an_orbit_in_shadow_at_beta_0(altitude_km: float, expected: float) -> None:
    sunlit = surroundings(AI1, circle(altitude_km, 0.0), np.array([1.0, 0, 0])).sunlit_ratio
    assert 1 - sunlit.mean() == pytest.approx(expected, abs=5e-4)


@given(st.floats(400, 2000), st.floats(-1.5, 1.5))
def test_the_share_of_an_orbit_in_shadow_is_the_closed_form(altitude_km: float, beta_rad: float) -> None:
    """(1/π) acos(√(h² + 2 Re h) / ((Re + h) cos β)): of a cylinder, which halves the penumbra."""
    ratio = math.sqrt(altitude_km**2 + 2 * EARTH_RADIUS_KM * altitude_km) / (
        (EARTH_RADIUS_KM + altitude_km) * math.cos(beta_rad)
    )
    sunlit = surroundings(AI1, circle(altitude_km, beta_rad, 4000), np.array([1.0, 0, 0])).sunlit_ratio
    dark = 1 - sunlit.mean()
    if ratio < 0.985:
        assert dark == pytest.approx(math.acos(ratio) / math.pi, abs=1.5e-3)
    elif ratio > 1.02:
        assert dark == 0


def test_the_depth_of_umbra_and_penumbra_behind_the_earth() -> None:
    """On the axis: dark to the cone's tip at d Re / (Rs - Re), 217 radii away; behind it a ring of Sun."""
    tip_km = AU_KM * EARTH_RADIUS_KM / (SUN_RADIUS_KM - EARTH_RADIUS_KM)
    x = -np.array([1.01 * EARTH_RADIUS_KM, 0.999 * tip_km, 1.001 * tip_km, 2 * tip_km])
    places = np.column_stack([x, np.zeros(4), np.zeros(4)])
    sunlit = surroundings(AI1, places, np.array([1.0, 0, 0])).sunlit_ratio
    assert sunlit[0] == sunlit[1] == 0
    assert 0 < sunlit[2] < 0.01
    sun, earth = SUN_RADIUS_KM / (AU_KM + 2 * tip_km), EARTH_RADIUS_KM / (2 * tip_km)
    assert sunlit[3] == pytest.approx(1 - (math.asin(earth) / math.asin(sun)) ** 2, rel=1e-9)


def test_the_penumbra_takes_its_time_and_falls_all_along() -> None:
    """550 km, beta 0: the Sun is 0.53 degrees wide, and sinks by as much in 8 to 9 s."""
    r_km = EARTH_RADIUS_KM + 550
    motion = math.sqrt(398_600.4 / r_km**3)
    sunlit = surroundings(AI1, circle(550, 0.0), np.array([1.0, 0, 0])).sunlit_ratio
    entering = sunlit[: len(sunlit) // 2]  # towards the point behind the Earth
    partly = (entering > 0) & (entering < 1)
    seconds = partly.sum() / len(sunlit) * 2 * math.pi / motion
    expected = 2 * math.asin(SUN_RADIUS_KM / AU_KM) / motion
    assert seconds == pytest.approx(expected, rel=0.01)
    assert (np.diff(entering) <= 1e-12).all()


def test_nobody_in_sunlight_is_dimmed_and_a_position_of_nan_is_nan() -> None:
    places = np.array([[7000.0, 0, 0], [0, 7000.0, 0], [np.nan] * 3])
    around = surroundings(AI1, places, np.array([1.0, 0, 0]))
    assert around.sunlit_ratio[:2].tolist() == [1, 1]
    assert np.isnan(around.sunlit_ratio[2])


def sun_gcrs_km(t: Any) -> np.ndarray:
    """By the Astronomical Almanac's series (0.01 degrees), turned by Skyfield's own matrix."""
    n = t.tt - 2_451_545.0
    g = np.radians(357.528 + 0.9856003 * n)
    longitude = np.radians(280.460 + 0.9856474 * n + 1.915 * np.sin(g) + 0.020 * np.sin(2 * g))
    obliquity = np.radians(23.439 - 4e-7 * n)
    distance = (1.00014 - 0.01671 * np.cos(g) - 0.00014 * np.cos(2 * g)) * AU_KM
    unit = np.array(
        [np.cos(longitude), np.cos(obliquity) * np.sin(longitude), np.sin(obliquity) * np.sin(longitude)]
    )
    return distance * np.einsum("ji...,j...->i...", t.M, unit)


class Sky:
    """What Skyfield's ``is_sunlit`` asks an ephemeris for; those of JPL are files that no test can fetch."""

    def __getitem__(self, name: str) -> Sky:
        return self

    def __sub__(self, other: Sky) -> Sky:
        return self

    def at(self, t: object) -> SimpleNamespace:
        return SimpleNamespace(xyz=SimpleNamespace(m=sun_gcrs_km(t) * 1e3))


@pytest.mark.parametrize(
    ("altitude_km", "inclination_deg"), [(550, 53.0), (600, 30.0), (800, 86.4), (1200, 5.0)]
)
def test_edges_of_the_shadow_are_skyfields_to_a_second(altitude_km: float, inclination_deg: float) -> None:
    """Skyfield: whether the line to the Sun's middle meets a sphere of the equatorial radius."""
    shell = {"code": f"D:{altitude_km}:{inclination_deg}:1/1/0"}
    fleet = Fleet.build(Constellation.model_validate({"shells": [shell]}), START, Path())
    known = EarthSatellite.from_satrec(fleet.elements[0].satrec, TIMESCALE)

    def lit(at_s: np.ndarray) -> np.ndarray:
        sim_ns = (at_s * NS_PER_S).astype(np.int64)
        places, suns = fleet.states_itrs(sim_ns).position_km[0], sun_itrs_au(unix_ns(START) + sim_ns)
        shares = [
            surroundings(AI1, place[None], sun).sunlit_ratio[0]
            for place, sun in zip(places, suns, strict=True)
        ]
        return np.array(shares) >= 0.5

    def skyfields(at_s: np.ndarray) -> np.ndarray:
        utc = [START + timedelta(seconds=s) for s in at_s.tolist()]
        return np.asarray(known.at(TIMESCALE.from_datetimes(utc)).is_sunlit(Sky()))

    at_s = np.arange(0, 4 * 3600, 30.0)
    before = np.flatnonzero(np.diff(lit(at_s).astype(int)))
    assert len(before) == len(np.flatnonzero(np.diff(skyfields(at_s).astype(int)))) >= 4
    low, high, was = at_s[before], at_s[before + 1], lit(at_s[before])
    for _ in range(15):
        middle = (low + high) / 2
        same = lit(middle) == was
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    assert (skyfields(low - 1.0) == was).all()
    assert (skyfields(low + 1.0) == ~was).all()


def test_where_the_array_looks() -> None:
    places = circle(600, math.radians(30), 720)
    across = np.array([0.0, 1.0, 0.0])
    normal = np.cross(np.array([math.cos(math.radians(30)), 0, math.sin(math.radians(30))]), across)
    velocity = np.cross(normal, places)
    sun = np.array([0.99, 0, 0])
    flux = surroundings(AI1, places, sun)
    lit = flux.sunlit_ratio == 1
    distance_km = np.linalg.norm(sun * AU_KM - places, axis=1)
    np.testing.assert_allclose(flux.array_ratio[lit], (AU_KM / distance_km[lit]) ** 2, rtol=1e-12)
    turned = surroundings(AI1, places, sun, "orbit-normal", velocity)
    np.testing.assert_allclose(
        turned.array_ratio[lit] / flux.array_ratio[lit], math.cos(math.radians(30)), rtol=1e-4
    )
    up = surroundings(AI1, places, sun, "zenith")
    cosine = np.maximum(places[:, 0] / np.linalg.norm(places, axis=1), 0)
    np.testing.assert_allclose(up.array_ratio[lit] / flux.array_ratio[lit], cosine[lit], atol=1e-4)
    with pytest.raises(ValueError, match="needs velocities"):
        surroundings(AI1, places, sun, "orbit-normal")


def test_what_the_radiator_takes_from_the_earth() -> None:
    """A level plate at 600 km sees the Earth in 0.249 of its view; by night only infrared comes from it."""
    places = np.array([[-6978.137, 0, 0], [6978.137, 0, 0], [0, 6978.137, 0]])
    night, day, dawn = surroundings(AI1, places, np.array([1.0, 0, 0])).absorbed_w
    height = 6978.137 / 6378.137
    tangent = math.sqrt(height**2 - 1)
    view = (math.atan(1 / tangent) - tangent / height**2) / math.pi
    assert view == pytest.approx(0.249, abs=1e-3)
    assert night == pytest.approx(240 * 0.9 * 220 * view, rel=1e-12)
    direct = 1361 * 0.2 * 0.02 * 110
    assert dawn - night == pytest.approx(direct, rel=1e-3)
    assert day - dawn == pytest.approx(1361 * 0.29 * 0.2 * 220 * view, rel=1e-3)


def sun_of_the_day(day: int) -> tuple[np.ndarray, float]:
    """(3,) au of the equator, and the mean Sun's right ascension, rad: the Almanac's series, days of 2026."""
    n = 9496.5 + day
    g, mean = np.radians(357.528 + 0.9856003 * n), np.radians(280.460 + 0.9856474 * n)
    longitude = mean + np.radians(1.915) * np.sin(g) + np.radians(0.020) * np.sin(2 * g)
    obliquity = np.radians(23.439)
    unit = [np.cos(longitude), np.cos(obliquity) * np.sin(longitude), np.sin(obliquity) * np.sin(longitude)]
    return np.array(unit) * (1.00014 - 0.01671 * np.cos(g)), float(mean)


def turn(altitude_km: float, inclination_deg: float, raan_rad: float) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, 360, endpoint=False)
    i = np.radians(inclination_deg)
    x, y, z = np.cos(angle), np.sin(angle) * np.cos(i), np.sin(angle) * np.sin(i)
    cos, sin = np.cos(raan_rad), np.sin(raan_rad)
    return (EARTH_RADIUS_KM + altitude_km) * np.column_stack([x * cos - y * sin, x * sin + y * cos, z])


@pytest.mark.parametrize(
    ("altitude_km", "inclination_deg", "expected"), [(600, 97.79, 0.956), (800, 98.60, 0.973)]
)
def test_a_year_between_dawn_and_dusk(altitude_km: float, inclination_deg: float, expected: float) -> None:
    """The plane turns with the mean Sun, a quarter ahead of it: in the light but for weeks of shadows."""
    share = []
    for day in range(0, 365, 2):
        sun_au, mean = sun_of_the_day(day)
        places = turn(altitude_km, inclination_deg, mean + math.pi / 2)
        share.append(surroundings(AI1, places, sun_au).sunlit_ratio.mean())
    assert np.mean(share) == pytest.approx(expected, abs=0.005)
    assert max(share) == 1
    assert min(share) < 0.85


def test_a_year_at_30_degrees_is_two_thirds_light() -> None:
    share = [
        surroundings(AI1, turn(600, 30, raan), sun_of_the_day(day)[0]).sunlit_ratio.mean()
        for day in range(0, 365, 10)
        for raan in np.arange(0, 2 * np.pi, np.pi / 6)
    ]
    assert np.mean(share) == pytest.approx(0.65, abs=0.01)
