"""What no run can have measured, in tables that come from anywhere: left out, and counted.  Pure."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ..shown import counted

MOST_NS = 2**53  # 104 days; up to here float64 is exact
_MOST = float(np.nextafter(2.0**63, 0))


def floats(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """(n,) float64, NaN for null; beyond 2^53 rounded, where Arrow by itself refuses all of the column.

    Whole numbers stay such that fit into int64 again, which 2^63 - 1, rounded up, does not.
    """
    values: NDArray[np.float64] = column.cast(pa.float64(), safe=False).to_numpy()
    return np.minimum(values, _MOST) if pa.types.is_integer(column.type) else values


def placed(table: pa.Table, what: str, notes: list[str]) -> pa.Table:
    """The rows of an instant that a run can have had; a note on the others, each of which is a ``what``."""
    when = table["sim_ns"]
    kept = pc.and_(pc.greater_equal(when, -MOST_NS), pc.less(when, MOST_NS)).fill_null(False)
    if (lost := len(table) - int(pc.sum(kept).as_py() or 0)) == 0:
        return table
    notes.append(f"{counted(lost, what)} of no known instant: left out")
    return table.filter(kept)


def is_time(values_ns: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(n,): whether it can have been measured."""
    return np.asarray(np.isfinite(values_ns) & (values_ns > 0) & (values_ns < MOST_NS))


def untimed(n: int, what: str) -> str:
    return f"{n:,} {what} hold no time that can have been measured: left out"
