"""Tables of a record that say of themselves what they hold, and the page that lists them all.

``python -m orbitmesh.emulator.record.described docs/record.md`` writes that page's tables anew.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pyarrow as pa

from . import files
from .meanings import TABLES
from .meanings_of_keys import FILES, KEYS

_CLOCKS = ("emulated", "monotonic", "emulated UTC", "machine's UTC")


@dataclass(frozen=True)
class Meaning:
    """``unit`` and ``clock`` are "" for a number of things, a name, a truth."""

    name: str
    told: str  # unit and clock as the page has them
    text: str

    @property
    def unit(self) -> str:
        return next((part for part in self.told.split(", ") if part not in _CLOCKS), "")

    @property
    def clock(self) -> str:
        return next((part for part in self.told.split(", ") if part in _CLOCKS), "")


def meanings(block: str) -> list[Meaning]:
    """Of a block of ``meanings``."""
    lines = re.sub(r"\n +", " ", block.strip()).splitlines()
    return [Meaning(*(part.strip() for part in line.split("|", 2))) for line in lines]


def described(schema: pa.Schema, table: str, about: Mapping[str, str] | None = None) -> pa.Schema:
    """The same with metadata: of each column unit, clock and meaning, as far as known; of all, what the
    table is, and ``about`` the run."""
    known = {each.name: each for each in meanings(TABLES[table])}
    fields = []
    for field in schema:
        if (meant := known.get(field.name)) is not None:
            told = {"unit": meant.unit, "clock": meant.clock, "meaning": meant.text}
            field = field.with_metadata({key: value for key, value in told.items() if value})
        fields.append(field)
    of_all = {"orbitmesh_table": table, **(about or {})}
    return pa.schema(fields, metadata={key: str(value) for key, value in of_all.items()})


def about_run(run_id: str) -> dict[str, str]:
    """Of a run that is written now."""
    return {
        "orbitmesh_run_id": run_id,
        "orbitmesh_format": str(files.FORMAT),
        "orbitmesh_version": version("orbitmesh"),
    }


# ---- the page

_ROWS = re.compile(r"(^\|---.*\n)((?:^\|.*\n)*)", re.MULTILINE)


def page(text: str) -> str:
    """docs/record.md with its tables as the code has them; what stands around them is kept.

    KeyError for a file that has no section of its own.
    """
    first, *sections = re.split(r"^(?=## )", text, flags=re.MULTILINE)
    blocks = {f"{name}.parquet": block for name, block in TABLES.items()} | KEYS
    made = [_with_rows(first, FILES)]
    for section in sections:
        name = section.splitlines()[0].removeprefix("## ")
        made.append(_with_rows(section, blocks.pop(name)) if name in blocks else section)
    if blocks:
        raise KeyError(f"no section is headed {', '.join(blocks)}")
    return "".join(made)


def _with_rows(section: str, block: str) -> str:
    rows = "".join(
        f"| {_names(each.name)} |{_cell(each.told)}|{_cell(each.text)}|\n" for each in meanings(block)
    )
    return _ROWS.sub(lambda found: found[1] + rows, section, count=1)


def _names(listed: str) -> str:
    return ", ".join(f"`{name}`" for name in listed.split(", "))


def _cell(text: str) -> str:
    return f" {text} " if text else " "


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(page(path.read_text()))
