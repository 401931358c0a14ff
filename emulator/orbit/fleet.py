"""All satellites of a constellation: who they are, how they are arranged, where they are at an instant."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from ..epoch import Float64, Int32, Int64
from ..errors import ElementsError
from ..known_names import FileName
from ..node_names import NodeNames
from ..scenario.code import parse_code
from ..scenario.constellation import Constellation, Shell
from .arrangement import Arrangement, arranged
from .elements import (
    ElementSet,
    Generated,
    argument_of_latitude_rad,
    epoch_days,
    from_planes,
    from_walker,
)
from .formation import formation_elements, lattice_of
from .gravity import GRAVITY, Gravity
from .omm import read_omm
from .propagate import States, failure_words
from .propagator import Propagator
from .shells import ShellLayout, slot_shifts
from .time import julian, unix_ns, utc_text
from .tle import read_tle

log = logging.getLogger(__name__)

OLD_ELEMENTS_DAYS = 7.0  # a TLE drifts by 1 to 3 km a day


@dataclass(frozen=True)
class Propagation:
    """How a shell's positions are found.

    ``error_km``: the largest distance from SGP4's own, as measured half way
    between two anomalies; 0 where each satellite is SGP4's.
    """

    shell: str
    satellites: int
    method: str
    error_km: float

    def __str__(self) -> str:
        within = f" within {self.error_km * 1e6:.3f} mm of it" if self.error_km else ""
        return f"{self.shell} by {self.method}{within}"


@dataclass(frozen=True, eq=False)
class Orbits:
    """Inclination, and distance from the Earth's centre at perigee and apogee: (o,) float64 each."""

    inclination_rad: Float64
    perigee_km: Float64
    apogee_km: Float64


@dataclass(frozen=True, eq=False)
class Fleet:
    """Satellites by plane and slot.

    ``shell``, ``plane`` and ``slot`` are (n,) int32; planes number on across
    shells.  ``names`` and, of generated shells, ``elements`` are made as they
    are asked for.  ``file_names`` are those of satellites from files, by index,
    and ``arrangements`` says of each shell from a file how it is laid out.
    """

    shells: tuple[ShellLayout, ...]
    shell: Int32
    plane: Int32
    slot: Int32
    names: NodeNames  # sat-<plane>-<slot>
    start_unix_ns: int
    dut1_s: float
    propagator: Propagator
    file_names: Mapping[int, FileName]
    arrangements: tuple[Arrangement, ...]

    def __len__(self) -> int:
        return len(self.plane)

    @property
    def elements(self) -> Sequence[ElementSet]:
        return self.propagator.elements

    @classmethod
    def build(cls, constellation: Constellation, start_utc: datetime, base: Path) -> Fleet:
        """Satellites from the shells, in order; ``base`` is the folder of relative element files.

        Raises ElementsError for a file that is wrong, and for a satellite that
        is no longer in orbit at the start.
        """
        gravity = GRAVITY[constellation.gravity]
        start_unix_ns = unix_ns(start_utc)
        parts = []
        for number, shell in enumerate(constellation.shells, 1):
            parts += _parts(shell, number, constellation.epoch_utc or start_utc, base, gravity, start_unix_ns)
        read = [each for part in parts if not isinstance(part.elements, Generated) for each in part.elements]
        _refuse_twice(read)
        _warn_of_old(read, start_unix_ns)
        shells = _layouts(parts, start_unix_ns)
        slots = np.array([size for shell in shells for size in shell.slots])
        first = np.cumsum(slots) - slots
        plane = np.repeat(np.arange(len(slots), dtype=np.int32), slots)
        slot = np.arange(len(plane), dtype=np.int32) - np.repeat(first.astype(np.int32), slots)
        fleet = cls(
            shells=shells,
            shell=np.repeat(np.arange(len(shells), dtype=np.int32), [len(s) for s in shells]),
            plane=plane,
            slot=slot,
            names=NodeNames(plane, slot),
            start_unix_ns=start_unix_ns,
            dut1_s=constellation.dut1_s,
            propagator=Propagator(
                [(part.elements, part.slots) for part in parts], start_unix_ns, constellation.dut1_s
            ),
            file_names=_file_names(parts),
            arrangements=tuple(part.arrangement for part in parts if part.arrangement is not None),
        )
        fleet.check_orbits(np.zeros(1, np.int64))
        return fleet

    def states_itrs(self, sim_ns: Int64, *, check: bool = True) -> States:
        """States at (t,) int64 ns since the scenario's start; shapes and frame: ``States``.

        Where SGP4 fails for a satellite (it has decayed), raises ElementsError
        with its name and the instant; with ``check=False``, its rows are NaN
        and ``error`` says why.
        """
        instants = self._instants(sim_ns)
        states = self.propagator.states(instants)
        if check and states.error.any():
            raise self._failure(states, instants)
        return states

    def states_of(self, satellites: Int64, sim_ns: Int64) -> States:
        """States of some, (u,) int64, at (t,) int64 ns since the scenario's start; no error: NaN, as above.

        Those of all, within the millimetre of ``FAMILY_ERROR_KM``.
        """
        return self.propagator.states_of(np.asarray(satellites, np.int64), self._instants(sim_ns))

    def check_orbits(self, sim_ns: Int64) -> None:
        """ElementsError for the first satellite not in orbit at any of (t,) int64 ns since the start."""
        if not self.propagator.all_in_orbit(self._instants(sim_ns)):
            for instant in np.atleast_1d(sim_ns):  # one by one: all at once may be more than memory holds
                self.states_itrs(np.array([instant], np.int64))

    @property
    def propagation(self) -> tuple[Propagation, ...]:
        """Of each shell; its largest error where its planes differ."""
        found = []
        for shell in self.shells:
            families = self.propagator.families[shell.first_plane : shell.first_plane + shell.n_planes]
            steps = {family.n for family in families if family is not None}
            few = None in families
            method = " and ".join(
                [*(f"SGP4 at {n} anomalies, interpolated" for n in sorted(steps)), *(["SGP4"] if few else [])]
            )
            error_km = max((family.error_km for family in families if family is not None), default=0.0)
            found.append(Propagation(shell.name, len(shell), method, error_km))
        return tuple(found)

    def orbits(self) -> Orbits:
        """By mean elements; what all satellites of a shell share is there once."""
        rows = self.propagator.different()
        satrecs = [self.elements[row].satrec for row in rows.tolist()]
        found = np.array(
            [(s.inclo, s.radiusearthkm * (1 + s.altp), s.radiusearthkm * (1 + s.alta)) for s in satrecs]
        )
        return Orbits(*np.unique(found, axis=0).T)

    def _instants(self, sim_ns: Int64) -> Int64:
        return self.start_unix_ns + np.atleast_1d(np.asarray(sim_ns, np.int64))

    def _failure(self, states: States, instants: Int64) -> ElementsError:
        """About the first instant at which any satellite fails."""
        time = int(np.flatnonzero(states.error.any(axis=0))[0])
        bad = np.flatnonzero(states.error[:, time])
        satellite = int(bad[0])
        source = self.elements[satellite]
        known = [source.label] if source.label else []
        known += [f"catalogue number {source.catalog}"] if source.catalog is not None else []
        named = self.names[satellite] + (f" ({', '.join(known)})" if known else "")
        others = "" if len(bad) == 1 else f", and {len(bad) - 1} more satellites fail then"
        return ElementsError(
            f"satellite {named} is not in orbit at {utc_text(int(instants[time]))}: "
            f"{failure_words(int(states.error[satellite, time]))}{others}; "
            "remove it from the elements, take newer ones, or move the start of the run",
            path=source.path,
            line=source.line,
        )


@dataclass(frozen=True)
class _Part:
    """One shell as it is laid out: a code of several shells makes several."""

    name: str
    elements: Sequence[ElementSet]
    slots: tuple[int, ...]
    star: bool
    walker_wrap: int | None  # slots by which the wrap of a Walker shell shifts; None: from the elements
    arrangement: Arrangement | None = None  # of a file
    lattice: Int32 | None = None  # of a formation


def _parts(
    shell: Shell, number: int, epoch_utc: datetime, base: Path, gravity: Gravity, start_unix_ns: int
) -> list[_Part]:
    name = shell.name or f"shell-{number}"
    if shell.code is not None:
        walkers = parse_code(shell.code)
        return [
            _Part(
                name=name if len(walkers) == 1 else f"{name}.{i}",
                elements=Generated(from_walker(walker), epoch_utc, gravity),
                slots=(walker.n_slots,) * walker.n_planes,
                star=walker.star,
                walker_wrap=walker.phasing % walker.n_slots,
            )
            for i, walker in enumerate(walkers, 1)
        ]
    if shell.planes is not None:
        planes = from_planes(shell.planes)
        sizes = tuple(plane.n_slots for plane in planes)
        return [_Part(name, Generated(planes, epoch_utc, gravity), sizes, shell.star, None)]
    if shell.formation is not None:
        flock = formation_elements(shell.formation, epoch_days(epoch_utc), gravity)
        return [_Part(name, flock, (len(flock),), False, None, lattice=lattice_of(shell.formation))]
    file = shell.tle or shell.omm
    if file is None:
        raise ValueError(
            "a shell gives none of code, planes, formation, tle, omm"
        )  # the scenario's own check refuses it
    path = base / file
    elements = read_tle(path, gravity) if shell.tle is not None else read_omm(path, gravity)
    n_planes, n_slots = shell.shape or (1, len(elements))
    if n_planes * n_slots != len(elements):
        raise ElementsError(
            f"the file holds {len(elements)} satellites, and shape = [{n_planes}, {n_slots}] asks for "
            f"{n_planes * n_slots}: correct the shape",
            path=path,
        )
    jd, fr = julian(np.array([start_unix_ns]))
    order, arrangement = arranged(
        name, elements, shell.shape, star=shell.star, jd=float(jd[0]), fr=float(fr[0])
    )
    return [
        _Part(
            name=name,
            elements=[elements[row] for row in order.tolist()],
            slots=(n_slots,) * n_planes,
            star=shell.star,
            walker_wrap=None,
            arrangement=arrangement,
        )
    ]


def _file_names(parts: Sequence[_Part]) -> dict[int, FileName]:
    found: dict[int, FileName] = {}
    first = 0
    for part in parts:
        if not isinstance(part.elements, Generated):
            for row, each in enumerate(part.elements, first):
                if each.label or each.catalog is not None:
                    found[row] = FileName(each.label, each.catalog)
        first += len(part.elements)
    return found


def _layouts(parts: Sequence[_Part], start_unix_ns: int) -> tuple[ShellLayout, ...]:
    layouts: list[ShellLayout] = []
    jd, fr = julian(np.array([start_unix_ns]))
    for part in parts:
        latitude_rad = argument_of_latitude_rad(part.elements, float(jd[0]), float(fr[0]))
        if part.walker_wrap is None:
            shift = slot_shifts(latitude_rad, part.slots)
        else:
            shift = np.zeros(len(part.slots), np.int32)
            shift[-1] = part.walker_wrap
        layouts.append(
            ShellLayout(
                first=sum(len(layout) for layout in layouts),
                first_plane=sum(layout.n_planes for layout in layouts),
                slots=part.slots,
                star=part.star,
                slot_shift=shift,
                name=part.name,
                argument_of_latitude_rad=latitude_rad,
                walker=part.walker_wrap is not None,
                lattice=part.lattice,
            )
        )
    return tuple(layouts)


def _refuse_twice(elements: Sequence[ElementSet]) -> None:
    seen: dict[int, ElementSet] = {}
    for each in elements:
        if each.catalog is None:
            continue
        first = seen.setdefault(each.catalog, each)
        if first is not each:
            where = f"line {first.line}" if first.path == each.path else f"{first.path}:{first.line}"
            raise ElementsError(
                f"the satellite with catalogue number {each.catalog} is given a second time "
                f"(first in {where}): remove one",
                path=each.path,
                line=each.line,
            )


def _warn_of_old(elements: Sequence[ElementSet], start_unix_ns: int) -> None:
    jd, fr = julian(np.array([start_unix_ns]))
    ages: dict[Path, list[float]] = {}
    for each in elements:
        if each.path is not None:
            age = float(jd[0] - each.satrec.jdsatepoch + fr[0] - each.satrec.jdsatepochF)
            ages.setdefault(each.path, []).append(age)
    for path, days in ages.items():
        old = [age for age in days if abs(age) > OLD_ELEMENTS_DAYS]
        if old:
            log.warning(
                "%s: the epochs of %d of %d satellites lie more than %g days from the start of the run "
                "(up to %.0f): a position drifts by 1 to 3 km a day, so take elements of that time",
                path,
                len(old),
                len(days),
                OLD_ELEMENTS_DAYS,
                max(map(abs, old)),
            )
