"""Rows of a table for text: instants in ISO 8601 to the nanosecond, all else as it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


def as_rows(table: pa.Table) -> Iterator[tuple[Any, ...]]:
    """In the table's order; a few thousand are held at a time."""
    for batch in table.to_batches(max_chunksize=10_000):
        yield from zip(*(_plain(column) for column in batch.columns), strict=True)


def _plain(column: pa.Array) -> list[Any]:
    if pa.types.is_timestamp(column.type):
        column = pc.strftime(column, format="%Y-%m-%dT%H:%M:%SZ")
    return list(column.to_pylist())
