"""Which sample of one run belongs to which of another: the same stream, the same instant.  Pure.

A stream's grid lies on the machine's clock, so that the same probe of two runs is sent at instants of
emulated time that differ by less than its interval.  Pairs are those that are each other's nearest, no
further apart than half of it: a satellite moves some km in that time, and its delay by microseconds.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Ints = NDArray[np.int64]

_US = 1000
_MOST_KEY = 2**62


def common_codes(first: list[pa.ChunkedArray], second: list[pa.ChunkedArray]) -> tuple[Ints, Ints]:
    """A number for each row of two tables: the same where all columns (texts) are; null is a text too."""
    n = len(first[0])
    key = np.zeros(n + len(second[0]), np.int64)
    for a, b in zip(first, second, strict=True):
        both = pa.chunked_array([*_texts(a).chunks, *_texts(b).chunks], pa.string()).combine_chunks()
        encoded = both.dictionary_encode()
        code = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64) + 1
        key = np.unique(key * (len(encoded.dictionary) + 1) + code, return_inverse=True)[1].astype(np.int64)
    return key[:n], key[n:]


def _texts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(pa.string())


def nearest(
    stream_a: Ints, when_a_ns: Ints, stream_b: Ints, when_b_ns: Ints, most_ns: int | None = None
) -> tuple[Ints, Ints]:
    """Rows of a and of b that belong together, in the order of a's streams and instants.

    ``most_ns``: how far apart they may be; None: half of the usual time between two of a stream.
    """
    if len(stream_a) == 0 or len(stream_b) == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    begin = min(int(when_a_ns.min()), int(when_b_ns.min()))
    span_ns = max(int(when_a_ns.max()), int(when_b_ns.max())) - begin
    # finer than a microsecond is of no use; coarser where a damaged table has instants of many years
    streams = max(int(stream_a.max()), int(stream_b.max())) + 1
    unit_ns = max(_US, 3 * streams * (span_ns + 1) // _MOST_KEY + 1)
    span = span_ns // unit_ns + 1
    key_a, order_a = _keys(stream_a, (when_a_ns - begin) // unit_ns, span)
    key_b, order_b = _keys(stream_b, (when_b_ns - begin) // unit_ns, span)
    to_b, apart = _nearest(key_a, key_b)
    to_a, _ = _nearest(key_b, key_a)
    most = _usual(key_a, span) / 2 if most_ns is None else most_ns / unit_ns
    kept = (to_a[to_b] == np.arange(len(key_a))) & (apart <= most)
    return order_a[kept], order_b[to_b[kept]]


def _keys(stream: Ints, when: Ints, span: int) -> tuple[Ints, Ints]:
    """Streams one behind the other on one line, twice a span apart, so that none is near another's."""
    key = stream * (3 * span) + when
    order = np.argsort(key, kind="stable")
    return key[order], order


def _nearest(of: Ints, among: Ints) -> tuple[Ints, Ints]:
    right = np.clip(np.searchsorted(among, of), 0, len(among) - 1)
    left = np.maximum(right - 1, 0)
    far_right, far_left = np.abs(among[right] - of), np.abs(among[left] - of)
    row = np.where(far_left <= far_right, left, right)
    return row, np.minimum(far_left, far_right)


def _usual(key: Ints, span: int) -> float:
    apart = np.diff(key)
    inside = apart[apart <= span]
    return float(np.median(inside)) if len(inside) else float(span)
