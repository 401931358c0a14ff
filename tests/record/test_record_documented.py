"""docs/record.md names every file, column and key of a record, with its unit."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path

import pytest
from record_fakes import facts, header, small_world

from orbitmesh.emulator.record import files
from orbitmesh.emulator.record.account import PAIRS
from orbitmesh.emulator.record.answers import ANSWERS
from orbitmesh.emulator.record.course import COURSE
from orbitmesh.emulator.record.described import meanings, page
from orbitmesh.emulator.record.handovers import HANDOVERS
from orbitmesh.emulator.record.link_waits import LINKS
from orbitmesh.emulator.record.meanings import TABLES
from orbitmesh.emulator.record.platforms import PLATFORMS
from orbitmesh.emulator.record.recorder import Recorder
from orbitmesh.emulator.record.samples import PATH_CHANGES, SAMPLES
from orbitmesh.emulator.record.soundness import CAUSES, Window
from orbitmesh.emulator.record.training_book import TRAINING

TEXT = (Path(__file__).parents[2] / "docs/record.md").read_text()
UNITS = {"_ns": "ns", "_bps": "bit/s", "_ratio": "share", "sim_utc": "emulated UTC", "mono_ns": "monotonic"}


def documented(section: str) -> dict[str, str]:
    """Name and unit of each row of a section's table, in order."""
    found = re.search(rf"^## {re.escape(section)}\n(.*?)(?=^## |\Z)", TEXT, re.DOTALL | re.MULTILINE)
    assert found, f"docs/record.md has no section {section}"
    rows = re.findall(r"^\| `([^`]+)` \| ([^|]*)\|", found[1], re.MULTILINE)
    return {name: unit.strip() for name, unit in rows}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("recorded")
    told: list[Exception] = []
    Recorder(header(out, small_world().who), told.append).finish(facts())
    assert not told
    return out


@pytest.mark.parametrize(
    ("section", "names"),
    [
        (f"{files.SAMPLES}.parquet", SAMPLES.names),
        (f"{files.PATH_CHANGES}.parquet", PATH_CHANGES.names),
        (f"{files.HANDOVERS}.parquet", HANDOVERS.names),
        (f"{files.COURSE}.parquet", COURSE.names),
        (f"{files.PLATFORMS}.parquet", PLATFORMS.names),
        (files.PAIRS, PAIRS.names),
        (f"{files.ANSWERS}.parquet", ANSWERS.names),
        (f"{files.LINKS}.parquet", LINKS.names),
        (f"{files.TRAINING}.parquet", TRAINING.names),
        (files.WINDOWS, [field.name for field in fields(Window)]),
    ],
)
def test_every_column_is_documented_in_its_order(section: str, names: list[str]) -> None:
    assert list(documented(section)) == names


def test_the_page_is_what_the_code_says() -> None:
    """Else: python -m orbitmesh.emulator.record.described docs/record.md"""
    assert page(TEXT) == TEXT


@pytest.mark.parametrize("table", TABLES)
def test_a_column_s_meaning_stands_for_itself(table: str) -> None:
    """It is in the table's schema, too, where no other row stands above it."""
    for each in meanings(TABLES[table]):
        assert each.text, each.name
        assert not re.match(r"likewise|the same|that\b|as of", each.text) or each.name in (
            "sim_ns", "narrowest_emulated_bps", "waited_ns",
        ), each  # fmt: skip


@pytest.mark.parametrize("section", [files.RUN, files.SUMMARY])
def test_every_key_is_documented_in_its_order(section: str, recorded: Path) -> None:
    assert list(documented(section)) == list(json.loads((recorded / section).read_text()))


def test_every_key_of_an_event_is_documented(recorded: Path) -> None:
    lines = (recorded / files.EVENTS).read_text().splitlines()
    assert {key for line in lines for key in json.loads(line)} <= set(documented(files.EVENTS))
    assert {"host_utc", "event", "text"} <= set(documented(files.EVENTS))


def test_units_are_those_that_the_names_end_in() -> None:
    for name, unit in re.findall(r"^\| `([^`]+)` \| ([^|]*)\|", TEXT, re.MULTILINE):
        for end, meant in UNITS.items():
            if name.endswith(end) and not name.startswith("…"):
                assert meant in unit, f"{name}: {unit!r}"


def test_every_file_is_documented(recorded: Path) -> None:
    first = TEXT.split("\n## ", 1)[0]
    for path in recorded.iterdir():
        assert f"| `{path.name}` |" in first, path.name
    assert f"| `{files.WINDOWS}` |" in first


def test_every_cause_is_explained() -> None:
    assert [cause for cause in re.findall(r"`([a-z-]+)`\s\(", TEXT) if cause in CAUSES] == list(CAUSES)
