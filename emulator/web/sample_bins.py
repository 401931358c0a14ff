"""Samples in bins of time by gateway: the median measured beside the median of what light needs.  Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..epoch import Float64, Int64
from ..record.plausible import floats

COLUMNS = ["sim_ns", "kind", "src", "dst", "ok", "measured_ns", "propagation_ns"]
_KINDS = ("udp", "grpc")


@dataclass(frozen=True, eq=False)
class Binned:
    """Of one gateway, by row: the middle of each bin, s, and medians, ms; NaN: not known."""

    gateway: int
    sim_s: Float64
    measured_ms: Float64
    physical_ms: Float64


def binned(samples: pa.Table, gateways: Sequence[str], width_ns: int) -> Iterator[Binned]:
    """Of the UDP probes, or of the gRPC probes of a gateway that has no others; those lost count nowhere.

    ``gateway`` is the row among ``gateways``.
    """
    samples = samples.filter(samples["ok"])
    names = pa.array(gateways, pa.string())
    far, near = (_index(samples[column], names) for column in ("dst", "src"))
    gateway = np.where(far >= 0, far, near)
    kind = _index(samples["kind"], pa.array(_KINDS, pa.string()))
    at_ns, measured_ns, physical_ns = (
        floats(samples[c]) for c in ("sim_ns", "measured_ns", "propagation_ns")
    )
    for row in range(len(gateways)):
        for number in range(len(_KINDS)):
            mine = np.flatnonzero((gateway == row) & (kind == number))
            if not len(mine):
                continue
            bins = (at_ns[mine] // width_ns).astype(np.int64)
            found, measured = _medians(bins, measured_ns[mine])
            _, physical = _medians(bins, physical_ns[mine])
            sim_s = (found + 0.5) * (width_ns / 1e9)
            yield Binned(row, np.asarray(sim_s, np.float64), measured / 1e6, physical / 1e6)
            break


def joined(parts: Sequence[Binned]) -> Binned:
    """Of one gateway, one after the other."""
    columns = ([getattr(part, name) for part in parts] for name in ("sim_s", "measured_ms", "physical_ms"))
    return Binned(parts[0].gateway, *map(np.concatenate, columns))


def _medians(bins: Int64, values: Float64) -> tuple[Int64, Float64]:
    """Of each bin that has any, rising; those not known come last in each, and count not."""
    order = np.lexsort((values, bins))
    bins, values = bins[order], values[order]
    found, first, counts = np.unique(bins, return_index=True, return_counts=True)
    known = np.add.reduceat(~np.isnan(values), first) if len(first) else counts
    low = first + np.maximum(known - 1, 0) // 2
    high = first + np.maximum(known // 2, 0)
    medians = (values[low] + values[np.minimum(high, len(values) - 1)]) / 2
    return found, np.where(known > 0, medians, np.nan)


def _index(column: pa.ChunkedArray, names: pa.Array) -> Int64:
    if pa.types.is_dictionary(column.type):
        column = column.cast(pa.string())
    index: Int64 = pc.index_in(column, value_set=names).fill_null(-1).to_numpy().astype(np.int64)
    return index
