"""SGP4 through our arrays, against the verification set that ships with the sgp4 library.

SGP4-VER.TLE and tcppver.out are those of Vallado, Crawford, Hujsak and Kelso,
"Revisiting Spacetrack Report #3" (AIAA 2006-6753).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import sgp4
from sgp4.api import Satrec, SatrecArray
from skyfield.sgp4lib import theta_GMST1982

from orbitmesh.emulator.orbit.propagate import failure_words, states_itrs
from orbitmesh.emulator.orbit.time import DAY_NS

FOLDER = Path(sgp4.__file__).parent
POSITION_TOLERANCE_KM = 6e-9  # tcppver.out prints 1e-8
POSITION_TOLERANCE_AFTER_YEARS_KM = 2e-7  # 3.5 years from the epoch: float64 days resolve 1e-11 s no more
VELOCITY_TOLERANCE_KM_PER_S = 6e-10  # prints 1e-9
NEVER_IN_ORBIT = 33334  # its row in tcppver.out repeats that of another satellite


def cases() -> list[tuple[int, Satrec, np.ndarray]]:
    """Catalogue number, satellite, and the rows (minutes, x, y, z, vx, vy, vz) of the expected output."""
    lines = (FOLDER / "SGP4-VER.TLE").read_text().splitlines()
    satellites = [
        Satrec.twoline2rv(line[:69], lines[i + 1][:69])
        for i, line in enumerate(lines)
        if line.startswith("1 ")
    ]
    rows: list[list[list[float]]] = []
    for line in (FOLDER / "tcppver.out").read_text().splitlines():
        if line.endswith("xx"):
            rows.append([])
        else:
            rows[-1].append([float(x) for x in line.split()[:7]])
    assert len(satellites) == len(rows) == 33
    return [(s.satnum, s, np.array(r)) for s, r in zip(satellites, rows, strict=True)]


def instants_of(satrec: Satrec, minutes: np.ndarray) -> np.ndarray:
    day = round((satrec.jdsatepoch - 2_440_587.5) * 2) * DAY_NS // 2
    epoch_ns = day + round(satrec.jdsatepochF * 1e8) * (DAY_NS // 10**8)  # a TLE's day has 8 decimals
    return np.array([epoch_ns + round(m * 60e9) for m in minutes], np.int64)


@pytest.mark.parametrize(
    ("number", "satrec", "expected"), cases(), ids=lambda x: str(x) if isinstance(x, int) else ""
)
def test_verification_set(number: int, satrec: Satrec, expected: np.ndarray) -> None:
    instants = instants_of(satrec, expected[:, 0])
    states = states_itrs(SatrecArray([satrec]), instants, dut1_s=0.0)
    if number == NEVER_IN_ORBIT:
        assert states.error.tolist() == [[3]]
        assert np.isnan(states.position_km).all()
        return
    assert not states.error.any()
    # back to TEME by Skyfield's angle
    angle, rate_rad_per_day = theta_GMST1982(2_440_587.5 + instants // DAY_NS, instants % DAY_NS / DAY_NS)
    cos, sin = np.cos(angle), np.sin(angle)
    x, y, z = states.position_km[0].T
    teme_km = np.column_stack([cos * x - sin * y, sin * x + cos * y, z])
    years = np.abs(expected[:, 0]).max() > 525_600
    assert np.abs(teme_km - expected[:, 1:4]).max() < (
        POSITION_TOLERANCE_AFTER_YEARS_KM if years else POSITION_TOLERANCE_KM
    )
    omega = rate_rad_per_day / 86_400
    vx, vy, vz = states.velocity_km_per_s[0].T
    vx, vy = vx - omega * y, vy + omega * x
    teme_km_per_s = np.column_stack([cos * vx - sin * vy, sin * vx + cos * vy, vz])
    assert np.abs(teme_km_per_s - expected[:, 4:7]).max() < VELOCITY_TOLERANCE_KM_PER_S


def test_a_failing_satellite_has_an_error_and_no_numbers_and_leaves_the_others_alone() -> None:
    by_number = {number: satrec for number, satrec, _ in cases()}
    good, bad = by_number[6251], by_number[28350]
    expected = next(rows for number, _, rows in cases() if number == 28350)
    after = instants_of(bad, expected[-1:, 0] + 120.0)  # two hours after the last row that is right
    states = states_itrs(SatrecArray([good, bad, good]), np.concatenate([after - 10 * DAY_NS, after]), 0.0)
    assert states.error[1, 1] in (1, 6)
    assert states.error[[0, 2]].tolist() == [[0, 0], [0, 0]]
    assert np.isnan(states.position_km[1, 1]).all()
    assert np.isnan(states.velocity_km_per_s[1, 1]).all()
    assert np.isfinite(states.position_km[[0, 2]]).all()
    np.testing.assert_array_equal(states.position_km[0], states.position_km[2])


@pytest.mark.parametrize("error", range(1, 7))
def test_every_error_of_sgp4_has_words(error: int) -> None:
    assert "decayed" in failure_words(error)
