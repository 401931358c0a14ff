"""Samples of two runs that belong together: the same stream, the same instant."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from orbitmesh.emulator.compare.pairing import common_codes, nearest

S = 10**9


def test_each_is_paired_with_the_nearest_of_its_own_stream_once() -> None:
    stream_a = np.array([0, 0, 0, 1, 1])
    when_a = np.array([0, 10, 20, 0, 10]) * S
    # the grid of the other run is 3 s later; its stream 1 began late, and stream 2 is nobody's
    stream_b = np.array([2, 1, 0, 0, 0, 1])
    when_b = np.array([3, 13, 23, 13, 3, 33]) * S
    a, b = nearest(stream_a, when_a, stream_b, when_b)
    assert list(zip(a.tolist(), b.tolist(), strict=True)) == [(0, 4), (1, 3), (2, 2), (4, 1)]
    a, b = nearest(stream_a, when_a, stream_b, when_b, most_ns=2 * S)
    assert len(a) == len(b) == 0


def test_streams_are_known_by_their_texts_not_by_their_order() -> None:
    def column(*texts: str | None) -> pa.ChunkedArray:
        return pa.chunked_array([pa.array(texts, pa.string())])

    a, b = common_codes(
        [column("x", "y", None), column("1", "1", "2")],
        [column("y", None, "x", "y"), column("1", "2", "2", "1")],
    )
    assert a[1] == b[0] == b[3]
    assert a[2] == b[1]
    assert len({*a.tolist(), *b.tolist()}) == 4


def test_of_runs_at_random_no_pair_is_of_two_streams_and_each_is_in_one() -> None:
    random = np.random.default_rng(1)
    sides = [(random.integers(0, 50, n), random.integers(0, 3600 * S, n)) for n in (5000, 4000)]
    (stream_a, when_a), (stream_b, when_b) = sides
    a, b = nearest(stream_a, when_a, stream_b, when_b)
    assert len(a) > 1000
    assert (stream_a[a] == stream_b[b]).all()
    assert len({*a.tolist()}) == len(a)
    assert len({*b.tolist()}) == len(b)
    # as far apart as a damaged table may have it: no key may run over
    far = np.array([-(2**53), 2**53 - 1])
    a, b = nearest(np.array([0, 10**6]), far, np.array([0, 10**6]), far + 5, most_ns=S)
    assert list(zip(a.tolist(), b.tolist(), strict=True)) == [(0, 0), (1, 1)]
    none = np.zeros(0, np.int64)
    assert [len(each) for each in nearest(stream_a, when_a, none, none)] == [0, 0]
