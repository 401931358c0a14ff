"""Orbit mean-elements messages: three formats of one satellite, and how each fault is named."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sgp4.api import Satrec, SatrecArray
from sgp4.exporter import export_omm

from orbitmesh.emulator.errors import ElementsError
from orbitmesh.emulator.orbit.elements import ElementSet
from orbitmesh.emulator.orbit.gravity import GRAVITY
from orbitmesh.emulator.orbit.omm import read_omm
from orbitmesh.emulator.orbit.propagate import states_itrs
from orbitmesh.emulator.orbit.time import DAY_NS
from orbitmesh.emulator.orbit.tle import read_tle

WGS72 = GRAVITY["WGS72"]
LINES = {
    "ISS (ZARYA)": (
        "1 25544U 98067A   19343.69339541  .00001764  00000-0  38792-4 0  9991",
        "2 25544  51.6439 211.2001 0007417  17.6667  85.6398 15.50103472202482",
    ),
    "VANGUARD <1> & CO": (
        "1 00005U 58002B   00179.78495062  .00000023  00000-0  28098-4 0  4753",
        "2 00005  34.2682 348.7242 1859667 331.7664  19.3264 10.82419157413667",
    ),
    "ISS DEB": (  # decaying: all derivatives set
        "1 44160U 19006AX  20162.79712247 +.00816806 +19088-3 +34711-2 0  9997",
        "2 44160 095.2472 272.0808 0216413 032.6694 328.7739 15.58006382062511",
    ),
}
# an OMM's epoch is in whole µs, of which half is 4 mm of the way
TOLERANCE_KM = 1e-5


def records() -> list[dict[str, Any]]:
    """By the sgp4 library's own exporter."""
    return [export_omm(Satrec.twoline2rv(*lines), name) for name, lines in LINES.items()]


def as_csv(rows: list[dict[str, Any]]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def as_json(rows: list[dict[str, Any]]) -> str:
    return json.dumps(rows, indent=1)


def as_json_strings(rows: list[dict[str, Any]]) -> str:
    """As Space-Track has it: every value a string, or null."""
    return json.dumps([{**{k: str(v) for k, v in row.items()}, "DECAY_DATE": None} for row in rows])


METADATA = ("OBJECT_NAME", "OBJECT_ID", "CENTER_NAME", "REF_FRAME", "TIME_SYSTEM", "MEAN_ELEMENT_THEORY")
MEAN = (
    "EPOCH", "MEAN_MOTION", "ECCENTRICITY", "INCLINATION",
    "RA_OF_ASC_NODE", "ARG_OF_PERICENTER", "MEAN_ANOMALY",
)  # fmt: skip


def as_xml(rows: list[dict[str, Any]]) -> str:
    def tags(row: dict[str, Any], names: tuple[str, ...]) -> str:
        return "".join(f"<{name}>{escape(str(row[name]))}</{name}>" for name in names)

    bodies = []
    for row in rows:
        rest = tuple(name for name in row if name not in METADATA + MEAN)
        bodies.append(
            '<omm id="CCSDS_OMM_VERS" version="2.0"><header><CREATION_DATE/><ORIGINATOR/></header><body>'
            f"<segment>\n<metadata>{tags(row, METADATA)}</metadata>\n<data><meanElements>{tags(row, MEAN)}"
            f"</meanElements><tleParameters>{tags(row, rest)}</tleParameters></data></segment></body></omm>"
        )
    head = '<?xml version="1.0" encoding="UTF-8"?>\n<ndm xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">\n'
    return head + "\n".join(bodies) + "\n</ndm>\n"


FORMATS = {"csv": as_csv, "json": as_json, "json-strings": as_json_strings, "xml": as_xml}


def write(folder: Path, text: str) -> Path:
    path = folder / "some.omm"
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_flies_as_the_tle_does(tmp_path: Path, name: str) -> None:
    sets = read_omm(write(tmp_path, FORMATS[name](records())), WGS72)
    tle = tmp_path / "same.tle"
    tle.write_text("\n".join("\n".join(lines) for lines in LINES.values()))
    twins = read_tle(tle, WGS72)
    assert [s.label for s in sets] == list(LINES)
    assert [s.catalog for s in sets] == [s.catalog for s in twins] == [25544, 5, 44160]
    for ours, theirs in zip(sets, twins, strict=True):
        epoch_ns = round((theirs.satrec.jdsatepoch - 2_440_587.5) * 2) * DAY_NS // 2
        at = epoch_ns + np.arange(0, 20) * 3600 * 10**9
        a = states_itrs(SatrecArray([ours.satrec]), at, 0.0)
        b = states_itrs(SatrecArray([theirs.satrec]), at, 0.0)
        assert not a.error.any()
        assert np.abs(a.position_km - b.position_km).max() < TOLERANCE_KM


def test_lines_of_records(tmp_path: Path) -> None:
    assert [s.line for s in read_omm(write(tmp_path, as_csv(records())), WGS72)] == [2, 3, 4]
    n_fields = len(records()[0])
    assert [s.line for s in read_omm(write(tmp_path, as_json(records())), WGS72)] == [
        2, 2 + n_fields + 2, 2 + 2 * (n_fields + 2)
    ]  # fmt: skip
    assert [s.line for s in read_omm(write(tmp_path, as_xml(records())), WGS72)] == [3, 6, 9]


def test_a_single_json_object_and_a_catalogue_number_of_nine_digits(tmp_path: Path) -> None:
    row = records()[0] | {"NORAD_CAT_ID": 799_500_123}
    sets = read_omm(write(tmp_path, json.dumps(row)), WGS72)
    assert [s.catalog for s in sets] == [799_500_123]


@pytest.mark.parametrize(
    "epoch", ["2019-12-09T16:38:29.363424", "2019-343T16:38:29.363424", "2019-12-09T16:38:29.363424Z"]
)
def test_epochs_by_calendar_and_by_day_of_year(tmp_path: Path, epoch: str) -> None:
    satrec = read_omm(write(tmp_path, as_csv([records()[0] | {"EPOCH": epoch}])), WGS72)[0].satrec
    assert satrec.jdsatepoch + satrec.jdsatepochF == pytest.approx(2_458_826.5 + 0.69339541, abs=1e-8)


def test_drag_derivatives_may_be_absent(tmp_path: Path) -> None:
    row = {k: v for k, v in records()[0].items() if not k.startswith("MEAN_MOTION_D")}
    assert read_omm(write(tmp_path, as_csv([row])), WGS72)[0].satrec.ndot == 0


RECORD_FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "no number": ({"ECCENTRICITY": "tiny"}, "ECCENTRICITY is 'tiny': write a number"),
    "not finite": ({"BSTAR": "inf"}, "BSTAR is 'inf': write a number"),
    "nan": ({"MEAN_ANOMALY": "nan"}, "MEAN_ANOMALY is 'nan': write a number"),
    "empty": ({"INCLINATION": ""}, "INCLINATION is missing: add it"),
    "range": ({"INCLINATION": 200.0}, "the inclination is 200 degrees: it must be between 0 and 180"),
    "hyperbolic": ({"ECCENTRICITY": 1.0}, "the eccentricity is 1: it must be at least 0 and below 1"),
    "mean motion": ({"MEAN_MOTION": 0.0}, "the mean motion is 0 revolutions a day"),
    "epoch": ({"EPOCH": "09/12/2019 16:38"}, "EPOCH is '09/12/2019 16:38': write it as 2026-11-01T"),
    "another theory": ({"MEAN_ELEMENT_THEORY": "SGP4-XP"}, "only elements made for SGP4 can be propagated"),
    "another frame": ({"REF_FRAME": "EME2000"}, "only elements made for TEME can be propagated"),
    "catalogue number": ({"NORAD_CAT_ID": "A0001"}, "NORAD_CAT_ID is 'A0001': write a whole number"),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("fault", RECORD_FAULTS)
def test_faults_name_file_line_and_record(tmp_path: Path, fault: str, name: str) -> None:
    change, message = RECORD_FAULTS[fault]
    rows = records()
    rows[1] |= change
    path = write(tmp_path, FORMATS[name](rows))
    with pytest.raises(ElementsError) as caught:
        read_omm(path, WGS72)
    assert message in str(caught.value)
    assert "record 2: " in str(caught.value)
    assert caught.value.path == path
    n_fields = len(rows[0])
    assert caught.value.line == {"csv": 3, "json": 4 + n_fields, "json-strings": 1, "xml": 6}[name]


FILE_FAULTS = {
    "empty": ("", None, "holds no element set"),
    "only a header": (as_csv(records()).splitlines()[0], None, "holds no element set"),
    "broken json": ('[\n{"EPOCH": 5,\n]', 3, "this is not valid JSON"),
    "json of numbers": ("[1, 2]", 1, "record 1 is no object"),
    "broken xml": ("<ndm>\n<omm>\n</ndm>", 3, "this is not valid XML: mismatched tag at column 3"),
    "xml without segments": ("<ndm></ndm>", None, "holds no element set"),
    "key = value": ("CCSDS_OMM_VERS = 2.0\n", 1, "record 1: NORAD_CAT_ID is missing"),
    "a csv of something else": ("name,age\nx,1\n", 1, "has no column NORAD_CAT_ID"),
    "a row too short": (as_csv(records()) + "ISS,1\n", 5, "record 4 has 2 fields, and the first line 21"),
}


@pytest.mark.parametrize("fault", FILE_FAULTS)
def test_faulty_files(tmp_path: Path, fault: str) -> None:
    text, line, message = FILE_FAULTS[fault]
    path = write(tmp_path, text)
    with pytest.raises(ElementsError) as caught:
        read_omm(path, WGS72)
    assert message in str(caught.value)
    assert (caught.value.path, caught.value.line) == (path, line)


def outcome(path: Path) -> list[ElementSet] | ElementsError:
    """What is read, or the error."""
    try:
        return read_omm(path, WGS72)
    except ElementsError as error:
        return error


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(sorted(FORMATS)), st.data())
def test_a_damaged_file_is_read_or_named(tmp_path: Path, name: str, data: st.DataObject) -> None:
    text = FORMATS[name](records())
    at = data.draw(st.integers(0, len(text)))
    damage = data.draw(
        st.sampled_from(["", '"', "[", "}", "\n", "0", "-", "NaN", "<", "</omm>", "é", "1e999", ","])
    )
    path = write(tmp_path, text[:at] + damage + text[at + data.draw(st.integers(0, 9)) :])
    result = outcome(path)
    if isinstance(result, ElementsError):
        assert (result.path, "\n" in result.message) == (path, False)
    else:
        assert len(result) <= 3


def test_an_encoding_that_does_not_exist(tmp_path: Path) -> None:
    path = write(tmp_path, as_xml(records()).replace("UTF-8", "UT-F-8"))
    assert len(read_omm(path, WGS72)) == 3


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ElementsError, match="cannot read the file"):
        read_omm(tmp_path / "none.csv", WGS72)
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ElementsError, match="not UTF-8"):
        read_omm(binary, WGS72)


def test_an_object_too_deep_is_told_as_such(tmp_path: Path) -> None:
    path = tmp_path / "deep.json"
    path.write_text('{"a":' * 5000 + "1" + "}" * 5000)
    with pytest.raises(
        ElementsError, match="record 1: lists or tables stand in each other more than 32 deep"
    ):
        read_omm(path, WGS72)
