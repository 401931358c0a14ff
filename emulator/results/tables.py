"""Tables of a record, read as far as they can be: what is missing of one is named, and the rest is given."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ..errors import HostError, InputError
from ..extras import how_to_get
from ..record import files
from ..record.account import PAIRS
from ..record.answers import ANSWERS
from ..record.course import COURSE
from ..record.described import described
from ..record.handovers import HANDOVERS
from ..record.link_waits import LINKS
from ..record.platforms import PLATFORMS
from ..record.samples import PATH_CHANGES, SAMPLES
from ..record.training_book import TRAINING
from ..record.writer import parts_of
from ..shown import shown
from ..suggest import suggest

if TYPE_CHECKING:
    import pandas as pd

_PAIRS = files.PAIRS.removesuffix(".parquet")
_SCHEMAS: dict[str, pa.Schema] = {
    files.SAMPLES: SAMPLES,
    files.PATH_CHANGES: PATH_CHANGES,
    files.HANDOVERS: HANDOVERS,
    files.COURSE: COURSE,
    files.PLATFORMS: PLATFORMS,
    files.ANSWERS: ANSWERS,
    files.LINKS: LINKS,
    files.TRAINING: TRAINING,
    _PAIRS: PAIRS,
}


def tables() -> tuple[str, ...]:
    """The names of all that a record may have."""
    return tuple(_SCHEMAS)


@dataclass(frozen=True)
class Found:
    """``missing``: a sentence for each file, or column, that is damaged, absent or another than is known."""

    table: pa.Table
    missing: tuple[str, ...] = ()


def _usable(path: Path, schema: pa.Schema, known: pa.Schema) -> tuple[list[int], list[str]]:
    """Which columns of a file can be given, by their places; and a sentence for each that cannot."""
    kept, missing = [], []
    for column in dict.fromkeys(schema.names):
        here = schema.get_all_field_indices(column)
        kind = schema.field(here[0]).type
        if len(here) > 1:
            missing.append(f"{path} has the column {shown(column)} twice: it is left out")
        elif column in known.names and kind != (wanted := known.field(column).type):
            missing.append(
                f"{path}: its column {column} holds {kind}, where {wanted} belongs: it is left out"
            )
        else:
            kept.append(here[0])
    missing += [f"{path} lacks the column {name}" for name in known.names if name not in schema.names]
    return kept, missing


def paths_of(folder: Path, name: str) -> list[Path]:
    """The files of a table: the merged one, or the parts of a run that has not ended in order."""
    merged = folder / f"{name}.parquet"
    # lexists: a link that leads nowhere is a table that cannot be read, not one that is not there
    return [merged] if os.path.lexists(merged) else parts_of(folder / name)


def lacking(folder: Path, name: str) -> list[str]:
    """What of a table cannot be given, as far as its structure tells."""
    missing = []
    for path in paths_of(folder, name):
        try:
            missing += _usable(path, files.schema_of(path), _SCHEMAS[name])[1]
        except InputError as error:
            missing.append(files.sentence((path, error.message)))
    return missing


def read(
    folder: Path,
    name: str,
    about: Mapping[str, str] | None = None,
    columns: Sequence[str] | None = None,
    *,
    is_encoded: bool = False,
) -> Found:
    """A table by its name, or some ``columns`` of it; InputError for a name that no table has.

    ``is_encoded``: texts come as Arrow's dictionaries, each different one held once.
    """
    if name not in _SCHEMAS:
        raise InputError(f"there is no table {shown(name)} in a record: {suggest(name, _SCHEMAS, 'tables')}")
    found, missing = [], []
    known = _SCHEMAS[name]
    if columns is not None:
        known = pa.schema([known.field(column) for column in columns])
    for path in paths_of(folder, name):
        try:
            rows, wrong = _encoded(path, known) if is_encoded else _plain(path, known, columns)
        except InputError as error:
            missing.append(files.sentence((path, error.message)))
            continue
        found.append(rows)
        missing += wrong
    table = _joined(found) if found else known.empty_table()
    if is_encoded:
        return Found(table, tuple(missing))
    return Found(table.cast(described(table.schema, name, about)), tuple(missing))


def _plain(path: Path, known: pa.Schema, columns: Sequence[str] | None) -> tuple[pa.Table, list[str]]:
    rows = files.read_all(path, columns)
    kept, wrong = _usable(path, rows.schema, known)
    return rows.select(kept), wrong


def _encoded(path: Path, known: pa.Schema) -> tuple[pa.Table, list[str]]:
    schema = files.schema_of(path)
    kept, wrong = _usable(path, schema, known)
    there = {schema.names[place] for place in kept}
    wanted = pa.schema([field for field in known if field.name in there])
    texts = [field.name for field in wanted if field.type == pa.string()]
    return files.read_rows(path, wanted, texts), wrong


def _joined(found: Sequence[pa.Table]) -> pa.Table:
    plain = [rows.replace_schema_metadata(None) for rows in found]
    # parts of one run are alike, but for those that are damaged
    return plain[0] if len(plain) == 1 else pa.concat_tables(plain, promote_options="default")


def frame(table: pa.Table) -> pd.DataFrame:
    """As pandas has it: whole numbers stay whole where some are missing; units, meanings and whose they are
    in ``attrs``.  HostError where pandas is not installed."""
    try:
        import pandas as pd
    except ImportError:
        raise HostError(f"pandas is not installed: {how_to_get('pandas')}, or take the Arrow table") from None
    whole = {pa.int64(): pd.Int64Dtype(), pa.int32(): pd.Int32Dtype(), pa.bool_(): pd.BooleanDtype()}
    made = table.to_pandas(types_mapper=whole.get)
    made.attrs.update(attributes(table.schema))
    return made


def attributes(schema: pa.Schema) -> dict[str, Any]:
    """What a schema says beyond types, as texts."""
    columns = {column.name: _texts(column.metadata) for column in schema}
    return {**_texts(schema.metadata), "columns": {name: told for name, told in columns.items() if told}}


def _texts(metadata: Mapping[bytes, bytes] | None) -> dict[str, str]:
    return {
        key.decode(errors="replace"): value.decode(errors="replace")
        for key, value in (metadata or {}).items()
        if not key.startswith(b"ARROW:") and key != b"pandas"
    }
