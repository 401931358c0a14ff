"""Two-line elements: what is read, and how each fault is named."""

from __future__ import annotations

from pathlib import Path

import pytest
import sgp4
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sgp4.io import compute_checksum, fix_checksum

from orbitmesh.emulator.errors import ElementsError
from orbitmesh.emulator.orbit.elements import ElementSet
from orbitmesh.emulator.orbit.gravity import GRAVITY
from orbitmesh.emulator.orbit.tle import checksum, read_tle

WGS72 = GRAVITY["WGS72"]
ISS = (
    "1 25544U 98067A   19343.69339541  .00001764  00000-0  38792-4 0  9991",
    "2 25544  51.6439 211.2001 0007417  17.6667  85.6398 15.50103472202482",
)
VANGUARD = (
    "1 00005U 58002B   00179.78495062  .00000023  00000-0  28098-4 0  4753",
    "2 00005  34.2682 348.7242 1859667 331.7664  19.3264 10.82419157413667",
)
ARTIFICIAL_CHECKSUMS = {33333, 33334, 33335}  # of the verification set, made for the test by hand


def write(folder: Path, *lines: str) -> Path:
    path = folder / "some.tle"
    path.write_text("\n".join(lines) + "\n")
    return path


def fixed(line: str) -> str:
    """With the checksum that it should have, by the sgp4 library."""
    return fix_checksum(line[:68])


def alpha5(lines: tuple[str, str], number: str) -> list[str]:
    return [fixed(line[:2] + number + line[7:]) for line in lines]


def test_with_and_without_names(tmp_path: Path) -> None:
    sets = read_tle(write(tmp_path, "ISS (ZARYA)", *ISS, "", *VANGUARD), WGS72)
    assert [(s.label, s.catalog, s.line) for s in sets] == [("ISS (ZARYA)", 25544, 2), ("", 5, 5)]
    assert sets[0].satrec.no_kozai == pytest.approx(15.50103472 * 2 * 3.141592653589793 / 1440, rel=1e-12)
    sets = read_tle(write(tmp_path, "0 ISS (ZARYA)", *ISS), WGS72)
    assert sets[0].label == "ISS (ZARYA)"


def test_line_ends_and_byte_order_marks_of_other_systems(tmp_path: Path) -> None:
    path = tmp_path / "dos.tle"
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(["ISS (ZARYA)", *ISS, ""]).encode())
    assert [s.label for s in read_tle(path, WGS72)] == ["ISS (ZARYA)"]


@pytest.mark.parametrize(("written", "number"), [("A0000", 100_000), ("Z9999", 339_999), ("J2931", 182_931)])
def test_alpha_5_numbers(tmp_path: Path, written: str, number: int) -> None:
    assert read_tle(write(tmp_path, *alpha5(ISS, written)), WGS72)[0].catalog == number


def test_gravity_is_as_asked(tmp_path: Path) -> None:
    path = write(tmp_path, *ISS)
    assert read_tle(path, WGS72)[0].satrec.radiusearthkm == 6378.135
    assert read_tle(path, GRAVITY["WGS84"])[0].satrec.radiusearthkm == 6378.137


def test_the_verification_set_is_read_but_for_its_artificial_checksums(tmp_path: Path) -> None:
    lines = (Path(sgp4.__file__).parent / "SGP4-VER.TLE").read_text().splitlines()
    pairs = [(line[:69], lines[i + 1][:69]) for i, line in enumerate(lines) if line.startswith("1 ")]
    assert len(pairs) == 33
    for first, second in pairs:
        number = int(first[2:7])
        if number in ARTIFICIAL_CHECKSUMS:
            with pytest.raises(ElementsError, match="checksum"):
                read_tle(write(tmp_path, first, second), WGS72)
        else:
            assert read_tle(write(tmp_path, first, second), WGS72)[0].catalog == number
        assert checksum(second) == compute_checksum(second)


FAULTS = {
    "checksum": (
        ["ISS", ISS[0][:-1] + "7", ISS[1]],
        2,
        "the checksum, column 69, is 7, and the line gives 1: copy it again",
    ),
    "checksum of line 2": ([ISS[0], ISS[1][:-1] + "0"], 2, "is 0, and the line gives 2"),
    "short": ([ISS[0], ISS[1][:60]], 2, "this line 2 has 60 characters: it must have 69"),
    "long": ([ISS[0] + "5", ISS[1]], 1, "this line 1 has 70 characters: it must have 69"),
    "shifted column": (
        [ISS[0], ISS[1][:8] + ISS[1][9:26] + " " + ISS[1][26:]],
        2,
        "column 17 holds '2', where a blank belongs",
    ),
    "letter in a number": (
        [ISS[0], fixed(ISS[1].replace("0007417", "00O7417"))],
        2,
        "columns 27 to 33 hold '00O7417', which is no eccentricity",
    ),
    "decimal comma": (
        [fixed(ISS[0].replace("343.693", "343,693")), ISS[1]],
        1,
        "columns 21 to 32 hold '343,69339541', which is no day of the epoch",
    ),
    "letters that Alpha-5 leaves out": (
        [fixed(ISS[0].replace("25544U", "I5544U")), ISS[1]],
        1,
        "columns 3 to 7 hold 'I5544', which is no catalogue number",
    ),
    "other alphabet": ([ISS[0].replace("25544", "２5544"), ISS[1]], 1, "which is no catalogue number"),
    "lines of two satellites": ([ISS[0], VANGUARD[1]], 2, "is of satellite 00005, and line 1 of 25544"),
    "day 0": ([fixed(ISS[0].replace("19343.", "19000.")), ISS[1]], 1, "the day of the epoch is 0.693395"),
    "inclination": ([ISS[0], fixed(ISS[1].replace(" 51.6439", "191.6439"))], 2, "inclination is 191.644"),
    "node": ([ISS[0], fixed(ISS[1].replace("211.2001", "361.2001"))], 2, "the node is 361.2 degrees"),
    "mean motion": ([ISS[0], fixed(ISS[1].replace("15.50103472", " 0.00000000"))], 2, "motion is 0 r"),
    "line 2 alone": ([ISS[1]], 1, "line 2 of an element set with no line 1 before it"),
    "line 1 alone": ([*VANGUARD, ISS[0]], 3, "followed by the end of the file: write its line 2"),
    "line 1 twice": ([ISS[0], ISS[0], ISS[1]], 2, "line 1 is followed by '1 25544U 98067A"),
    "two names": (["ISS", "VANGUARD", *VANGUARD], 2, "'VANGUARD' follows the name 'ISS': write its line 1"),
    "a name at the end": ([*ISS, "VANGUARD"], 3, "the name 'VANGUARD' is the end of the file"),
    "a page instead": (["<!DOCTYPE html>", "<html>", "</html>"], 2, "'<html>' follows the name"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_name_file_line_and_what_is_wrong(tmp_path: Path, fault: str) -> None:
    lines, line, message = FAULTS[fault]
    path = write(tmp_path, *lines)
    with pytest.raises(ElementsError) as caught:
        read_tle(path, WGS72)
    assert caught.value.path == path
    assert caught.value.line == line
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert caught.value.exit_status == 2


def outcome(path: Path) -> list[ElementSet] | ElementsError:
    """What is read, or the error."""
    try:
        return read_tle(path, WGS72)
    except ElementsError as error:
        return error


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(0, 220),
    st.integers(0, 9),
    st.sampled_from(["", " ", "0", "9", "-", ".", "A", "\n", "1 ", "é"]),
)
def test_a_damaged_file_is_read_or_named(tmp_path: Path, at: int, gone: int, damage: str) -> None:
    text = "\n".join(["ISS", *ISS, "VANGUARD", *VANGUARD])
    path = write(tmp_path, text[:at] + damage + text[at + gone :])
    result = outcome(path)
    if isinstance(result, ElementsError):
        assert (result.path, "\n" in result.message) == (path, False)
    else:
        assert [s.catalog for s in result] == [25544, 5]


def test_an_empty_file_and_none(tmp_path: Path) -> None:
    with pytest.raises(ElementsError, match="holds no element set"):
        read_tle(write(tmp_path, ""), WGS72)
    with pytest.raises(ElementsError, match="cannot read the file: No such file"):
        read_tle(tmp_path / "none.tle", WGS72)
    with pytest.raises(ElementsError, match="this is a folder"):
        read_tle(tmp_path, WGS72)
