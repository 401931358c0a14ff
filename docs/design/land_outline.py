"""The outline of land that reports draw their map on: made from world-atlas, simplified.

    npm pack world-atlas@2.0.2 && tar xzf world-atlas-2.0.2.tgz
    .venv/bin/python docs/design/land_outline.py package/land-110m.json

Writes emulator/report/data/land.json: rings of longitude and latitude in tenths of a degree.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).parents[2]
TARGET = ROOT / "emulator/report/data/land.json"
TOLERANCE_DEG = 0.2  # a pixel of a map 1,800 wide
LEAST_DEG2 = 0.5  # smaller islands are left out


def rings(topology: dict[str, Any]) -> list[NDArray[np.float64]]:
    """(n, 2) degrees each, closed, of a TopoJSON file's land."""
    scale, translate = (np.array(topology["transform"][key]) for key in ("scale", "translate"))
    arcs = [np.cumsum(np.array(arc), axis=0) * scale + translate for arc in topology["arcs"]]
    found = []
    for geometry in topology["objects"]["land"]["geometries"]:
        polygons = geometry["arcs"] if geometry["type"] == "MultiPolygon" else [geometry["arcs"]]
        for polygon in polygons:
            for ring in polygon:
                parts = [arcs[i] if i >= 0 else arcs[~i][::-1] for i in ring]
                found += across(np.concatenate([parts[0], *(part[1:] for part in parts[1:])]))
    return found


def across(ring: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """A ring over the 180th meridian goes on beyond it, and stands there twice; one around a pole goes "
    "to it."""
    unwrapped = ring.copy()
    unwrapped[:, 0] = np.unwrap(ring[:, 0], period=360)
    turned = unwrapped[-1, 0] - unwrapped[0, 0]
    if abs(turned) > 180:
        pole = -90.0 if ring[:, 1].mean() < 0 else 90.0
        ends = [[unwrapped[-1, 0], pole], [unwrapped[0, 0], pole], unwrapped[0]]
        unwrapped = np.concatenate([unwrapped, ends])
    low, high = unwrapped[:, 0].min(), unwrapped[:, 0].max()
    shifts = [0, *([-360] if high > 180.5 else []), *([360] if low < -180.5 else [])]
    return [unwrapped + np.array([shift, 0]) for shift in shifts]


def simplified(line: NDArray[np.float64]) -> NDArray[np.float64]:
    """By Douglas and Peucker: no point that was left out is farther off than the tolerance."""
    kept = np.zeros(len(line), bool)
    kept[[0, -1]] = True
    # a ring's ends are one point: its farthest from there parts it
    spans = [
        (0, int(np.hypot(*(line - line[0]).T).argmax())),
        (int(np.hypot(*(line - line[0]).T).argmax()), len(line) - 1),
    ]
    while spans:
        a, b = spans.pop()
        if b - a < 2:
            kept[[a, b]] = True
            continue
        along = line[b] - line[a]
        off = line[a + 1 : b] - line[a]
        length = np.hypot(*along)
        far = np.abs(along[0] * off[:, 1] - along[1] * off[:, 0]) / length if length else np.hypot(*off.T)
        worst = a + 1 + int(far.argmax())
        kept[[a, b]] = True
        if far.max() > TOLERANCE_DEG:
            spans += [(a, worst), (worst, b)]
    return line[kept]


def area_deg2(ring: NDArray[np.float64]) -> float:
    x, y = ring.T
    return float(abs(np.dot(x[:-1], y[1:]) - np.dot(x[1:], y[:-1])) / 2)


def main() -> None:
    topology = json.loads(Path(sys.argv[1]).read_text())
    kept = [simplified(ring) for ring in rings(topology) if area_deg2(ring) >= LEAST_DEG2]
    kept = [ring for ring in kept if len(ring) > 3]  # an island that is a line by now
    tenths = [np.rint(ring * 10).astype(int).ravel().tolist() for ring in kept]
    value = {
        "source": "world-atlas 2.0.2, land-110m.json, from Natural Earth 1:110m (public domain)",
        "licence": "ISC, Copyright 2013-2019 Michael Bostock",
        "made_by": "docs/design/land_outline.py",
        "unit": "tenths of a degree: longitude, latitude, longitude, ...",
        "rings": tenths,
    }
    TARGET.write_text(json.dumps(value, separators=(",", ":")) + "\n")
    points = sum(len(ring) // 2 for ring in tenths)
    print(f"{len(tenths)} rings, {points} points, {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
