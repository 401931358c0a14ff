"""Texts on the command line, and how they are read."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from orbitmesh.emulator.cli import options
from orbitmesh.emulator.errors import InputError


@pytest.mark.parametrize(
    ("text", "expected_ns"),
    [
        ("200s", 200 * 10**9),
        ("200 s", 200 * 10**9),
        ("100ms", 10**8),
        ("1.5 min", 90 * 10**9),
        ("60000000000ns", 60 * 10**9),
    ],
)
def test_a_duration(text: str, expected_ns: int) -> None:
    assert options.duration_ns(text, "--duration") == expected_ns


@pytest.mark.parametrize("text", ["60", "s", "0s", "-5 s", "5 parsec", "", "nan s"])
def test_a_wrong_duration_names_the_option_and_what_is_accepted(text: str) -> None:
    with pytest.raises(InputError, match=r"^--duration: .*write ") as caught:
        options.duration_ns(text, "--duration")
    assert caught.value.exit_status == 2


def test_an_instant_is_in_utc() -> None:
    expected = datetime(2026, 11, 1, 12, tzinfo=UTC)
    assert options.instant_utc("2026-11-01T12:00:00Z", "--start") == expected
    assert options.instant_utc("2026-11-01T13:00:00+01:00", "--start") == expected


@pytest.mark.parametrize("text", ["2026-11-01T12:00:00", "noon", "2026-13-01T00:00:00Z"])
def test_a_wrong_instant_names_the_option(text: str) -> None:
    with pytest.raises(InputError, match=r"^--start: "):
        options.instant_utc(text, "--start")


def test_a_pair() -> None:
    assert options.pair("gw-london:sat-3-7", "--pair") == ("gw-london", "sat-3-7")


@pytest.mark.parametrize("text", ["gw-london", "gw-london:", ":gw-london", "a:b:c", ""])
def test_a_wrong_pair_names_the_option(text: str) -> None:
    with pytest.raises(InputError, match=r"^--pair: .*gw-london:gw-tokyo"):
        options.pair(text, "--pair")


def test_a_run_is_named_by_its_folder_or_its_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Path("runs/demo-1")
    folder.mkdir(parents=True)
    with pytest.raises(InputError, match="demo-1 holds no run"):
        options.run_folder("demo-1")
    (folder / "run.json").write_text("{}")
    assert options.run_folder("demo-1") == folder
    assert options.run_folder("./runs/demo-1") == folder
    with pytest.raises(InputError, match=r"demo-2 holds no run .* there are demo-1"):
        options.run_folder("demo-2")


@pytest.mark.parametrize("text", ["", "-x", "a b", "toy\n1", "x" * 85])
def test_what_is_neither_an_id_nor_a_path_names_no_run(text: str) -> None:
    with pytest.raises(InputError, match=r"is no run's id: write one, or a folder's path with a / in it"):
        options.run_folder(text)
