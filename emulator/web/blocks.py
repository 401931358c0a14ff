"""A recorded table in blocks of time: what is looked at is read, however large the whole is.

The merged table's row groups, or the parts of a run that has not ended in order.  What cannot be read is left
out, and said.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..errors import InputError
from ..reading import TABLE, open_regular
from ..results.tables import paths_of
from ..shown import plain

_TIME = "sim_ns"
_MOST_HELD = 8
_ENCODED = pa.dictionary(pa.int32(), pa.string())
_DAMAGED = (
    pa.ArrowException, OSError, ValueError, TypeError, OverflowError, MemoryError, InputError, KeyError
)  # fmt: skip


@dataclass(frozen=True)
class Block:
    path: Path
    group: int
    rows: int
    first_sim_ns: int
    last_sim_ns: int


class Blocks:
    """In one thread at a time."""

    def __init__(self, folder: Path, name: str, schema: pa.Schema, *, is_encoded: bool = False) -> None:
        """``schema``: of the columns that are wanted, ``sim_ns`` among them.

        ``is_encoded``: texts come as Arrow's dictionaries, each different one held once.
        """
        self._texts = [field.name for field in schema if is_encoded and field.type == pa.string()]
        self._schema = pa.schema(
            [pa.field(field.name, _ENCODED) if field.name in self._texts else field for field in schema]
        )
        self.missing: list[str] = []
        self._held: OrderedDict[Block, pa.Table] = OrderedDict()
        found: list[Block] = []
        for path in paths_of(folder, name):
            found += self._of(path)
        self.blocks = sorted(found, key=lambda block: block.last_sim_ns)
        self._last = [block.last_sim_ns for block in self.blocks]

    @property
    def span_sim_ns(self) -> tuple[int, int] | None:
        if not self.blocks:
            return None
        return min(block.first_sim_ns for block in self.blocks), self._last[-1]

    def between(self, after_sim_ns: int, until_sim_ns: int) -> pa.Table:
        """Rows of after an instant, up to another."""
        found = [self._schema.empty_table()]
        for block in self.blocks[bisect_left(self._last, after_sim_ns) :]:
            if block.first_sim_ns <= until_sim_ns:
                rows = self._read(block)
                at = rows[_TIME]
                found.append(
                    rows.filter(pc.and_(pc.greater(at, after_sim_ns), pc.less_equal(at, until_sim_ns)))
                )
        return pa.concat_tables(found)

    def each(self) -> Iterator[pa.Table]:
        """All, block by block, in order; none is held."""
        for block in self.blocks:
            yield self._table(block)

    def _of(self, path: Path) -> Sequence[Block]:
        try:
            with open_regular(path, TABLE) as file, pa.OSFile(f"/proc/self/fd/{file.fileno()}") as own:
                about = pq.ParquetFile(own).metadata
                column = about.schema.to_arrow_schema().names.index(_TIME)
                found = []
                for group in range(about.num_row_groups):
                    of = about.row_group(group)
                    column = next(i for i in range(of.num_columns) if of.column(i).path_in_schema == _TIME)
                    bounds: Any = of.column(column).statistics
                    if of.num_rows and bounds is not None and bounds.has_min_max:
                        found.append(Block(path, group, of.num_rows, int(bounds.min), int(bounds.max)))
                return found
        except (*_DAMAGED, StopIteration) as error:
            self._miss(path, error)
            return []

    def _read(self, block: Block) -> pa.Table:
        held = self._held.pop(block, None)
        self._held[block] = self._table(block) if held is None else held
        while len(self._held) > _MOST_HELD:
            self._held.popitem(last=False)
        return self._held[block]

    def _table(self, block: Block) -> pa.Table:
        try:
            with open_regular(block.path, TABLE) as file, pa.OSFile(f"/proc/self/fd/{file.fileno()}") as own:
                file_of = pq.ParquetFile(own, read_dictionary=self._texts)
                rows = file_of.read_row_group(block.group, columns=self._schema.names)
            return rows.select(self._schema.names).cast(self._schema)
        except _DAMAGED as error:
            self._miss(block.path, error)
            return self._schema.empty_table()

    def _miss(self, path: Path, error: BaseException) -> None:
        why = plain((str(error).splitlines() or [type(error).__name__])[0]).removeprefix(f"{path}: ")
        sentence = f"{path.name} cannot be read ({why}); its rows are missing"  # as the results say it
        if sentence not in self.missing:
            self.missing.append(sentence)
