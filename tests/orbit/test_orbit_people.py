"""Element files as people have them: what is unambiguous is read, the rest is refused by name."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from sgp4.api import Satrec
from sgp4.exporter import export_omm
from sgp4.io import fix_checksum

from orbitmesh.emulator.errors import ElementsError
from orbitmesh.emulator.orbit.elements import ElementSet
from orbitmesh.emulator.orbit.gravity import GRAVITY
from orbitmesh.emulator.orbit.omm import read_omm
from orbitmesh.emulator.orbit.tle import read_tle

WGS72 = GRAVITY["WGS72"]
ISS = (
    "1 25544U 98067A   19343.69339541  .00001764  00000-0  38792-4 0  9991",
    "2 25544  51.6439 211.2001 0007417  17.6667  85.6398 15.50103472202482",
)
FIELDS = {key: str(value) for key, value in export_omm(Satrec.twoline2rv(*ISS), "ISS (ZARYA)").items()}


def omm(folder: Path, data: str | bytes) -> list[ElementSet]:
    path = folder / "some.omm"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return read_omm(path, WGS72)


def tle(folder: Path, *lines: str) -> list[ElementSet]:
    path = folder / "some.tle"
    path.write_text("\n".join(lines) + "\n")
    return read_tle(path, WGS72)


def kvn(**changed: str) -> str:
    head = "CCSDS_OMM_VERS = 3.0\nCOMMENT a = b\n\n"
    return head + "".join(f"{key:20} = {value}\n" for key, value in {**FIELDS, **changed}.items())


def as_csv(**changed: str) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerows([[*FIELDS], [*{**FIELDS, **changed}.values()]])
    return out.getvalue()


def as_xml(head: str = "", **changed: str) -> str:
    tags = "".join(f"<{key}>{value}</{key}>" for key, value in {**FIELDS, **changed}.items())
    return f"{head}<ndm><omm><body><segment><data>{tags}</data></segment></body></omm></ndm>"


def as_json(**changed: str) -> str:
    return json.dumps([{**FIELDS, **changed}])


def same(found: list[ElementSet]) -> None:
    assert [(each.catalog, each.label) for each in found] == [(25544, "ISS (ZARYA)")]
    assert found[0].satrec.inclo == pytest.approx(np.radians(51.6439), abs=1e-12)


def test_key_value_form(tmp_path: Path) -> None:
    same(omm(tmp_path, kvn()))
    same(omm(tmp_path, kvn(MEAN_MOTION=f"{FIELDS['MEAN_MOTION']} [rev/day]").replace("\n", "\r\n")))
    two = kvn() + kvn(NORAD_CAT_ID="7")
    assert [(each.catalog, each.line) for each in omm(tmp_path, two)] == [(25544, 1), (7, 4 + len(FIELDS))]
    with pytest.raises(ElementsError, match="'NORAD_CAT_ID' is given a second time"):
        omm(tmp_path, kvn() + "NORAD_CAT_ID = 7\n")
    with pytest.raises(ElementsError, match="'so what' is not of the form key = value"):
        omm(tmp_path, kvn() + "so what\n")
    with pytest.raises(ElementsError, match="record 1: NORAD_CAT_ID is missing"):
        omm(tmp_path, "CCSDS_OMM_VERS = 3.0\nOBJECT_NAME = A\n")


def test_csv_as_space_track_writes_it(tmp_path: Path) -> None:
    header = ",".join(["CCSDS_OMM_VERS", "COMMENT", *FIELDS])
    cells = ",".join(f'"{cell}"' for cell in ["3.0", "GENERATED VIA SPACE-TRACK.ORG API", *FIELDS.values()])
    same(omm(tmp_path, f"{header}\r\n{cells}\r\n"))


def test_json_lines(tmp_path: Path) -> None:
    lines = [json.dumps({**FIELDS, "NORAD_CAT_ID": number}) for number in (7, 8)]
    found = omm(tmp_path, "\n".join(lines) + "\n")
    assert [(each.catalog, each.line) for each in found] == [(7, 1), (8, 2)]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-8-sig"])
def test_xml_in_other_encodings(tmp_path: Path, encoding: str) -> None:
    same(omm(tmp_path, as_xml('<?xml version="1.0" encoding="UTF-16"?>\n').encode(encoding)))


@pytest.mark.parametrize(("angle", "same_as"), [("-180", "180"), ("-0.5", "359.5"), ("-90", "270")])
def test_angles_from_minus_half_a_turn(tmp_path: Path, angle: str, same_as: str) -> None:
    for key in ("RA_OF_ASC_NODE", "ARG_OF_PERICENTER", "MEAN_ANOMALY"):
        ours, theirs = (omm(tmp_path, as_json(**{key: value}))[0].satrec for value in (angle, same_as))
        assert ours.sgp4(2458826.5, 0.7)[1] == pytest.approx(theirs.sgp4(2458826.5, 0.7)[1], abs=1e-6)
    with pytest.raises(ElementsError, match="between -180 and 360"):
        omm(tmp_path, as_json(MEAN_ANOMALY="-181"))


@pytest.mark.parametrize("form", [kvn, as_csv, as_json, as_xml])
def test_sgp4_xp_is_refused_in_every_form(tmp_path: Path, form) -> None:  # type: ignore[no-untyped-def]
    same(omm(tmp_path, form(EPHEMERIS_TYPE="0")))
    for changed, said in (
        ({"EPHEMERIS_TYPE": "4"}, "record 1: the ephemeris type is 4, SGP4-XP"),
        ({"EPHEMERIS_TYPE": "9"}, "record 1: the ephemeris type is '9'"),
        ({"MEAN_ELEMENT_THEORY": "SGP4-XP"}, "MEAN_ELEMENT_THEORY is 'SGP4-XP'"),
    ):
        with pytest.raises(ElementsError, match=said):
            omm(tmp_path, form(**changed))
    with pytest.raises(ElementsError, match="belong to SGP4-XP"):
        omm(tmp_path, json.dumps({**FIELDS, "AGOM": "0.01"}))


def test_sgp4_xp_is_refused_in_two_lines(tmp_path: Path) -> None:
    xp = fix_checksum(ISS[0][:62] + "4" + ISS[0][63:68])
    with pytest.raises(ElementsError, match=r"some\.tle:1: the ephemeris type is 4, SGP4-XP"):
        tle(tmp_path, xp, ISS[1])


def test_two_lines_without_checksum(tmp_path: Path) -> None:
    whole = tle(tmp_path, *ISS)[0].satrec
    short = tle(tmp_path, *(line[:68] for line in ISS))[0].satrec
    assert short.sgp4(2458826.5, 0.7) == whole.sgp4(2458826.5, 0.7)
    with pytest.raises(ElementsError, match=r":2: this line 2 has 68 characters, and the other"):
        tle(tmp_path, ISS[0], ISS[1][:68])  # a character that was lost


def test_text_behind_column_69(tmp_path: Path) -> None:
    assert tle(tmp_path, ISS[0] + "  # mine", ISS[1] + "      0.0   4320.0 360.00")[0].catalog == 25544


def test_names_that_begin_as_a_line_does(tmp_path: Path) -> None:
    found = tle(
        tmp_path,
        "1 KUNS-PF",
        *ISS,
        "2 BE",
        fix_checksum(ISS[0][:2] + "00007" + ISS[0][7:68]),
        fix_checksum(ISS[1][:2] + "00007" + ISS[1][7:68]),
    )
    assert [(each.label, each.catalog, each.line) for each in found] == [
        ("1 KUNS-PF", 25544, 2),
        ("2 BE", 7, 5),
    ]


def test_files_that_are_made_to_hurt(tmp_path: Path) -> None:
    entities = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 10))
    with pytest.raises(ElementsError, match="declares a document type"):
        omm(tmp_path, as_xml(f'<!DOCTYPE x [<!ENTITY e0 "x">{entities}]>', OBJECT_NAME="&e9;"))
    with pytest.raises(ElementsError, match="not valid CSV"):
        omm(tmp_path, as_csv(OBJECT_NAME="x" * 200_000))
    with pytest.raises(ElementsError, match="not valid CSV: unexpected end of data"):
        omm(tmp_path, as_csv() + '"never closed\n')
    with pytest.raises(ElementsError, match="whole number of at most nine digits"):
        omm(tmp_path, as_csv(NORAD_CAT_ID="1" * 5_000))
    with pytest.raises(ElementsError, match=r"5000 characters|too large"):
        omm(tmp_path, as_json().replace('"25544"', "1" * 5_000))
    with pytest.raises(ElementsError, match="32 deep"):
        omm(tmp_path, "[" * 100_000)
    with pytest.raises(ElementsError, match=r"MEAN_MOTION is .*: write a number"):
        omm(tmp_path, as_csv(MEAN_MOTION="9" * 20_000))
    with pytest.raises(ElementsError, match="EPOCH is"):
        omm(tmp_path, as_csv(EPOCH="2026-11-01T00:00:00." + "0" * 20_000))
