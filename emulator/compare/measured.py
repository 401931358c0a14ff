"""What was measured, as arrays: of a kind of probe, a class of customers, or of training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


def is_gateway(name: str) -> bool:
    return name.startswith("gw-")


def is_in(column: pa.ChunkedArray, wanted: Sequence[str]) -> Bools:
    found: Bools = pc.is_in(column, value_set=pa.array(wanted, pa.string())).to_numpy()
    return found


@dataclass(eq=False)
class Measured:
    """Of one kind of probe, or one class of customers, in any order; NaN where there is none."""

    names: dict[str, pa.ChunkedArray]  # columns of text that say whose each is
    when_ns: Ints
    ok: Bools
    sound: Bools
    values_ns: dict[str, Floats]
    rest_ns: Floats  # what neither physics nor the serving node explains
    hops: float = 0.0  # median of the way there

    def __len__(self) -> int:
        return len(self.ok)

    @cached_property
    def gateways(self) -> tuple[str, ...]:
        """Those that measured, or were measured, by name."""
        ends = (pc.unique(self.names[end]).to_pylist() for end in ("src", "dst"))
        return tuple({name for names in ends for name in names if name is not None and is_gateway(name)})

    def at_node(self, name: str) -> Bools:
        """Which rows have it at one of their ends."""
        return is_in(self.names["src"], [name]) | is_in(self.names["dst"], [name])

    def only(self, rows: Bools | Ints) -> Measured:
        taken = pa.array(np.flatnonzero(rows) if rows.dtype == np.bool_ else rows)
        return Measured(
            {name: column.take(taken) for name, column in self.names.items()},
            self.when_ns[rows], self.ok[rows], self.sound[rows],
            {name: value[rows] for name, value in self.values_ns.items()},
            self.rest_ns[rows], self.hops,
        )  # fmt: skip
