"""Where a run keeps what, and how it is read back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import InputError
from ..reading import TABLE, open_regular
from ..shown import plain
from .writer import parts_of

RUN = "run.json"
SUMMARY = "summary.json"
EVENTS = "events.jsonl"
ENDING = "ending.json"
WINDOWS = "windows.jsonl"
PAIRS = "pairs.parquet"
SAMPLES = "samples"
PATH_CHANGES = "path-changes"
HANDOVERS = "handovers"
COURSE = "course"
PLATFORMS = "platforms"  # only of a scenario with platforms
ANSWERS = "answers"
LINKS = "links"  # on which customers' packets waited
TRAINING = "training"

# The key by which a folder is known to be a run of ours; its value is the format of all its files.
# 2: sim_utc and host_utc in place of t_utc, marks of soundness, pairs, windows.
MARKER = "orbitmesh_run"
FORMAT = 2
REMOVABLE = (1, FORMAT)  # formats whose files are known, and can be removed

# Few different values: held once each, however many rows there are.
_REPEATED = ["kind", "src", "dst", "error", "task"]

# Columns without which a row says nothing, in whichever table they are.
_NEVER_NULL = ("kind", "src", "ok", "sent_mono_ns", "done_mono_ns", "sent", "answered")

_UNREADABLE = " cannot be read ("

# What the bytes of a file that is no table, or a damaged one, may end in.
_DAMAGED = (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError)


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
            tables.append(read_rows(path, wanted, encoded))
        except InputError as error:
            unreadable.append((path, error.message))
    return (pa.concat_tables(tables) if tables else wanted.empty_table()), unreadable


def damaged_files(folder: Path, schema: pa.Schema) -> list[tuple[Path, str]]:
    """Which files of a table cannot be read, with why; looks at their structure only."""
    merged = folder.with_name(folder.name + ".parquet")
    found = []
    for path in [merged] if merged.exists() else parts_of(folder):
        try:
            with _opened(path) as file:
                _check_columns(pq.read_schema(file), schema)
        except InputError as error:
            found.append((path, error.message))
        except _DAMAGED as error:
            found.append((path, _first_line(error)))
    return found


def read_rows(path: Path, wanted: pa.Schema, encoded: Sequence[str] = ()) -> pa.Table:
    """The wanted columns of one regular file, with what every row must have; InputError says what is wrong.

    Those ``encoded`` come dictionary-encoded.
    """
    try:
        with _opened(path) as file:
            _check_columns(pq.read_schema(file), wanted)
            file.seek(0)
            table = pq.read_table(file, columns=wanted.names, read_dictionary=list(encoded))
        table.validate(full=True)  # texts that are no UTF-8, among others
    except FileNotFoundError:
        raise InputError("there is no such file", path=path) from None
    except _DAMAGED as error:
        raise InputError(_first_line(error), path=path) from None
    for name in set(_NEVER_NULL).intersection(wanted.names):
        if table[name].null_count:
            raise InputError(f"its column {name} has rows without a value", path=path)
    return table


@contextmanager
def _opened(path: Path) -> Iterator[pa.NativeFile]:
    """A regular file, as Arrow's own: one of Python's would leave buffers of Python's to Arrow's threads.

    They let go of them at their leisure, and where the interpreter ends meanwhile, it ends by SIGABRT.
    """
    with open_regular(path, TABLE) as file, pa.OSFile(f"/proc/self/fd/{file.fileno()}") as own:
        yield own


def _check_columns(found: pa.Schema, wanted: pa.Schema) -> None:
    """ValueError where a column lacks, or holds another type."""
    lacking = sorted(set(wanted.names) - set(found.names))
    if lacking:
        raise ValueError(f"it lacks {', '.join(lacking)}")
    for field in wanted:
        if len(found.get_all_field_indices(field.name)) > 1:
            raise ValueError(f"it has the column {field.name} twice")
        kind = found.field(field.name).type
        if kind != field.type:
            raise ValueError(f"its column {field.name} holds {kind}, where {field.type} belongs")


def _first_line(error: BaseException) -> str:
    return plain((str(error).splitlines() or [type(error).__name__])[0])


def schema_of(path: Path) -> pa.Schema:
    """Of one regular file; InputError says what is wrong."""
    try:
        with _opened(path) as file:
            return pq.read_schema(file)
    except FileNotFoundError:
        raise InputError("there is no such file", path=path) from None
    except _DAMAGED as error:
        raise InputError(_first_line(error), path=path) from None


def read_all(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """All columns of one regular file, whichever they are, or those of the names given that it has.

    InputError says what is wrong.
    """
    try:
        with _opened(path) as file:
            if columns is not None:
                there = pq.read_schema(file).names
                columns = [name for name in columns if name in there]
                file.seek(0)
            table = pq.read_table(file, columns=columns)
        table.validate(full=True)
    except FileNotFoundError:
        raise InputError("there is no such file", path=path) from None
    except _DAMAGED as error:
        raise InputError(_first_line(error), path=path) from None
    return table


def sentence(unreadable: tuple[Path, str]) -> str:
    path, why = unreadable
    return f"{path}{_UNREADABLE}{why}); its rows are missing"


def not_yet_said(told: Iterable[str], before: Sequence[str]) -> list[str]:
    """Sentences of files that cannot be read, without those of files of which that is said already."""
    found: list[str] = []
    for each in told:
        file, cannot, _ = each.partition(_UNREADABLE)
        if each not in before and not (
            cannot and any(one.startswith(file + cannot) for one in (*before, *found))
        ):
            found.append(each)
    return found


def is_run(value: Any) -> bool:
    return isinstance(value, dict) and MARKER in value


def has_format(run: dict[str, Any], *formats: int) -> bool:
    """Python takes true for 1."""
    return not isinstance(run[MARKER], bool) and run[MARKER] in formats
