"""CZML, for Cesium and for STK: satellites that move, gateways, and links while they are there.

Positions are in the frame that turns with the Earth (FIXED), where Cesium needs no Earth orientation of its
own to put them right; a minute apart, and between two of them by Lagrange's polynomial of degree 5.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..epoch import NS_PER_S, LinkKind
from .link_intervals import LinkInterval, link_intervals
from .scene import Scene

POSITION_STEP_NS = 60 * NS_PER_S
DEGREE = 5
_LEAST_SAMPLES = 12  # of a window shorter than some minutes
_PLAYED_IN_S = 120.0  # so long does a look at the whole window take

# Okabe and Ito's, which people tell apart however they see colours
_SHELLS = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (213, 94, 0), (204, 121, 167))
_COLOURS = {LinkKind.LASER: (0, 158, 115, 170), LinkKind.GROUND: (230, 159, 0, 220)}


def czml(scene: Scene) -> Iterator[str]:
    """A list of packets, one a line."""
    intervals = link_intervals(scene)
    yield "[\n" + _json(_document(scene))
    for packet in _packets(scene, intervals):
        yield ",\n" + _json(packet)
    yield "\n]\n"


def _packets(scene: Scene, intervals: list[LinkInterval]) -> Iterator[dict[str, Any]]:
    for gateway in scene.gateways.tolist():
        yield _gateway(scene, gateway)
    step_ns = max(1, min(POSITION_STEP_NS, scene.duration_ns // _LEAST_SAMPLES))
    instants_ns = scene.instants_ns(step_ns)
    ahead_s = (instants_ns - scene.begin_sim_ns) / NS_PER_S
    for satellite, position_km in scene.tracks(instants_ns):
        metres = np.round(position_km * 1000, 2)
        samples = np.column_stack([ahead_s, metres]).ravel().tolist()
        yield _satellite(scene, satellite, samples)
    by_link: dict[tuple[int, int], list[LinkInterval]] = {}
    for each in intervals:
        by_link.setdefault((each.a, each.b), []).append(each)
    for (a, b), of_link in sorted(by_link.items()):
        yield _link(scene, a, b, of_link)


def _document(scene: Scene) -> dict[str, Any]:
    return {
        "id": "document",
        "name": scene.title,
        "version": "1.0",
        "clock": {
            "interval": scene.interval(scene.begin_sim_ns, scene.end_sim_ns),
            "currentTime": scene.utc(scene.begin_sim_ns),
            "multiplier": max(1.0, round(scene.duration_ns / NS_PER_S / _PLAYED_IN_S)),
            "range": "LOOP_STOP",
            "step": "SYSTEM_CLOCK_MULTIPLIER",
        },
    }


def _gateway(scene: Scene, node: int) -> dict[str, Any]:
    place_km = scene.geometry.stations.position_itrs_km[node - scene.geometry.nodes.n_satellites]
    name = scene.names[node]
    return {
        "id": name,
        "name": name,
        "position": {"referenceFrame": "FIXED", "cartesian": np.round(place_km * 1000, 2).tolist()},
        "point": {"pixelSize": 8, "color": {"rgba": [213, 94, 0, 255]}},
        "label": {"text": name, "font": "12px sans-serif", "pixelOffset": {"cartesian2": [0, -14]}},
    }


def _satellite(scene: Scene, node: int, samples: list[float]) -> dict[str, Any]:
    name, known = scene.names[node], scene.known_as(node)
    colour = _SHELLS[int(scene.geometry.nodes.shell[node]) % len(_SHELLS)]
    return {
        "id": name,
        "name": f"{name} ({known})" if known else name,
        "availability": scene.interval(scene.begin_sim_ns, scene.end_sim_ns),
        "position": {
            "epoch": scene.utc(scene.begin_sim_ns),
            "referenceFrame": "FIXED",
            "interpolationAlgorithm": "LAGRANGE",
            "interpolationDegree": DEGREE,
            "cartesian": samples,
        },
        "point": {"pixelSize": 4, "color": {"rgba": [*colour, 255]}},
    }


def _link(scene: Scene, a: int, b: int, intervals: list[LinkInterval]) -> dict[str, Any]:
    names = scene.names[a], scene.names[b]
    when = [scene.interval(each.begin_sim_ns, each.end_sim_ns) for each in intervals]
    return {
        "id": ":".join(names),
        "name": f"{intervals[0].kind.name.lower()} {names[0]} - {names[1]}",
        "availability": when[0] if len(when) == 1 else when,
        "polyline": {
            "positions": {"references": [f"{name}#position" for name in names]},
            "arcType": "NONE",  # light goes straight
            "width": 1,
            "material": {"solidColor": {"color": {"rgba": list(_COLOURS[intervals[0].kind])}}},
        },
    }


def _json(packet: dict[str, Any]) -> str:
    return json.dumps(packet, separators=(",", ":"), allow_nan=False)
