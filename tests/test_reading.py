"""Files that would wait for ever, are too large or too deep; numbers that no machine holds."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest

from orbitmesh.emulator.errors import InputError, ScenarioError
from orbitmesh.emulator.numbers import real, whole
from orbitmesh.emulator.reading import RECORD, SCENARIO, Kind, parse_json, parse_toml, read_bytes, read_text
from orbitmesh.emulator.scenario import Scenario, loads
from orbitmesh.emulator.scenario.units import LENGTH_KM, parse
from orbitmesh.emulator.shown import plain, shown

POCKET = """name = "p"
[constellation]
shells = [{ code = "D:1400:60:24/4/1" }]
[run]
start = 2026-11-01T00:00:00Z
"""


@pytest.mark.parametrize(
    ("kind", "said"),
    [("fifo", "a FIFO"), ("socket", "a socket"), ("folder", "a folder"), ("device", "a device")],
)
def test_only_a_regular_file_is_read(tmp_path: Path, kind: str, said: str) -> None:
    path = tmp_path / "x.toml"
    if kind == "fifo":
        os.mkfifo(path)  # with nobody who writes: an open() would wait
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
    elif kind == "folder":
        path.mkdir()
    else:
        path = Path("/dev/zero")
    with pytest.raises(ScenarioError, match=f"this is {said}, and a scenario is read from a regular file"):
        Scenario.load(path)


def test_a_file_is_read_up_to_the_size_of_its_kind(tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(bytes(11))
    with pytest.raises(InputError, match="larger than 0 MiB, the most for a thing"):
        read_bytes(path, Kind("a thing", 10))
    assert len(read_bytes(path, Kind("a thing", 11))) == 11


def test_an_element_file_in_the_place_of_a_fifo(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "some.tle")
    text = POCKET.replace('code = "D:1400:60:24/4/1"', 'tle = "some.tle"')
    with pytest.raises(ScenarioError, match=r"some\.tle is a FIFO: name a file"):
        loads(text, base=tmp_path)
    with pytest.raises(ScenarioError, match="there is no file"):
        loads(text.replace("some.tle", "a\\u0000b"), base=tmp_path)
    with pytest.raises(ScenarioError, match="there is no file"):
        loads(text.replace("some.tle", "a" * 5000), base=tmp_path)


def test_encodings(tmp_path: Path) -> None:
    path = tmp_path / "x"
    for encoding in ("utf-16", "utf-16-le", "utf-16-be"):
        path.write_bytes("<a>ü</a>".encode(encoding))
        assert read_text(path, RECORD, utf16=True) == "<a>ü</a>"
        with pytest.raises(InputError, match="is UTF-16 text"):
            read_text(path, RECORD)
    path.write_bytes(b"a\nb\xff")
    with pytest.raises(InputError, match="not UTF-8"):
        read_text(path, RECORD)


@pytest.mark.parametrize("depth", [33, 3_000, 100_000])
def test_what_is_nested_too_deep(depth: int) -> None:
    nested = "[" * depth + "]" * depth
    for text in (f"a = {nested}", "a" + ".a" * depth + " = 1", f"[a{'.a' * depth}]"):
        with pytest.raises(ScenarioError, match=r"deep|parts"):
            parse_toml(text, SCENARIO)
    with pytest.raises(InputError, match="32 deep"):
        parse_json(nested, RECORD)


def test_numbers_without_end() -> None:
    digits = "9" * 5_000
    for text in (f"x = {digits}", f"x = [1, {digits}]", "x = 0x" + "f" * 5_000, f"x = 1e{digits}"):
        with pytest.raises(ScenarioError, match=r"too large|characters"):
            loads(POCKET + text)
    for text in (f"[{digits}]", f"[1.{digits}]", "[1e999]", "[NaN]"):
        with pytest.raises(InputError, match=r"too large|characters|no number"):
            parse_json(text, RECORD)
    with pytest.raises(ValueError, match=r"4999 characters|5000 characters"):
        whole(digits)
    with pytest.raises(ValueError, match="not a number"):
        real("nan")


def test_a_quantity_of_twenty_thousand_digits_takes_no_time() -> None:
    began_s = time.process_time()
    for text in ("1" * 20_000, "1" * 20_000 + " km", "1." * 10_000, " " * 20_000 + "km", "1" + " " * 20_000):
        with pytest.raises(ValueError, match="characters"):
            parse(text, LENGTH_KM)
    assert time.process_time() - began_s < 1  # 20,000 digits without a unit took 13 s


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("aperture", '"1e200 km"', "at most 100 m"),
        ("margin-db", "4000.0", "at most 100"),
        ("pointing-error", '"1e300 urad"', "at most 0.1 rad"),
        ("wavelength", '"1e-300 m"', "at least 1e-08 m"),
        ("power", '"1e300 W"', "at most 1000000 W"),
    ],
)
def test_a_terminal_that_the_link_budget_cannot_hold(key: str, value: str, said: str) -> None:
    keys = {"power": '"1 W"', "aperture": '"10 cm"', "photons-per-bit": "100.0", "ceiling": '"1 Gbit/s"'}
    table = "\n".join(f"{k} = {v}" for k, v in {**keys, key: value}.items())
    with pytest.raises(ScenarioError, match=said):
        loads(POCKET.replace("[run]", f"[lasers.terminal]\n{table}\n[run]"))


def test_planes_and_errors_without_end() -> None:
    began_s = time.monotonic()
    with pytest.raises(ScenarioError, match="2000000 planes: write at most 50000"):
        loads(POCKET.replace("24/4/1", "2000000/2000000/1"))
    with pytest.raises(ScenarioError, match="99 more errors"):
        loads(POCKET + "".join(f"key{i} = 1\n" for i in range(20_000)))
    many = ", ".join('"sat-9-9"' for _ in range(20_000))
    with pytest.raises(ScenarioError, match="named twice"):
        loads(f"{POCKET}[compute]\nsatellites = [{many}]\n")
    assert time.monotonic() - began_s < 10
    with pytest.raises(ScenarioError, match="the run ends after 2055"):
        loads(POCKET + 'duration = "1000000 h"\n')


def test_what_is_repeated_is_cut_and_moves_no_cursor() -> None:
    assert shown("a\x1b[2J") == r"'a\x1b[2J'"
    assert len(shown("x" * 10**6)) < 70
    assert len(shown(["x" * 50] * 10**5)) < 300
    assert shown(16**5000) == "a whole number of 20001 bits"
    assert plain("a\nb\x1b") == r"a\nb\x1b"
