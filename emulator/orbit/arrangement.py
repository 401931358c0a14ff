"""How the satellites of a file lie in planes and slots, and how well an even shell fits them.  Pure.

Planes are found by the right ascension of the node, slots by the argument of
latitude, both carried to one instant by SGP4's secular rates (J2, J4 and drag);
short-period terms, some 0.1 degrees, are neglected.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..epoch import Float64, Int64
from .elements import ElementSet, argument_of_latitude_rad, node_rad

_TURN = 2 * np.pi
_POOR = 0.25  # of a spacing: nearer to half way between two than to one's own
_MOST_SPACING_DEG = 40.0  # of few planes: a satellite 10 degrees off is in no plane
_MOST_TILT_DEG = 1.0
_AHEAD_SLOTS = 0.05  # of two slots half way off, the one ahead is of the same number


@dataclass(frozen=True)
class Fit:
    """The largest distances, in degrees: of a satellite's node from its plane's, of a plane's from an even
    one, of a satellite from an even slot, of its inclination from its plane's."""

    node_deg: float
    plane_deg: float
    slot_deg: float
    inclination_deg: float


@dataclass(frozen=True)
class Arrangement:
    """Of a shell from a file.  ``order``: as the file has it, or as found; without a shape, one plane."""

    shell: str
    planes: int
    slots: int
    order: Literal["file", "found", "no shape"]
    spacing_deg: float  # of the planes' nodes
    fit: Fit

    def __str__(self) -> str:
        if self.order == "no shape":
            return f"{self.shell}: {self.slots} satellites as one plane, in the file's order (no shape)"
        how = "as in the file" if self.order == "file" else "found, since the file is not sorted by them"
        planes = f"planes {self.plane_said}" if self.planes > 1 else "one plane"
        return (
            f"{self.shell}: planes and slots {how}; at most {self.fit.node_deg:.2f} deg from a plane's node "
            f"and {self.fit.slot_deg:.2f} deg from an even slot, {planes}"
        )

    @property
    def plane_said(self) -> str:
        return f"{self.fit.plane_deg:.2f} deg from every {self.spacing_deg:.3g} deg"

    @property
    def problems(self) -> list[str]:
        """Where an even shell fits so badly that neighbours may be none; empty without a shape."""
        if self.order == "no shape":
            return []
        fit, apart_deg, slot_deg = self.fit, self.spacing_deg, 360 / self.slots
        found = []
        if fit.node_deg > _POOR * min(apart_deg, _MOST_SPACING_DEG):
            found.append(f"a satellite's node is {fit.node_deg:.3g} deg from its plane's")
        if fit.plane_deg > _POOR * apart_deg:
            found.append(f"a plane is {fit.plane_deg:.3g} deg from its place, {apart_deg:.3g} deg apart")
        if fit.slot_deg > _POOR * slot_deg:
            found.append(f"a satellite is {fit.slot_deg:.3g} deg from its slot, {slot_deg:.3g} deg apart")
        if fit.inclination_deg > _MOST_TILT_DEG:
            found.append(f"inclinations in a plane differ by {fit.inclination_deg:.3g} deg")
        return found

    def caution(self) -> list[str]:
        if not self.problems:
            return []
        return [
            f"shell {self.shell!r} is no even shell of {self.planes} planes of {self.slots}: "
            f"{'; '.join(self.problems)}: neighbours by plane and slot may be far from each other; "
            'correct the shape, take its satellites alone into the file, or set pattern = "nearest"'
        ]

    def to_dict(self) -> dict[str, object]:
        return {
            "shell": self.shell, "planes": self.planes, "slots": self.slots, "order": self.order,
            "node_off_deg": self.fit.node_deg, "plane_off_deg": self.fit.plane_deg,
            "slot_off_deg": self.fit.slot_deg, "inclination_off_deg": self.fit.inclination_deg,
            "is_poor": bool(self.problems),
        }  # fmt: skip


def arranged(
    name: str,
    elements: Sequence[ElementSet],
    shape: tuple[int, int] | None,
    *,
    star: bool,
    jd: float,
    fr: float,
) -> tuple[Int64, Arrangement]:
    """(n,) int64: the file's places by plane and slot; the file's own order where none fits better.

    Else plane 0 is that of the file's first satellite (in a star, the one east of the gap) and the others
    follow eastward; slots follow in the direction of flight, from the file's first of plane 0, and in each
    further plane from the one nearest to slot 0 of the plane before.
    """
    node, latitude = node_rad(elements, jd, fr), argument_of_latitude_rad(elements, jd, fr)
    inclination = np.array([each.satrec.inclo for each in elements])
    n_planes, n_slots = shape or (1, len(elements))

    def arrangement(order: Literal["file", "found", "no shape"], rows: Int64) -> Arrangement:
        grid = rows.reshape(n_planes, n_slots)
        spacing_deg, fit = _fit(node[grid], latitude[grid], inclination[grid], star)
        return Arrangement(name, n_planes, n_slots, order, spacing_deg, fit)

    as_read = np.arange(len(elements), dtype=np.int64)
    if shape is None:
        return as_read, arrangement("no shape", as_read)
    rows = _found(node, latitude, n_planes, n_slots, star)
    kept, found = arrangement("file", as_read), arrangement("found", rows)
    return (as_read, kept) if _misfit(kept) <= _misfit(found) + 1e-9 else (rows, found)


def _found(node: Float64, latitude: Float64, n_planes: int, n_slots: int, star: bool) -> Int64:
    by_node = np.argsort(node, kind="stable")
    direction = np.exp(1j * node[by_node])
    # where the first plane begins in that circle: where satellites of a plane lie nearest together
    together = [
        np.abs(np.roll(direction, -begin).reshape(n_planes, n_slots).sum(axis=1)).sum()
        for begin in range(n_slots if n_planes > 1 else 1)
    ]
    planes = np.roll(by_node, -int(np.argmax(together))).reshape(n_planes, n_slots)
    mean = np.angle(np.exp(1j * node[planes]).sum(axis=1))
    if star:
        first = (int(np.argmax(np.mod(np.roll(mean, -1) - mean, _TURN))) + 1) % n_planes
    else:
        first = int(np.flatnonzero((planes == 0).any(axis=1))[0])
    planes = np.roll(planes, -first, axis=0)
    begin = latitude[planes[0].min()]
    for p, plane in enumerate(planes):
        there = plane[np.argsort(latitude[plane], kind="stable")]
        ahead = begin + _AHEAD_SLOTS * _TURN / n_slots * (p > 0)
        zero = int(np.argmin(np.abs(_wrapped(latitude[there] - ahead))))
        planes[p] = np.roll(there, -zero)
        begin = latitude[planes[p, 0]]
    return planes.ravel().astype(np.int64)


def _fit(node: Float64, latitude: Float64, inclination: Float64, star: bool) -> tuple[float, Fit]:
    """Spacing of planes in degrees, and the fit; of (n_planes, n_slots) angles."""
    n_slots = node.shape[1]
    mean = np.angle(np.exp(1j * node).sum(axis=1))
    spacing, plane = _planes_off(mean, star)
    ways = [
        _wrapped(latitude - way * _TURN * np.arange(n_slots) / n_slots) for way in (1, -1)
    ]  # as satellites fly, or against it: neighbours are the same
    slot = min(float(np.abs(_about_mean(way)).max()) for way in ways)
    tilt = inclination - inclination.mean(axis=1, keepdims=True)
    off = (np.abs(_wrapped(node - mean[:, None])).max(), plane, slot, np.abs(tilt).max())
    return float(np.degrees(spacing)), Fit(*(float(np.degrees(each)) for each in off))


def _planes_off(mean: Float64, star: bool) -> tuple[float, float]:
    """Spacing, and the furthest plane's distance from its even place; eastward or westward."""
    n = len(mean)
    if n == 1:
        return _TURN, 0.0
    if not star:
        places = _TURN * np.arange(n) / n
        return _TURN / n, min(
            float(np.abs(_about_mean(_wrapped(mean - way * places)[None])).max()) for way in (1, -1)
        )
    # over half a turn or thereabouts (Iridium's are 31.6 degrees apart): by the line that fits best
    found = []
    for way in (1, -1):
        from_first = np.mod(way * (mean - mean[0]), _TURN)
        line = np.polyfit(np.arange(n), from_first, 1)
        found.append((float(np.abs(from_first - np.polyval(line, np.arange(n))).max()), float(line[0])))
    off, spacing = min(found)
    return abs(spacing), off


def _about_mean(angles: Float64) -> Float64:
    """Of (rows, n) angles, the distance of each from its row's mean direction."""
    return _wrapped(angles - np.angle(np.exp(1j * angles).sum(axis=1, keepdims=True)))


def _wrapped(angle: Float64) -> Float64:
    return np.asarray(np.angle(np.exp(1j * angle)), np.float64)


def _misfit(arrangement: Arrangement) -> float:
    """The largest of the distances, in spacings."""
    fit = arrangement.fit
    return max(
        fit.node_deg / arrangement.spacing_deg,
        fit.plane_deg / arrangement.spacing_deg,
        fit.slot_deg * arrangement.slots / 360,
    )
