"""GeoJSON by RFC 7946, as others read it, and by its numbers: tracks, and where satellites are seen."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from exports_lab import scene, text
from hypothesis import given, settings
from hypothesis import strategies as st
from skyfield.api import wgs84

from orbitmesh.emulator.errors import InputError
from orbitmesh.emulator.exports import geojson as geojson_module
from orbitmesh.emulator.exports.antimeridian import cut_line, cut_ring
from orbitmesh.emulator.exports.footprint import footprint
from orbitmesh.emulator.exports.geojson import geojson
from orbitmesh.emulator.exports.scene import Scene
from orbitmesh.emulator.links.visibility import Stations
from orbitmesh.emulator.orbit.geodetic import geodetic
from orbitmesh.emulator.orbit.stations import geodetic_to_itrs_km, zenith_itrs

geo = pytest.importorskip("geojson")
shapely = pytest.importorskip("shapely")
from shapely.geometry import LinearRing, Point, shape  # noqa: E402

MASK_DEG = 5.0  # the toy's


@pytest.fixture(scope="module")
def of() -> Scene:
    return scene("S:780:86.4:66/6/1", minutes=101)


@pytest.fixture(scope="module")
def features(of: Scene) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(text(geojson, of))["features"]
    return found


def kinds(features: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [each for each in features if each["properties"]["kind"] == kind]


def places(geometry: dict[str, Any]) -> np.ndarray:
    return np.array([place[:2] for place in geo.utils.coords(geo.loads(json.dumps(geometry)))])


def test_another_parser_finds_it_valid_and_all_is_on_the_map(of: Scene) -> None:
    found = geo.loads(text(geojson, of))
    assert found.is_valid, found.errors()
    assert len(found["features"]) == 3 + 66 + 66
    for each in found["features"]:
        assert each.is_valid, each.errors()
        on_map = places(each["geometry"])
        assert np.abs(on_map[:, 0]).max() <= 180
        assert np.abs(on_map[:, 1]).max() <= 90


def test_a_place_is_where_skyfield_has_it() -> None:
    for latitude, longitude, height_km in ((0, 0, 0), (51.5, -0.1, 0.02), (-89.9999, 179, 780), (90, 0, 550)):
        there_km = wgs84.latlon(latitude, longitude, height_km * 1000).itrs_xyz.km
        found = geodetic(np.array(there_km))
        assert found[1] == pytest.approx(latitude, abs=1e-9)
        assert found[2] == pytest.approx(height_km, abs=1e-8)
        if latitude < 90:
            assert found[0] == pytest.approx(longitude, abs=1e-8)


def test_a_track_follows_the_satellite_and_is_cut_where_the_map_ends(
    of: Scene, features: list[dict[str, Any]]
) -> None:
    track = next(each for each in kinds(features, "track") if each["geometry"]["type"] == "MultiLineString")
    line = shape(track["geometry"])
    instants_ns = np.arange(0, 101 * 60, 60, dtype=np.int64) * 10**9
    node = of.geometry.nodes.index[track["properties"]["name"]]
    below = geodetic(of.geometry.fleet.states_itrs(instants_ns).position_km[node])
    assert max(line.distance(Point(longitude, latitude)) for longitude, latitude, _ in below) < 0.02
    for part in track["geometry"]["coordinates"]:
        steps = np.abs(np.diff([place[0] for place in part]))
        assert steps.max() < 20  # near a pole; nowhere across the map
        assert part[0][2] == pytest.approx(790_000, abs=30_000)
    ends = [part[end][0] for part in track["geometry"]["coordinates"] for end in (0, -1)]
    assert sorted(map(abs, ends))[2:] == [180] * (len(ends) - 2)


def test_a_footprint_goes_around_what_it_holds_and_is_whole(features: list[dict[str, Any]]) -> None:
    found = kinds(features, "footprint")
    assert {each["geometry"]["type"] for each in found} == {"Polygon", "MultiPolygon"}
    for each in found:
        area = shape(each["geometry"])
        assert area.is_valid, each["properties"]
        polygons = each["geometry"]["coordinates"]
        for rings in [polygons] if each["geometry"]["type"] == "Polygon" else polygons:
            assert rings[0][0] == rings[0][-1]
            assert LinearRing(rings[0]).is_ccw, each["properties"]


def test_it_is_seen_inside_of_its_footprint_and_not_outside(
    of: Scene, features: list[dict[str, Any]]
) -> None:
    """By the very rule by which stations see satellites; poles and the map's edges are among the places."""
    latitude, longitude = np.meshgrid(np.linspace(-89.5, 89.5, 60), np.linspace(-179.5, 179.5, 91))
    places_rad = np.radians(latitude.ravel()), np.radians(longitude.ravel())
    n = latitude.size
    stations = Stations(
        ("",) * n, geodetic_to_itrs_km(*places_rad, np.zeros(n), "WGS84"), zenith_itrs(*places_rad),
        np.full(n, math.sin(math.radians(MASK_DEG))), np.full(n, np.inf), (1,) * n,
    )  # fmt: skip
    ours_km = of.geometry.fleet.states_itrs(np.zeros(1, np.int64)).position_km[:, 0]
    look = stations.look(ours_km)
    around = shapely.points(longitude.ravel(), latitude.ravel())
    at_poles = 0
    for each in kinds(features, "footprint"):
        node = of.geometry.nodes.index[each["properties"]["name"]]
        inside = shapely.contains(shape(each["geometry"]), around)
        margin = np.degrees(np.arcsin(look.sine_elevation[:, node])) - MASK_DEG
        clear = np.abs(margin) > 0.3  # its edge is a polygon's
        assert (inside == look.visible[:, node])[clear].all(), each["properties"]
        at_poles += any(inside[sign * latitude.ravel() > 89].all() for sign in (1, -1))
    assert at_poles >= 4


def test_its_area_is_a_caps() -> None:
    """A satellite over the equator and the antimeridian: its two halves together are the cap."""
    there_km = geodetic_to_itrs_km(np.zeros(1), np.array([math.pi]), np.array([780.0]), "WGS84")[0]
    edge = footprint(there_km, math.sin(math.radians(MASK_DEG)))
    assert edge is not None
    rings = cut_ring(edge, north=True)
    assert len(rings) == 2
    spans = sorted((min(x for x, _ in ring), max(x for x, _ in ring)) for ring in rings)
    # the angle at the centre of a sphere: acos(R cos e / r) - e
    far_deg = math.degrees(math.acos(6378.137 * math.cos(math.radians(5)) / 7158.137)) - 5
    assert spans[0] == pytest.approx((-180, -180 + far_deg), abs=0.05)
    assert spans[1] == pytest.approx((180 - far_deg, 180), abs=0.05)
    whole = sum(shape({"type": "Polygon", "coordinates": [ring]}).area for ring in rings)
    assert whole == pytest.approx(math.pi * far_deg**2, rel=0.05)  # the map stretches it a little


def test_a_slant_range_limits_it_and_one_below_the_altitude_leaves_nothing() -> None:
    there_km = geodetic_to_itrs_km(np.zeros(1), np.zeros(1), np.array([780.0]), "WGS84")[0]
    near = footprint(there_km, 0.0, 1000.0)
    assert near is not None
    east = np.radians(near[np.argmax(near[:, 0])])
    place_km = geodetic_to_itrs_km(east[1:], east[:1], np.zeros(1), "WGS84")[0]
    assert np.linalg.norm(there_km - place_km) == pytest.approx(1000, abs=1e-3)
    assert footprint(there_km, 0.0, 700.0) is None


@pytest.mark.parametrize("pole", [90.0, -90.0])
def test_around_a_pole_and_right_over_it(pole: float) -> None:
    there_km = geodetic_to_itrs_km(np.radians([pole]), np.zeros(1), np.array([780.0]), "WGS84")[0]
    edge = footprint(there_km, math.sin(math.radians(MASK_DEG)))
    assert edge is not None
    (ring,) = cut_ring(edge, north=pole > 0)
    area = shape({"type": "Polygon", "coordinates": [ring]})
    assert area.is_valid
    assert LinearRing(ring).is_ccw
    assert area.bounds[0] == -180
    assert area.bounds[2] == 180
    assert area.contains(Point(123, 0.9999 * pole))
    assert not area.contains(Point(123, 0))


def test_a_line_over_a_pole_ends_there_and_goes_on_from_there() -> None:
    over = np.array([[10.0, 88.0], [10.0, 89.9], [-170.0, 89.9], [-170.0, 88.0]])
    first, second = cut_line(over)
    assert first == [[10, 88], [10, 89.9], [10, 90]]
    assert second == [[-170, 90], [-170, 89.9], [-170, 88]]
    east, west = cut_line(np.array([[170.0, 0.0], [-170.0, 10.0]]))
    assert (east, west) == ([[170, 0], [180, 5]], [[-180, 5], [-170, 10]])
    assert cut_line(np.array([[170.0, 0.0], [180.0, 5.0], [-170.0, 10.0]])) == [
        [[170, 0], [180, 5]], [[-180, 5], [-170, 10]]
    ]  # fmt: skip


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.one_of(st.floats(-90, 90), st.sampled_from([90.0, -90.0, 0.0, 89.999])),
    st.one_of(st.floats(-180, 180), st.sampled_from([180.0, -180.0, 179.99])),
    st.sampled_from([200.0, 550.0, 1200.0, 20_000.0, 35_786.0]),
    st.sampled_from([0.0, 5.0, 25.0, 60.0, 89.0]),
)
def test_wherever_a_satellite_stands_its_footprint_is_valid_and_holds_the_place_below(
    latitude_deg: float, longitude_deg: float, height_km: float, mask_deg: float
) -> None:
    below = np.radians([latitude_deg]), np.radians([longitude_deg])
    there_km = geodetic_to_itrs_km(*below, np.array([height_km]), "WGS84")[0]
    edge = footprint(there_km, math.sin(math.radians(mask_deg)))
    assert edge is not None
    rings = cut_ring(edge, north=bool(there_km[2] > 0))
    areas = [shape({"type": "Polygon", "coordinates": [ring]}) for ring in rings]
    assert all(area.is_valid for area in areas)
    assert all(LinearRing(ring).is_ccw for ring in rings)
    assert all(abs(x) <= 180 and abs(y) <= 90 for ring in rings for x, y in ring)
    assert min(area.distance(Point(longitude_deg, latitude_deg)) for area in areas) < 1e-6


def test_more_than_a_map_takes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(geojson_module, "MOST_SATELLITES", 10)
    with pytest.raises(InputError, match="66 satellites are more than 10 on a map: name fewer with --node"):
        text(geojson, scene(minutes=1))
