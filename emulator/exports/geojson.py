"""GeoJSON (RFC 7946): ground tracks over the window, where satellites are seen at its begin, gateways."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..epoch import NS_PER_S, Float64
from ..errors import InputError
from ..orbit.geodetic import geodetic
from .antimeridian import cut_line, cut_ring
from .footprint import footprint
from .scene import Scene

TRACK_STEP_NS = 30 * NS_PER_S
_MOST_TURN_DEG = 5.0  # of longitude, between two places of a track
_ROUNDS = 5
# some 5 ms and 10 kB each
MOST_SATELLITES = 20_000


def geojson(scene: Scene) -> Iterator[str]:
    """A FeatureCollection, a feature a line; ``kind``: gateway, track, footprint."""
    yield '{"type":"FeatureCollection","features":[\n'
    before = ""
    for feature in _features(scene):
        yield before + json.dumps(feature, separators=(",", ":"), allow_nan=False)
        before = ",\n"
    yield "\n]}\n"


def _features(scene: Scene) -> Iterator[dict[str, Any]]:
    n = scene.geometry.nodes.n_satellites
    if len(scene.satellites) > MOST_SATELLITES:
        raise InputError(
            f"{len(scene.satellites):,} satellites are more than {MOST_SATELLITES:,} on a map: "
            "name fewer with --node"
        )
    stations = scene.geometry.stations
    for node in scene.gateways.tolist():
        place = geodetic(stations.position_itrs_km[node - n])
        said = {"name": scene.names[node], "kind": "gateway"}
        yield _feature("Point", _place(place), said)
    # as the least demanding station sees it
    sine_mask = float(stations.sine_mask.min(initial=1.0)) if len(stations) else 0.0
    range_km = float(stations.max_slant_range_km.max(initial=0.0)) if len(stations) else math.inf
    instants_ns = scene.instants_ns(TRACK_STEP_NS)
    for node, position_km in scene.tracks(instants_ns):
        said = _said(scene, node)
        parts = cut_line(_track(position_km))
        window = {"begin": scene.utc(scene.begin_sim_ns), "end": scene.utc(scene.end_sim_ns)}
        if parts:
            yield _lines(parts, said | {"kind": "track"} | window)
        edge = footprint(position_km[0], sine_mask, range_km)
        if edge is not None:
            rings = cut_ring(edge, north=bool(position_km[0, 2] > 0))
            seen: dict[str, Any] = {"kind": "footprint", "at": scene.utc(scene.begin_sim_ns)}
            seen |= {"min_elevation_deg": round(math.degrees(math.asin(sine_mask)), 9)}
            yield _areas(rings, said | seen)


def _said(scene: Scene, node: int) -> dict[str, Any]:
    nodes = scene.geometry.nodes
    known = scene.known_as(node)
    shell = scene.geometry.fleet.shells[int(nodes.shell[node])].name
    said: dict[str, Any] = {"name": scene.names[node], "shell": shell}
    said |= {"plane": int(nodes.plane[node]), "slot": int(nodes.slot[node])}
    return said | ({"known_as": known} if known else {})


def _track(position_km: Float64) -> Float64:
    """(m, 3): longitude, latitude, height in m; with places between where a pole is near."""
    for _ in range(_ROUNDS):
        places = geodetic(position_km)
        turn = np.abs((np.diff(places[:, 0]) + 180) % 360 - 180)
        wide = np.flatnonzero(turn > _MOST_TURN_DEG)
        if not len(wide):
            break
        middle = position_km[wide] + position_km[wide + 1]
        length = np.linalg.norm(position_km[wide], axis=1) + np.linalg.norm(position_km[wide + 1], axis=1)
        middle *= (length / 2 / np.linalg.norm(middle, axis=1))[:, None]
        position_km = np.insert(position_km, wide + 1, middle, axis=0)
    places = geodetic(position_km)
    places[:, 2] *= 1000
    return places


def _place(place: Float64) -> list[float]:
    return [round(float(place[0]), 6), round(float(place[1]), 6), round(float(place[2]) * 1000, 1) + 0.0]


def _lines(parts: list[list[list[float]]], said: dict[str, Any]) -> dict[str, Any]:
    parts = [[[p[0], p[1], round(p[2], 1)] for p in part] for part in parts]
    if len(parts) == 1:
        return _feature("LineString", parts[0], said)
    return _feature("MultiLineString", parts, said)


def _areas(rings: list[list[list[float]]], said: dict[str, Any]) -> dict[str, Any]:
    if len(rings) == 1:
        return _feature("Polygon", rings, said)
    return _feature("MultiPolygon", [[ring] for ring in rings], said)


def _feature(kind: str, coordinates: Any, said: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Feature", "geometry": {"type": kind, "coordinates": coordinates}, "properties": said}
