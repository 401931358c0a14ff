"""Satellites that share all mean elements but mean anomaly and node: SGP4 for some of them serves all.

Without drag, and below the 225 minutes at which the Sun and the Moon come in,
SGP4's rates depend on mean motion, eccentricity and inclination alone, and the
node only turns the orbit about the pole.  So at an instant the state is one
smooth, periodic function of the mean anomaly at the epoch, turned by the node:
SGP4 gives it at even steps, and six-point Lagrange interpolation the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from sgp4.api import SatrecArray

from ..compiled import f64, function, i64, size
from ..epoch import Bool, Float64, Int64
from .elements import Generated, OrbitalPlane
from .frames import gmst82_rad, teme_to_itrs_km_per_s
from .propagate import States
from .time import julian

#: an interpolated position is at most so far from that of SGP4 itself
FAMILY_ERROR_KM = 1e-6
# half way between two steps, at the epoch, it must be ten times nearer
_MEASURED_KM = FAMILY_ERROR_KM / 10
_FEWEST, _MOST = 256, 4096  # references: at 256 a circular low orbit is 8e-9 km off
_TURN = 2 * np.pi

_family_states = function(
    "family_states", size, i64, i64, f64, f64, f64, f64, size, f64, size, size, f64, f64
)


@dataclass(frozen=True, eq=False)
class Runs:
    """Satellites in rows that follow each other, of one plane, evenly spaced from the first: (r,) arrays.

    ``first_row`` and ``satellites`` int64; ``anomaly_rad`` of the first, the
    spacing (all of a run within a turn) and the node's right ascension, float64.
    """

    first_row: Int64
    satellites: Int64
    anomaly_rad: Float64
    spacing_rad: Float64
    node_rad: Float64

    def chosen(self, rows: Bool) -> Runs:
        return Runs(
            self.first_row[rows],
            self.satellites[rows],
            self.anomaly_rad[rows],
            self.spacing_rad[rows],
            self.node_rad[rows],
        )


@dataclass(frozen=True, eq=False)
class Family:
    """``references``: node 0 and mean anomalies 2π k/n; ``error_km``, of positions, as measured."""

    references: SatrecArray
    n: int
    error_km: float

    @classmethod
    def of(cls, generated: Generated, plane: OrbitalPlane, satellites: int, unix_ns: int) -> Family | None:
        """That of a plane's mean elements, or None where SGP4 itself serves its satellites better.

        Which is where there are few of them, where the period is long, where
        any of the references is not in orbit at the instant, and where the
        orbit is so eccentric that the steps would be too small.
        """
        if generated.satrec(plane, 0.0, 0.0).method != "n":
            return None
        n = _FEWEST
        while 2 * n <= min(satellites, _MOST):
            # between every two references another one, to measure with
            twice = [generated.satrec(plane, _TURN * k / (2 * n), 0.0) for k in range(2 * n)]
            found = cls(SatrecArray(twice[::2]), n, 0.0)
            between = cls(SatrecArray(twice[1::2]), n, 0.0)
            error_km = found._against(between, unix_ns)
            if error_km is None:
                return None
            if error_km <= _MEASURED_KM:
                return cls(found.references, n, error_km)
            n *= 2
        return None

    def states(self, instant_unix_ns: Int64) -> Iterator[tuple[Float64, Bool]]:
        """Of each of (t,) instants the (n, 6) float64 km, km/s of the references, and (n,) which are not
        in orbit: as in ITRS, velocity relative to the turning Earth, if the node's longitude were 0."""
        error, position, velocity = self.references.sgp4(*julian(instant_unix_ns))
        position[error != 0] = np.nan  # SGP4 leaves numbers where it finds the satellite below the ground
        # the Earth's rotation is about the axis by which the node turns: either may go first
        velocity = teme_to_itrs_km_per_s(velocity, position, np.zeros(len(instant_unix_ns)))
        for time in range(len(instant_unix_ns)):
            yield np.hstack([position[:, time], velocity[:, time]]), error[:, time] != 0

    def put(self, runs: Runs, instant_unix_ns: Int64, dut1_s: float, into: States) -> bool:
        """Write the runs' rows of the states; whether all references were in orbit.

        Rows beside one that was not are NaN.
        """
        all_fly = True
        n_instants = len(instant_unix_ns)
        gmst_rad = gmst82_rad(instant_unix_ns, dut1_s)
        # rounding may have made a whole turn of an angle just below it
        first_step = np.mod(runs.anomaly_rad * (self.n / _TURN), self.n)
        first_step[first_step >= self.n] = 0.0
        spacing_steps = runs.spacing_rad * (self.n / _TURN)
        around = np.arange(-2, self.n + 3) % self.n
        for time, (states, down) in enumerate(self.states(instant_unix_ns)):
            longitude_rad = runs.node_rad - gmst_rad[time]
            _family_states(
                len(runs.first_row),
                runs.first_row,
                runs.satellites,
                first_step,
                spacing_steps,
                np.cos(longitude_rad),
                np.sin(longitude_rad),
                self.n,
                states[around],
                n_instants,
                time,
                into.position_km,
                into.velocity_km_per_s,
            )
            all_fly = all_fly and not down.any()
        return all_fly

    def _against(self, between: Family, unix_ns: int) -> float | None:
        """Error in km half way between two references, from those that are there; None: some do not fly."""
        instant = np.array([unix_ns], np.int64)
        ours, theirs = (next(family.states(instant)) for family in (self, between))
        if ours[1].any() or theirs[1].any():
            return None
        one, half = np.zeros(1, np.int64), np.full(1, np.pi / self.n)
        runs = Runs(one, one + self.n, half, 2 * half, gmst82_rad(instant, 0.0))
        found = States.empty(self.n, 1)
        self.put(runs, instant, 0.0, found)
        return float(np.linalg.norm(found.position_km[:, 0] - theirs[0][:, :3], axis=1).max())
