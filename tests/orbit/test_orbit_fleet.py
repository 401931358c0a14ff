"""A fleet from files: arrangement, duplicates, decay, old elements."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sgp4.api import WGS72, Satrec
from sgp4.exporter import export_tle

from orbitmesh.emulator.errors import ElementsError
from orbitmesh.emulator.orbit import Fleet
from orbitmesh.emulator.scenario.constellation import Constellation

START = datetime(2026, 11, 1, tzinfo=UTC)
# of the verification set: "CZ-4C DEB", low and of much drag
DECAYING = (
    "1 28872U 05037B   05333.02012661  .25992681  00000-0  24476-3 0  1534",
    "2 28872  96.4736 157.9986 0303955 244.0492 110.6523 16.46015938 10708",
)
DECAYING_START = datetime(2005, 11, 29, 1, tzinfo=UTC)


def satellite(number: int, raan_deg: float, anomaly_deg: float) -> list[str]:
    satrec = Satrec()
    epoch_days = (START - datetime(1949, 12, 31, tzinfo=UTC)).total_seconds() / 86_400
    satrec.sgp4init(
        WGS72, "i", number, epoch_days, 0.0, 0.0, 0.0, 0.0001, 0.0, np.radians(53),
        np.radians(anomaly_deg % 360), 15.05 * 2 * np.pi / 1440, np.radians(raan_deg % 360),
    )  # fmt: skip
    satrec.classification, satrec.intldesg = "U", "26001A"
    satrec.elnum, satrec.revnum, satrec.ephtype = 1, 1, 0
    return [f"TEST-{number}", *export_tle(satrec)]


def shell_file(folder: Path, planes: int, slots: int, turn_slots: int = 0) -> Path:
    """Planes × slots in order, the first satellite of each plane ``turn_slots`` ahead of the last plane's."""
    lines = []
    for p in range(planes):
        for k in range(slots):
            lines += satellite(1000 + p * slots + k, 360 * p / planes, 360 * (k + turn_slots * p) / slots)
    path = folder / "shell.tle"
    path.write_text("\n".join(lines) + "\n")
    return path


def build(folder: Path, *shells: dict[str, Any], start: datetime = START) -> Fleet:
    return Fleet.build(Constellation.model_validate({"shells": shells}), start, folder)


def test_a_file_with_a_shape_and_without(tmp_path: Path) -> None:
    shell_file(tmp_path, 4, 6)
    shaped = build(tmp_path, {"tle": "shell.tle", "shape": [4, 6]})
    assert (shaped.shells[0].slots, shaped.names[7]) == ((6, 6, 6, 6), "sat-1-1")
    assert shaped.elements[7].label == "TEST-1007"
    flat = build(tmp_path, {"tle": "shell.tle"})
    assert (flat.shells[0].slots, flat.names[7]) == ((24,), "sat-0-7")
    here, there = (f.states_itrs(np.zeros(1, np.int64)).position_km for f in (shaped, flat))
    np.testing.assert_array_equal(here, there)


def test_neighbours_in_a_file_are_the_nearest_slots(tmp_path: Path) -> None:
    shell_file(tmp_path, 4, 6, turn_slots=2)
    made = build(tmp_path, {"tle": "shell.tle", "shape": [4, 6]})
    assert made.shells[0].slot_shift.tolist() == [4, 4, 4, 0]
    pairs = made.shells[0].cross_plane_pairs()
    found = made.states_itrs(np.zeros(1, np.int64)).position_km[:, 0]
    # all on the same parallel of the other plane: as in a shell that is not turned
    assert np.abs(found[pairs[:, 0], 2] - found[pairs[:, 1], 2]).max() < 1


def test_a_shape_that_does_not_fit(tmp_path: Path) -> None:
    path = shell_file(tmp_path, 4, 6)
    with pytest.raises(
        ElementsError, match=r"holds 24 satellites, and shape = \[5, 6\] asks for 30"
    ) as caught:
        build(tmp_path, {"tle": "shell.tle", "shape": [5, 6]})
    assert caught.value.path == path


def test_a_satellite_given_twice_in_one_file(tmp_path: Path) -> None:
    path = tmp_path / "twice.tle"
    path.write_text("\n".join([*satellite(7, 0, 0), *satellite(8, 0, 90), *satellite(7, 0, 180)]))
    with pytest.raises(ElementsError) as caught:
        build(tmp_path, {"tle": "twice.tle"})
    assert str(caught.value) == (
        f"{path}:8: the satellite with catalogue number 7 is given a second time (first in line 2): "
        "remove one"
    )


def test_a_satellite_given_in_two_files(tmp_path: Path) -> None:
    for name in ("one.tle", "two.tle"):
        (tmp_path / name).write_text("\n".join(satellite(7, 0, 0)))
    with pytest.raises(ElementsError, match=r"two\.tle:2: .*second time \(first in .*one\.tle:2\)"):
        build(tmp_path, {"tle": "one.tle"}, {"tle": "two.tle"})


def test_generated_satellites_are_never_duplicates(tmp_path: Path) -> None:
    assert len(build(tmp_path, {"code": "D:550:53:4/2/0+D:550:53:4/2/0"})) == 8


def test_a_decayed_satellite_is_named_with_the_instant(tmp_path: Path) -> None:
    path = tmp_path / "low.tle"
    path.write_text("\n".join(["CZ-4C DEB", *DECAYING]))
    made = build(tmp_path, {"tle": "low.tle"}, start=DECAYING_START)
    minute = 60 * 10**9
    assert not made.states_itrs(np.arange(20) * minute).error.any()
    with pytest.raises(ElementsError) as caught:
        made.states_itrs(np.arange(0, 300, 10) * minute)
    error = caught.value
    assert (error.path, error.line) == (path, 2)
    assert "satellite sat-0-0 (CZ-4C DEB, catalogue number 28872) is not in orbit at 2005-11-29T01:" in str(
        error
    )
    assert "decayed" in str(error)
    assert "take newer ones" in str(error)
    unchecked = made.states_itrs(np.arange(0, 300, 10) * minute, check=False)
    first_bad = int(np.flatnonzero(unchecked.error[0])[0])
    instant = DECAYING_START + timedelta(minutes=10 * first_bad)
    assert instant.strftime("%Y-%m-%dT%H:%M:%S.000Z") in str(error)
    assert np.isnan(unchecked.position_km[0, first_bad]).all()


def test_a_satellite_decayed_at_the_start_fails_the_build(tmp_path: Path) -> None:
    (tmp_path / "low.tle").write_text("\n".join([*satellite(7, 0, 0), "CZ-4C DEB", *DECAYING]))
    with pytest.raises(ElementsError, match=r"low\.tle:5: satellite sat-0-1 .*2026-11-01T00:00:00\.000Z"):
        build(tmp_path, {"tle": "low.tle"})


LAST_DAYS = (
    "1 55555U 23001A   26305.00000000  .09435527  24934+0  44853-1 0  9998",
    "2 55555  98.5800 110.9000 0014449 269.2000  90.7000 15.92146194000018",
)


def test_a_satellite_where_its_elements_cannot_bring_it_is_an_error(tmp_path: Path) -> None:
    """SGP4 gives no error code, and 428,000 km six days before the epoch of one in its last days."""
    (tmp_path / "last.tle").write_text("\n".join([*satellite(7, 0, 0), *LAST_DAYS]))
    made = build(tmp_path, {"tle": "last.tle"})
    day = 86_400 * 10**9
    days = np.array([-61, -6, 0, 5]) * day
    unchecked = made.states_itrs(days, check=False)
    assert unchecked.error.astype(bool).tolist() == [[False] * 4, [True, True, False, True]]
    assert np.isnan(unchecked.position_km[1, [0, 1, 3]]).all()
    assert np.isnan(made.states_of(np.array([1]), days).position_km[0, 1]).all()
    with pytest.raises(
        ElementsError, match=r"sat-0-1 .*2026-10-26T00:00:00\.000Z: SGP4 finds it where its own"
    ):
        made.check_orbits(days[1:])


def test_old_elements_are_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    shell_file(tmp_path, 2, 3)
    with caplog.at_level(logging.WARNING):
        build(tmp_path, {"tle": "shell.tle"}, start=START + timedelta(days=6))
    assert not caplog.records
    with caplog.at_level(logging.WARNING):
        build(tmp_path, {"tle": "shell.tle"}, start=START - timedelta(days=30))
    assert [r.getMessage() for r in caplog.records] == [
        f"{tmp_path / 'shell.tle'}: the epochs of 6 of 6 satellites lie more than 7 days from the start "
        "of the run (up to 30): a position drifts by 1 to 3 km a day, so take elements of that time"
    ]


def test_missing_files_are_errors_of_the_build(tmp_path: Path) -> None:
    with pytest.raises(ElementsError, match="cannot read the file"):
        build(tmp_path, {"omm": "none.csv"})
