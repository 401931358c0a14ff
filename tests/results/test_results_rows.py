"""Rows of tables as text: whatever kinds a file holds, JSON can be made of them."""

from __future__ import annotations

import json
import math
from typing import Any

import pyarrow as pa
import pytest

from orbitmesh.emulator.results.rows import as_rows


@pytest.mark.parametrize(
    ("column", "told"),
    [
        (pa.array([1.5, math.nan, math.inf, None]), [1.5, None, None, None]),
        (pa.array([b"\xff", None]), ["b'\\xff'", None]),
        (pa.array([7], pa.date32()), ["1970-01-08"]),
        (pa.array([{"a": math.inf}]), ["{'a': inf}"]),
        (pa.array([[1, 2]]), ["[1, 2]"]),
        (pa.array([True, None]), [True, None]),
        (pa.array(["a", "a"]).dictionary_encode(), ["a", "a"]),
        (pa.array([2**63 - 1]), [2**63 - 1]),
        (pa.array([10**18], pa.timestamp("ns", "UTC")), ["2001-09-09T01:46:40.000000000Z"]),
    ],
)
def test_any_kind_of_column_becomes_what_json_has(column: Any, told: list[Any]) -> None:
    rows = [*as_rows(pa.table({"it": column}))]
    assert rows == [(each,) for each in told]
    json.dumps(rows, allow_nan=False)  # it ended with a traceback
