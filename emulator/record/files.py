"""Where a run keeps what, and how it is read back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from .writer import parts_of

RUN = "run.json"
SUMMARY = "summary.json"
EVENTS = "events.jsonl"
WINDOWS = "windows.jsonl"
PAIRS = "pairs.parquet"
SAMPLES = "samples"
PATH_CHANGES = "path-changes"

# The key by which a folder is known to be a run of ours; its value is the format of all its files.
# 2: sim_utc and host_utc in place of t_utc, marks of soundness, pairs, windows.
MARKER = "orbitmesh_run"
FORMAT = 2
REMOVABLE = (1, FORMAT)  # formats whose files are known, and can be removed

# Few different values: held once each, however many rows there are.
_REPEATED = ["kind", "src", "dst", "error", "task"]


def read_table(
    folder: Path, schema: pa.Schema, columns: list[str] | None = None
) -> tuple[pa.Table, list[tuple[Path, str]]]:
    """The merged table, or all readable parts of it; and which files could not be read, with why.

    ``columns``: those wanted; repeated strings then come dictionary-encoded.
    """
    merged = folder.with_name(folder.name + ".parquet")
    wanted = schema if columns is None else pa.schema([schema.field(name) for name in columns])
    encoded = [name for name in _REPEATED if columns is not None and name in columns]
    tables, unreadable = [], []
    for path in [merged] if merged.exists() else parts_of(folder):
        try:
            tables.append(pq.read_table(path, columns=wanted.names, read_dictionary=encoded))
        except (pa.ArrowException, OSError, ValueError) as error:
            unreadable.append((path, str(error).splitlines()[0]))
    return (pa.concat_tables(tables) if tables else wanted.empty_table()), unreadable


def damaged_files(folder: Path, schema: pa.Schema) -> list[tuple[Path, str]]:
    """Which files of a table cannot be read, with why; looks at their structure only."""
    merged = folder.with_name(folder.name + ".parquet")
    found = []
    for path in [merged] if merged.exists() else parts_of(folder):
        try:
            missing = set(schema.names) - set(pq.read_schema(path).names)
        except (pa.ArrowException, OSError, ValueError) as error:
            found.append((path, str(error).splitlines()[0]))
        else:
            if missing:
                found.append((path, f"it lacks {', '.join(sorted(missing))}"))
    return found


def sentence(unreadable: tuple[Path, str]) -> str:
    path, why = unreadable
    return f"{path} cannot be read ({why}); its rows are missing"


def is_run(value: Any) -> bool:
    return isinstance(value, dict) and MARKER in value
