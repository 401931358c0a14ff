"""Rows of a table for text: instants in ISO 8601 to the nanosecond, no number (NaN) as null."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

_KNOWN = (
    pa.types.is_null, pa.types.is_boolean, pa.types.is_integer, pa.types.is_string, pa.types.is_large_string
)  # fmt: skip


def as_rows(table: pa.Table) -> Iterator[tuple[Any, ...]]:
    """In the table's order; a few thousand are held at a time."""
    for batch in table.to_batches(max_chunksize=10_000):
        yield from zip(*(_plain(column) for column in batch.columns), strict=True)


def _plain(column: pa.Array) -> list[Any]:
    """What JSON and CSV can both hold: of a file of another version, or a damaged one, any kind may come."""
    of = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_timestamp(of):
        column = pc.strftime(column, format="%Y-%m-%dT%H:%M:%SZ")
    elif pa.types.is_floating(of):
        return [None if value is None or not math.isfinite(value) else value for value in column.to_pylist()]
    elif not any(is_of(of) for is_of in _KNOWN):
        return [None if value is None else str(value) for value in column.to_pylist()]
    return list(column.to_pylist())
