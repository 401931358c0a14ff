"""What was measured of a pair, from rows of samples.  Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..record.totals import KINDS


@dataclass(frozen=True)
class Measured:
    """Medians, there and back; None: not known."""

    samples: int
    by: str
    measured_ns: float
    serialisation_ns: float | None = None
    remainder_ns: float | None = None


def measured(rows: pa.Table, a: str, b: str) -> Measured | None:
    """Of two nodes, either way round; of UDP, or if there is none of gRPC, or tasks; None: of neither."""
    there, back = (pc.and_(pc.equal(rows["src"], x), pc.equal(rows["dst"], y)) for x, y in ((a, b), (b, a)))
    mine = rows.filter(pc.and_(pc.or_(there, back), rows["ok"]))
    for kind in KINDS if len(mine) else ():
        some = mine.filter(pc.equal(mine["kind"], kind))
        median_ns = _median(some["measured_ns"])
        if median_ns is not None:
            more = (_median(some[column]) for column in ("serialisation_ns", "remainder_ns"))
            return Measured(len(some), kind, median_ns, *more)
    return None


def _median(column: pa.ChunkedArray) -> float | None:
    values = column.drop_null().to_numpy()
    return float(np.median(values)) if len(values) else None
