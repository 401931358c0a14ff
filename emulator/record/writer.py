"""Tables on disk that can be read whatever happens: small parts while the run lasts, one file at its end.

A part appears under its name only when it is whole.  A part that cannot be
written (no space left, say) raises one HostError; its rows are kept and tried
again, up to a bound, beyond which the newest are counted and let go.
"""

from __future__ import annotations

import errno
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import HostError
from ..safe_files import Folder
from .samples import Row, table

# Rows that wait for a disk: 200,000 samples are about 200 MB.
MOST_ROWS_WAITING = 200_000
# Rows that one part holds, and one row group of the merged file.
_ROWS_PER_PART = 20_000
_ROWS_PER_GROUP = 100_000

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class TableWriter:
    """Parts in ``name/part-NNNNN.parquet``, merged to ``name.parquet``; in a record.  One thread."""

    def __init__(self, record: Folder, name: str, schema: pa.Schema) -> None:
        self._record, self._name, self.schema = record, name, schema
        self.rows_written = 0
        self.rows_lost = 0
        self._rows: list[Row] = []
        self._parts = 0
        with _sentences(record.path / name):
            self._folder = record.child(name, make=True)

    @property
    def rows_waiting(self) -> int:
        return len(self._rows)

    def add(self, row: Row) -> None:
        if len(self._rows) >= MOST_ROWS_WAITING:
            self.rows_lost += 1
        else:
            self._rows.append(row)

    def flush(self) -> None:
        """Write what waits; HostError where the disk refuses, with nothing lost yet."""
        while self._rows:
            rows = self._rows[:_ROWS_PER_PART]
            data = io.BytesIO()
            pq.write_table(table(rows, self.schema), data)
            write_whole(self._folder, f"part-{self._parts:05d}.parquet", data.getbuffer())
            self._parts += 1
            self.rows_written += len(rows)
            del self._rows[: len(rows)]

    def merge(
        self,
        finished: Callable[[pa.Table], pa.Table] = lambda rows: rows,
        described: Callable[[pa.Schema, str], pa.Schema] = lambda schema, name: schema,
    ) -> None:
        """Make one file of all parts, in order, and remove them.  HostError: the disk refuses, they stay.

        ``finished`` fills in what was not known while the run lasted; ``described`` adds metadata.
        """
        schema = described(self.schema, self._name)
        merged = f"{self._name}.parquet"
        with (
            _sentences(self._record.path / merged),
            self._record.replacing(merged) as file,
            pq.ParquetWriter(file, schema) as out,
        ):
            for group in _groups(parts_of(self._folder.anchored), self.schema):
                out.write_table(finished(group).select(schema.names).cast(schema))
        with _sentences(self._folder.path):
            for part in parts_of(self._folder.anchored):
                self._folder.remove(part.name)
            self._record.remove_folder(self._name)
        self._folder.close()


def parts_of(folder: Path) -> list[Path]:
    """Whole parts, in the order in which they were written."""
    return sorted(folder.glob("part-*.parquet"))


def write_whole(folder: Folder, name: str, data: bytes | memoryview) -> None:
    """The file appears whole or not at all.  HostError where the disk refuses."""
    with _sentences(folder.path / name), folder.replacing(name) as file:
        file.write(data)


def write_table(folder: Folder, name: str, rows: pa.Table) -> None:
    data = io.BytesIO()
    pq.write_table(rows, data)
    write_whole(folder, name, data.getbuffer())


def write_json(folder: Folder, name: str, value: dict[str, Any]) -> None:
    """Indented, keys in their order; ValueError for a NaN or an infinity, which JSON cannot hold."""
    write_whole(folder, name, (json.dumps(value, indent=2, allow_nan=False) + "\n").encode())


def append_lines(folder: Folder, name: str, *values: dict[str, Any]) -> None:
    """So many lines of JSON more."""
    lines = "".join(json.dumps(value, allow_nan=False) + "\n" for value in values)
    with _sentences(folder.path / name):
        folder.append(name, lines.encode())


def write_lines(folder: Folder, name: str, values: Iterable[dict[str, Any]]) -> None:
    """A line of JSON each, in place of what was there."""
    lines = "".join(json.dumps(value, allow_nan=False) + "\n" for value in values)
    write_whole(folder, name, lines.encode())


def _groups(parts: Iterable[Path], schema: pa.Schema) -> Iterable[pa.Table]:
    waiting: list[pa.Table] = []
    for part in parts:
        waiting.append(pq.read_table(part, schema=schema))
        if sum(len(rows) for rows in waiting) >= _ROWS_PER_GROUP:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


@contextmanager
def _sentences(path: Path) -> Iterator[None]:
    """Turns an OSError into one sentence that names the file and the next step."""
    try:
        yield
    except OSError as error:
        why = error.strerror or (os.strerror(error.errno) if error.errno else str(error))
        if error.errno in _NO_SPACE:
            raise HostError(
                f"cannot write {path}: {why}; what was recorded until now can be read (orbitmesh report); "
                f"free some space, or name a folder on another disk with --out"
            ) from error
        raise HostError(
            f"cannot write {path}: {why}; name a folder that can be written with --out"
        ) from error
