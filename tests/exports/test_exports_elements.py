"""Elements that are exported give the same positions in the hands of others, and in ours."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from exports_lab import S_NS, START, scene, text
from sgp4 import omm
from sgp4.api import WGS72, Satrec, SatrecArray
from skyfield.api import EarthSatellite, load, wgs84

from orbitmesh.emulator.errors import InputError
from orbitmesh.emulator.exports import elements
from orbitmesh.emulator.orbit.frames import gmst82_rad, teme_to_itrs_km
from orbitmesh.emulator.orbit.geodetic import geodetic
from orbitmesh.emulator.orbit.gravity import GRAVITY
from orbitmesh.emulator.orbit.omm import read_omm
from orbitmesh.emulator.orbit.time import julian, unix_ns
from orbitmesh.emulator.orbit.tle import read_tle

TLE_WITHIN_M, OMM_WITHIN_M = 20.0, 0.002  # 0.0001 degrees of each angle; what our own interpolation takes
DAY_NS = np.arange(0, 86_400, 600, dtype=np.int64) * S_NS
SHELLS = ["S:780:86.4:66/6/1", "D:550:53:24/4/1", "D:1200:60:48/6/1+D:600:97.7:12/3/1"]


def apart_m(satrecs: list[Satrec], code: str) -> float:
    """The furthest from our own places, in the Earth-fixed frame, over a day."""
    ours = scene(code).geometry.fleet.states_itrs(DAY_NS).position_km
    instants_ns = unix_ns(START) + DAY_NS
    error, teme_km, _ = SatrecArray(satrecs).sgp4(*julian(instants_ns))
    assert not error.any()
    theirs = teme_to_itrs_km(teme_km, gmst82_rad(instants_ns))
    return float(np.linalg.norm(ours - theirs, axis=-1).max() * 1000)


def by_sgp4(records: list[dict[str, str]]) -> list[Satrec]:
    found = []
    for fields in records:
        satrec = Satrec()
        omm.initialize(satrec, {key: str(value) for key, value in fields.items()})
        found.append(satrec)
    return found


def kvn_records(said: str) -> list[dict[str, str]]:
    return [
        dict(line.split(" = ") for line in message.splitlines()) for message in said.strip().split("\n\n")
    ]


@pytest.mark.parametrize("code", SHELLS)
def test_two_line_sets_are_within_their_rounding(code: str, tmp_path: Path) -> None:
    of = scene(code)
    lines = text(elements.tle, of).splitlines()
    theirs = [Satrec.twoline2rv(a, b, WGS72) for a, b in zip(lines[1::3], lines[2::3], strict=True)]
    off_m = apart_m(theirs, code)
    print(f"{code}: two lines within {off_m:.1f} m over a day")
    assert off_m < TLE_WITHIN_M
    (tmp_path / "shell.tle").write_text("\n".join(lines) + "\n")
    ours = read_tle(tmp_path / "shell.tle", GRAVITY["WGS72"])
    assert [each.label for each in ours] == list(of.names[: len(of.satellites)])
    assert [each.catalog for each in ours] == list(range(80_001, 80_001 + len(ours)))
    assert apart_m([each.satrec for each in ours], code) == pytest.approx(off_m)


@pytest.mark.parametrize("code", SHELLS)
@pytest.mark.parametrize("form", ["omm-json", "omm-csv", "omm-kvn", "omm-xml"])
def test_an_omm_loses_nothing(form: str, code: str, tmp_path: Path) -> None:
    said = text(elements.FORMATS[form], scene(code))
    records = {
        "omm-json": lambda: json.loads(said),
        "omm-csv": lambda: list(omm.parse_csv(io.StringIO(said))),
        "omm-kvn": lambda: kvn_records(said),
        "omm-xml": lambda: list(omm.parse_xml(io.StringIO(said))),
    }[form]()
    off_m = apart_m(by_sgp4(records), code)
    print(f"{code} {form}: within {off_m * 1000:.3f} mm over a day")
    assert off_m < OMM_WITHIN_M
    (tmp_path / "shell.omm").write_text(said)
    ours = read_omm(tmp_path / "shell.omm", GRAVITY["WGS72"])
    assert apart_m([each.satrec for each in ours], code) < OMM_WITHIN_M
    assert ours[0].label == "sat-0-0"


def test_what_reads_messages_by_the_standards_own_schemas_reads_them(tmp_path: Path) -> None:
    """ccsds-ndm is generated from CCSDS's XML schemas."""
    io_of = pytest.importorskip("ccsds_ndm.ndm_io").NdmIo
    of = scene("D:550:53:24/4/1")
    (tmp_path / "all.xml").write_text(text(elements.omm_xml, of))
    found = io_of().from_path(tmp_path / "all.xml").omm
    assert len(found) == 24
    one = scene("D:550:53:24/4/1", nodes=["sat-2-3"])
    (tmp_path / "one.kvn").write_text(text(elements.omm_kvn, one))
    for message in (found[15], io_of().from_path(tmp_path / "one.kvn")):
        segment = message.body.segment
        assert segment.metadata.object_name == "sat-2-3"
        assert segment.metadata.ref_frame == "TEME"
        means = segment.data.mean_elements
        assert means.inclination.value == 53
        assert means.ra_of_asc_node.value == 180
        assert means.mean_anomaly.value == pytest.approx(360 * (3 / 6 + 1 * 2 / 24))


def test_skyfield_finds_the_same_place_below_it() -> None:
    of = scene("D:550:53:24/4/1")
    lines = text(elements.tle, of).splitlines()
    times = load.timescale(builtin=True)
    satellite = EarthSatellite(lines[1], lines[2], lines[0], times)
    place = wgs84.geographic_position_of(satellite.at(times.utc(2026, 11, 1, 0, 10)))
    ours_km = of.geometry.fleet.states_itrs(np.array([600 * S_NS])).position_km[0, 0]
    longitude, latitude, height_km = geodetic(ours_km)
    # Skyfield turns the Earth by UT1, up to 0.9 s off what is taken as 0 here: 0.004 degrees
    assert place.longitude.degrees == pytest.approx(longitude, abs=0.005)
    assert place.latitude.degrees == pytest.approx(latitude, abs=0.0005)
    assert place.elevation.km == pytest.approx(height_km, abs=0.05)


def test_satellites_of_a_file_keep_their_names_and_numbers(tmp_path: Path) -> None:
    odd = "<b>&amp; \u202eSAT"
    source = [
        odd,
        "1 25544U 98067A   26304.50000000  .00001764  00000-0  38792-4 0  9997",
        "2 25544  51.6439 211.2001 0007417  17.6667  85.6398 15.50103472202482",
    ]
    from orbitmesh.emulator.orbit.tle import checksum

    source[1:] = [f"{line[:68]}{checksum(line)}" for line in source[1:]]
    (tmp_path / "iss.tle").write_text("\n".join(source) + "\n")
    of = scene(constellation={"shells": [{"tle": str(tmp_path / "iss.tle")}]})
    name, first, second = text(elements.tle, of).splitlines()
    assert name == "<b>&amp; \\u202eSAT"  # as our reader makes it plain
    assert first[2:17] == "25544U 98067A  "
    assert first[18:61] == source[1][18:61]  # epoch, derivatives, drag
    assert second[7:63] == source[2][7:63]
    (record,) = omm.parse_xml(io.StringIO(text(elements.omm_xml, of)))
    assert (record["OBJECT_NAME"], record["OBJECT_ID"], record["NORAD_CAT_ID"]) == (
        name, "1998-067A", "25544"
    )  # fmt: skip
    (satrec,) = by_sgp4([record])
    theirs = Satrec.twoline2rv(first, second, WGS72)
    assert np.linalg.norm(np.subtract(satrec.sgp4_tsince(1440)[1], theirs.sgp4_tsince(1440)[1])) < 1e-5


def test_numbers_beyond_five_digits_are_alpha_5_and_beyond_that_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    of = scene("D:550:53:24/4/1")
    monkeypatch.setattr(elements, "FIRST_CATALOG", 339_990)
    with pytest.raises(
        InputError,
        match="24 satellites would be numbered from 339,990 on, and the format holds numbers",
    ):
        text(elements.tle, of)
    assert len(json.loads(text(elements.omm_json, of))) == 24
    monkeypatch.setattr(elements, "FIRST_CATALOG", 100_000)
    lines = text(elements.tle, of).splitlines()
    assert lines[1][2:7] == lines[2][2:7] == "A0000"
    assert Satrec.twoline2rv(lines[1], lines[2]).satnum == 100_000


def test_what_does_not_go_along_is_said() -> None:
    assert elements.cautions(scene(), rounded=True) == []
    (said,) = elements.cautions(scene(constellation={"gravity": "WGS84"}), rounded=False)
    assert "SGP4 elsewhere takes WGS72" in said
