"""Where a whole constellation is: by families where that is as good, by SGP4 itself for the others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sgp4.api import SatrecArray

from ..epoch import Bool, Int32, Int64
from .elements import ElementSet, ElementSets, Generated, OrbitalPlane
from .families import Family, Runs
from .propagate import Bounds, States, states_itrs

_NONE = -1  # of no family: SGP4 itself
_MAKING = 8  # making a Satrec takes as long as so many states


class Chain(ElementSets):
    """Those of several shells."""

    def __init__(self, shells: Sequence[Sequence[ElementSet]]) -> None:
        super().__init__(len(shell) for shell in shells)
        self._shells = shells

    def _made(self, part: int, place: int) -> ElementSet:
        return self._shells[part][place]


class Propagator:
    """States of satellites numbered through parts, in each by plane and slot.

    ``families`` holds that of each plane, None where SGP4 itself is used; in it
    a position is within ``FAMILY_ERROR_KM`` of SGP4's own.
    """

    def __init__(
        self,
        parts: Sequence[tuple[Sequence[ElementSet], Sequence[int]]],
        start_unix_ns: int,
        dut1_s: float,
    ) -> None:
        """Of each part the element sets and how many of them make each plane."""
        self.elements = Chain([sets for sets, _ in parts])
        self.families = _families(parts, start_unix_ns)
        self._dut1_s = dut1_s
        self._kinds = [family for family in dict.fromkeys(self.families) if family is not None]
        number = {family: i for i, family in enumerate(self._kinds)}
        self._kind: Int32 = np.array(
            [_NONE if family is None else number[family] for family in self.families], np.int32
        )  # of each plane
        slots = np.array([size for _, sizes in parts for size in sizes], np.int64)
        planes = [plane for sets, sizes in parts for plane in _planes(sets, len(sizes))]
        self._runs = Runs(
            first_row=np.cumsum(slots) - slots,
            satellites=slots,
            # of a file's satellites these are not looked at
            anomaly_rad=np.array([0.0 if plane is None else plane.phase_rad for plane in planes]),
            spacing_rad=2 * np.pi / slots,
            node_rad=np.array([0.0 if plane is None else plane.raan_rad for plane in planes]),
        )
        self._runs_of_kind = [self._runs.chosen(self._kind == kind) for kind in range(len(self._kinds))]
        self._direct: Int64 = np.flatnonzero(np.repeat(self._kind == _NONE, slots))
        self._satrecs = self._made(self._direct)

    def states(self, instant_unix_ns: Int64) -> States:
        """All satellites at (t,) int64 ns UTC since 1970."""
        if not self._kinds:
            return self._by_sgp4(self._satrecs, instant_unix_ns)
        found = States.empty(len(self.elements), len(instant_unix_ns))
        if len(self._direct):
            _put(found, self._direct, self._by_sgp4(self._satrecs, instant_unix_ns))
        for kind, family in enumerate(self._kinds):
            if not family.put(self._runs_of_kind[kind], instant_unix_ns, self._dut1_s, found):
                of_it = np.repeat(self._kind == kind, self._runs.satellites)
                self._repair(found, np.flatnonzero(of_it), instant_unix_ns)
        return found

    def states_of(self, satellites: Int64, instant_unix_ns: Int64) -> States:
        """Some of them, (u,) int64: what is cheaper of SGP4 itself and their families."""
        n_instants = len(instant_unix_ns)
        plane = np.searchsorted(self._runs.first_row, satellites, side="right") - 1
        kinds = self._kind[plane]
        found = States.empty(len(satellites), n_instants)
        direct = kinds == _NONE
        for kind, family in enumerate(self._kinds):
            rows = np.flatnonzero(kinds == kind)
            if len(rows) * (_MAKING + n_instants) <= family.n * n_instants:
                direct[rows] = True
                continue
            of_it = plane[rows]
            slot = satellites[rows] - self._runs.first_row[of_it]
            runs = Runs(
                first_row=rows,
                satellites=np.ones_like(rows),
                anomaly_rad=self._runs.anomaly_rad[of_it] + self._runs.spacing_rad[of_it] * slot,
                spacing_rad=np.zeros(len(rows)),
                node_rad=self._runs.node_rad[of_it],
            )
            if not family.put(runs, instant_unix_ns, self._dut1_s, found):
                self._repair(found, rows, instant_unix_ns, satellites)
        rows = np.flatnonzero(direct)
        if len(rows):
            _put(found, rows, self._by_sgp4(self._made(satellites[rows]), instant_unix_ns))
        return found

    def different(self) -> Int64:
        """One satellite of each family, and all that are of none."""
        kinds, plane = np.unique(self._kind, return_index=True)
        return np.concatenate([self._direct, self._runs.first_row[plane[kinds != _NONE]]])

    def all_in_orbit(self, instant_unix_ns: Int64) -> bool:
        """Whether SGP4 finds so, at each of (t,); of a family its references answer for all."""
        if len(self._direct):
            error: Bool = self._by_sgp4(self._satrecs, instant_unix_ns).error != 0
            if error.any():
                return False
        return not any(down.any() for family in self._kinds for _, down in family.states(instant_unix_ns))

    def _repair(
        self, found: States, rows: Int64, instant_unix_ns: Int64, satellites: Int64 | None = None
    ) -> None:
        """SGP4 itself for those of the rows that lie beside a reference that is not in orbit."""
        bad = rows[np.isnan(found.position_km[rows, :, 0]).any(axis=1)]
        made = self._made(bad if satellites is None else satellites[bad])
        _put(found, bad, self._by_sgp4(made, instant_unix_ns))

    def _made(self, satellites: Int64) -> tuple[SatrecArray, Bounds]:
        satrecs = [self.elements[i].satrec for i in satellites.tolist()]
        return SatrecArray(satrecs), Bounds.of(satrecs)

    def _by_sgp4(self, made: tuple[SatrecArray, Bounds], instant_unix_ns: Int64) -> States:
        return states_itrs(made[0], instant_unix_ns, self._dut1_s, made[1])


def _planes(sets: Sequence[ElementSet], count: int) -> Sequence[OrbitalPlane | None]:
    return sets.planes if isinstance(sets, Generated) else [None] * count


def _families(
    parts: Sequence[tuple[Sequence[ElementSet], Sequence[int]]], unix_ns: int
) -> tuple[Family | None, ...]:
    """Of each plane; shells of one kind share theirs."""
    generated = [(sets, plane) for sets, _ in parts if isinstance(sets, Generated) for plane in sets.planes]
    satellites: dict[tuple[float, ...], int] = {}
    for _, plane in generated:
        satellites[plane.kind] = satellites.get(plane.kind, 0) + plane.n_slots
    known = {}
    for sets, plane in generated:
        if plane.kind not in known:
            known[plane.kind] = Family.of(sets, plane, satellites[plane.kind], unix_ns)
    return tuple(
        None if plane is None else known[plane.kind]
        for sets, sizes in parts
        for plane in _planes(sets, len(sizes))
    )


def _put(found: States, rows: Int64, some: States) -> None:
    found.position_km[rows] = some.position_km
    found.velocity_km_per_s[rows] = some.velocity_km_per_s
    found.error[rows] = some.error
