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
from .sample_bins import COLUMNS, Binned, binned, joined

_RECENT_NS = 10_000_000_000
_MOST_PARTS_BACK = 600  # of a second each
_PARTS_AT_ONCE = 60
_MOST_BINNED = 200  # times that it was read
_SCHEMA = pa.schema([SAMPLES.field(name) for name in (*COLUMNS, "serialisation_ns", "remainder_ns")])


class SampleTail:
    """In one thread at a time.  ``folder``: the run's, by a path that lasts."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / files.SAMPLES
        self._read = ""  # the name of the last part
        self._recent: deque[pa.Table] = deque()
        self._binned: dict[int, deque[Binned]] = {}
        self._binned_to = ""

    def history(self, gateways: Sequence[str]) -> list[Binned]:
        """Seconds of the last minutes, by gateway; what was read once is not read again."""
        parts = [part for part in parts_of(self._folder)[-_MOST_PARTS_BACK:] if part.name > self._binned_to]
        for first in range(0, len(parts), _PARTS_AT_ONCE):
            some = parts[first : first + _PARTS_AT_ONCE]
            self._binned_to = some[-1].name
            rows = _rows(some)
            if rows is not None:
                for each in binned(rows, gateways, 10**9):
                    self._binned.setdefault(each.gateway, deque(maxlen=_MOST_BINNED)).append(each)
        return [joined([*some]) for some in self._binned.values()]

    def poll(self, now_sim_ns: int) -> None:
        """Reads what has come since."""
        parts = parts_of(self._folder)[-20:]
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
