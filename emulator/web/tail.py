"""The newest samples of a run that goes on, from its folder, where the recorder puts a part each second.

So the run does nothing for whoever looks: not even what it measures of a pair is put together for him.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from ..errors import InputError
from ..record import files
from ..record.samples import SAMPLES
from ..record.writer import parts_of
from .measured import Measured, measured
from .sample_bins import COLUMNS, Binned, binned

_RECENT_NS = 10_000_000_000
_NEWEST_PARTS = 600  # of a second each, that are all read
_OLDER_PARTS = 600  # that are read of those before, evenly spread
_PARTS_AT_ONCE = 60
_SCHEMA = pa.schema([SAMPLES.field(name) for name in (*COLUMNS, "serialisation_ns", "remainder_ns")])


class SampleTail:
    """In one thread at a time.  ``folder``: the run's, by a path that lasts; None: it is elsewhere."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = None if folder is None else folder / files.SAMPLES
        self._read = ""  # the name of the last part
        self._recent: deque[pa.Table] = deque()

    def history(self, gateways: Sequence[str]) -> list[Binned]:
        """Seconds since the run began, by gateway: all of the last minutes, some of each time before."""
        parts = [] if self._folder is None else _some(parts_of(self._folder))
        found: list[Binned] = []
        for first in range(0, len(parts), _PARTS_AT_ONCE):
            rows = _rows(parts[first : first + _PARTS_AT_ONCE])
            if rows is not None:
                found += binned(rows, gateways, 10**9)
        return found

    def poll(self, now_sim_ns: int) -> None:
        """Reads what has come since."""
        parts = [] if self._folder is None else parts_of(self._folder)[-20:]
        new = [part for part in parts if part.name > self._read]
        if new:
            self._read = new[-1].name
            rows = _rows(new)
            if rows is not None:
                self._recent.append(rows)
        while self._recent and _newest_ns(self._recent[0]) < now_sim_ns - _RECENT_NS:
            self._recent.popleft()

    def of_pair(self, a: str, b: str, now_sim_ns: int) -> Measured | None:
        """Medians over the last seconds, either way round; of UDP, or if there is none of gRPC, or tasks."""
        if not self._recent:
            return None
        rows = pa.concat_tables(self._recent)
        return measured(rows.filter(pc.greater(rows["sim_ns"], now_sim_ns - _RECENT_NS)), a, b)


def _some(parts: Sequence[Path]) -> Sequence[Path]:
    newest, older = parts[-_NEWEST_PARTS:], parts[:-_NEWEST_PARTS]
    return [*older[:: -(-len(older) // _OLDER_PARTS) or 1], *newest]


def _rows(parts: Sequence[Path]) -> pa.Table | None:
    """Of those that are there and whole: at the run's end they become one file."""
    found = []
    for part in parts:
        try:
            found.append(files.read_rows(part, _SCHEMA))
        except InputError:
            continue
    return pa.concat_tables(found) if found else None


def _newest_ns(rows: pa.Table) -> int:
    return int(pc.max(rows["sim_ns"]).as_py() or 0)
