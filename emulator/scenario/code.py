"""The constellation code of the IRTF: draft-piraux-space-constellation-code-01, March 2026.

::

    constellation = shell *( "+" shell )
    shell         = ( "D" / "S" ) ":" altitude ":" inclination ":" T "/" P "/" F [ ":" mean-anomaly ]

Walker delta (D) or star (S), altitude in km, inclination in degrees, T
satellites in P planes with phasing factor F; the mean anomaly, in degrees, is
that of the first satellite of the first plane.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from ..numbers import real
from ..shown import shown

LEAST_ALTITUDE_KM, MOST_ALTITUDE_KM = 100.0, 100_000.0  # between the atmosphere and where SGP4 loses sense
MOST_SATELLITES = 2_000_000  # in one scenario
MOST_PLANES = 50_000  # likewise: each has mean elements and a propagator of its own
MOST_SHELLS = 1_000  # of one code

_FLOAT = r"[0-9]{1,20}(?:\.[0-9]{1,20})?"
_SHELL = re.compile(
    rf"(?P<walker>[DS]):(?P<altitude>{_FLOAT}):(?P<inclination>{_FLOAT})"
    rf":(?P<t>[0-9]{{1,9}})/(?P<p>[0-9]{{1,9}})/(?P<f>[0-9]{{1,9}})(?::(?P<anomaly>{_FLOAT}))?"
)


@dataclass(frozen=True)
class WalkerShell:
    """One shell of a code; ``star``: planes over 180 degrees instead of 360."""

    star: bool
    altitude_km: float
    inclination_rad: float
    n_satellites: int
    n_planes: int
    phasing: int
    anomaly_rad: float = 0.0

    @property
    def n_slots(self) -> int:
        return self.n_satellites // self.n_planes


def parse_code(text: str) -> tuple[WalkerShell, ...]:
    """The shells of a code; ValueError in words where it is wrong."""
    parts = text.split("+")
    if len(parts) > MOST_SHELLS:
        raise ValueError(f"{shown(text)} joins {len(parts)} shells: write at most {MOST_SHELLS}")
    shells = tuple(_parse_shell(part.strip()) for part in parts)
    planes = sum(shell.n_planes for shell in shells)
    if planes > MOST_PLANES:
        raise ValueError(f"{shown(text)} has {planes} planes: write at most {MOST_PLANES}")
    return shells


def _parse_shell(text: str) -> WalkerShell:
    match = _SHELL.fullmatch(text)
    if match is None:
        raise ValueError(
            f"{shown(text)} is not a constellation code: write D (delta) or S (star), altitude in km, "
            'inclination in degrees, satellites/planes/phasing, as in "D:550:53:1584/72/39"; join shells by +'
        )
    n_satellites, n_planes, phasing = int(match["t"]), int(match["p"]), int(match["f"])
    altitude_km, inclination_deg = real(match["altitude"]), real(match["inclination"])
    anomaly_deg = real(match["anomaly"] or "0")
    if not LEAST_ALTITUDE_KM <= altitude_km <= MOST_ALTITUDE_KM:
        raise ValueError(
            f"{shown(text)} has an altitude of {altitude_km:g} km: "
            f"write one between {LEAST_ALTITUDE_KM:g} and {MOST_ALTITUDE_KM:g}"
        )
    if inclination_deg > 180:
        raise ValueError(
            f"{shown(text)} has an inclination of {inclination_deg:g} degrees: write one between 0 and 180"
        )
    if n_satellites < 1 or n_planes < 1:
        raise ValueError(f"{shown(text)} has no satellites or no planes: write at least one of each")
    if n_satellites % n_planes:
        raise ValueError(
            f"{shown(text)} asks for {n_satellites} satellites in {n_planes} planes: "
            f"write a multiple of {n_planes}, such as {max(1, n_satellites // n_planes) * n_planes}"
        )
    if n_satellites > MOST_SATELLITES:
        raise ValueError(f"{shown(text)} has {n_satellites} satellites: write at most {MOST_SATELLITES}")
    if phasing >= n_planes:
        raise ValueError(
            f"{shown(text)} has the phasing factor {phasing}: write one between 0 and {n_planes - 1}"
        )
    if anomaly_deg > 360:
        raise ValueError(
            f"{shown(text)} has a mean anomaly of {anomaly_deg:g} degrees: write one between 0 and 360"
        )
    return WalkerShell(
        star=match["walker"] == "S",
        altitude_km=altitude_km,
        inclination_rad=math.radians(inclination_deg),
        n_satellites=n_satellites,
        n_planes=n_planes,
        phasing=phasing,
        anomaly_rad=math.radians(anomaly_deg),
    )
