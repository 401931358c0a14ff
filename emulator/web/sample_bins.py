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
_VALUE_BITS = 40
_MOST_NS = 1 << _VALUE_BITS  # 18 minutes: nobody waits for an answer so long


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
    if not len(at_ns):
        return
    has_udp = np.isin(np.arange(len(gateways)), gateway[kind == 0])
    mine = (gateway >= 0) & (kind >= 0) & ((kind == 0) | ~has_udp[gateway])
    yield from _by_gateway(gateway[mine], at_ns[mine], measured_ns[mine], physical_ns[mine], width_ns)


def of_course(course: pa.Table, gateways: Sequence[str], width_ns: int) -> list[Binned]:
    """From what a record holds of each gateway and second."""
    course = course.filter(course["gateway"].is_valid())
    gateway = _index(course["gateway"], pa.array(gateways, pa.string()))
    known = gateway >= 0
    at_ns, measured_ns, physical_ns = (
        floats(course[c])[known] for c in ("sim_ns", "measured_p50_ns", "physical_p50_ns")
    )
    return [*_by_gateway(gateway[known], at_ns, measured_ns, physical_ns, width_ns)]


def _by_gateway(
    gateway: Int64, at_ns: Float64, measured_ns: Float64, physical_ns: Float64, width_ns: int
) -> Iterator[Binned]:
    """Medians of (n,) values in bins; instants are all known."""
    bins = (at_ns // width_ns).astype(np.int64)
    if not len(bins):
        return
    first = int(bins.min())
    n_bins = int(bins.max()) - first + 1
    key = gateway * n_bins + bins - first
    found = np.unique(key)
    measured, physical = (_medians(key, of, found) / 1e6 for of in (measured_ns, physical_ns))
    sim_s = (found % n_bins + first + 0.5) * (width_ns / 1e9)
    for row in np.unique(found // n_bins).tolist():
        some = found // n_bins == row
        yield Binned(row, np.asarray(sim_s[some], np.float64), measured[some], physical[some])


def joined(parts: Sequence[Binned]) -> Binned:
    """Of one gateway, one after the other."""
    columns = ([getattr(part, name) for part in parts] for name in ("sim_s", "measured_ms", "physical_ms"))
    return Binned(parts[0].gateway, *map(np.concatenate, columns))


def _medians(key: Int64, values_ns: Float64, wanted: Int64) -> Float64:
    """Of each of the wanted keys, rising; NaN of one of which no value is known."""
    known = (values_ns >= 0) & (values_ns < _MOST_NS)
    # one number each, key and value: whole numbers are sorted several times as fast as rows
    packed = np.sort((key[known] << _VALUE_BITS) | values_ns[known].astype(np.int64))
    found = packed >> _VALUE_BITS
    first, end = (np.searchsorted(found, wanted, side) for side in ("left", "right"))
    medians = np.full(len(wanted), np.nan)
    some = end > first
    low, high = (first[some] + end[some] - 1) // 2, (first[some] + end[some]) // 2
    values = (packed & (_MOST_NS - 1)).astype(np.float64)
    medians[some] = (values[low] + values[high]) / 2
    return medians


def _index(column: pa.ChunkedArray, names: pa.Array) -> Int64:
    """(n,) the place of each text among the names, or -1."""
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    found = [np.empty(0, np.int64)]
    for chunk in column.chunks:
        place = pc.index_in(chunk.dictionary, value_set=names).fill_null(-1).to_numpy(zero_copy_only=False)
        code = chunk.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        found.append(np.append(place, -1).astype(np.int64)[code])
    return np.concatenate(found)
