"""Lines and areas as RFC 7946 wants them: cut at the antimeridian, right at poles, the inside left.  Pure.

All in degrees; a place is (longitude, latitude, …).
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from ..epoch import Float64

Ring = list[list[float]]

_POLAR_JUMP = 90.0  # so far a line's longitude jumps only as it passes a pole


def cut_line(places: Float64) -> list[Ring]:
    """Parts of a line, (n, d) float64 with n >= 2, whose longitudes may jump by a turn."""
    parts: list[Ring] = [[places[0].tolist()]]
    for here, there in pairwise(places):
        jump = there[0] - here[0]
        turned = (jump + 180) % 360 - 180
        if abs(turned) > _POLAR_JUMP:
            pole = 90.0 if here[1] > 0 else -90.0
            parts[-1].append([here[0], pole, *((here[2:] + there[2:]) / 2)])
            parts.append([[there[0], pole, *((here[2:] + there[2:]) / 2)]])
        elif abs(jump) > 180:
            edge = 180.0 if here[0] > 0 else -180.0
            share = (edge - here[0]) / turned
            crossing = here[1:] + share * (there[1:] - here[1:])
            parts[-1].append([edge, *crossing])
            parts.append([[-edge, *crossing]])
        parts[-1].append(there.tolist())
    rounded = [[_floats(place) for place in part] for part in parts]
    # one that only touches the edge of the map is no line
    return [once for part in rounded if len(once := _without_twins(part)) > 1]


def _without_twins(part: Ring) -> Ring:
    return [place for k, place in enumerate(part) if k == 0 or place != part[k - 1]]


def cut_ring(ring: Float64, *, north: bool) -> list[Ring]:
    """Polygons' outer rings, closed, of one, (n, 2) float64 and not closed, which has its inside to the left.

    ``north``: by which pole it lies, if it goes around one.
    """
    turned = (np.diff(ring[:, 0], append=ring[0, 0]) + 180) % 360 - 180
    longitude = ring[0, 0] + np.concatenate([[0.0], np.cumsum(turned)[:-1]])
    if abs(turned.sum()) > 180:
        return [_around_pole(longitude, ring[:, 1], float(turned.sum()), north=north)]
    longitude = longitude - 360 * np.floor((longitude.mean() + 180) / 360)
    flat = np.column_stack([longitude, ring[:, 1]])
    edge = 180.0 if longitude.max() > 180 else -180.0 if longitude.min() < -180 else None
    if edge is None:
        return [_closed(flat)]
    inner = _clipped(flat, edge, keep_below=edge > 0)
    outer = _clipped(flat, edge, keep_below=edge < 0)
    outer[:, 0] -= 2 * edge
    return [_closed(part) for part in (inner, outer) if len(part) > 2]


def _around_pole(longitude: Float64, latitude: Float64, turn: float, *, north: bool) -> Ring:
    """From one side of the map to the other, and back over the pole."""
    direction = np.sign(turn)
    begin = -180.0 * direction
    ahead = (direction * (longitude - begin)) % 360  # from the side where it begins, growing
    order = np.argsort(ahead, kind="stable")
    ahead, latitude = ahead[order], latitude[order]
    gap = 360 - ahead[-1] + ahead[0]
    share = (360 - ahead[-1]) / gap if gap > 0 else 0.0
    at_edge = float(latitude[-1] + share * (latitude[0] - latitude[-1]))
    line = [[begin, at_edge], *([begin + direction * a, b] for a, b in zip(ahead, latitude, strict=True))]
    pole = 90.0 if north else -90.0
    return [_floats(p) for p in (*line, [-begin, at_edge], [-begin, pole], [begin, pole], [begin, at_edge])]


def _clipped(ring: Float64, edge: float, *, keep_below: bool) -> Float64:
    """Sutherland and Hodgman, for one meridian: a circle on the sphere crosses it twice at most."""
    found: list[list[float]] = []
    side = (edge - ring[:, 0]) * (1 if keep_below else -1)
    for k in range(len(ring)):
        here, there = ring[k], ring[(k + 1) % len(ring)]
        ours, theirs = side[k], side[(k + 1) % len(ring)]
        if ours >= 0:
            found.append(here.tolist())
        if ours * theirs < 0:
            share = ours / (ours - theirs)
            found.append([edge, float(here[1] + share * (there[1] - here[1]))])
    return np.array(found).reshape(-1, 2)


def _closed(ring: Float64) -> Ring:
    rows = [_floats(row) for row in ring.tolist()]
    return [*rows, rows[0]]


def _floats(place: list[float]) -> list[float]:
    """To a tenth of a metre."""
    return [round(float(value), 6) for value in place]
