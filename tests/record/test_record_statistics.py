from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from record_fakes import lost, sample

from orbitmesh.emulator.record.plausible import floats
from orbitmesh.emulator.record.samples import SAMPLES, sample_row, table
from orbitmesh.emulator.record.statistics import (
    COLUMNS,
    RecentWindow,
    distribution,
    gateway_statistics,
)
from orbitmesh.emulator.record.truth import Truth
from orbitmesh.wire.spec import Sample


def truth(propagation_ns: float) -> Truth:
    return Truth(0, 0, False, True, 0.0, "a>b", "b>a", 1, propagation_ns, 1, 1, None)


def rows() -> tuple[pa.Table, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    measured, physical = rng.integers(20_000_000, 90_000_000, 997), rng.integers(1_000_000, 19_000_000, 997)
    made = [
        sample_row(sample(f"sat-0-{k % 5}", "gw-a", k, k, int(m)), truth(float(p)), 0)
        for k, (m, p) in enumerate(zip(measured, physical, strict=True))
    ]
    made += [sample_row(lost("sat-0-9", "gw-a", k, k, "timeout"), truth(1e9), 0) for k in range(3)]
    made += [sample_row(lost("sat-0-9", "gw-a", k, k, "ENETUNREACH"), None, 0) for k in range(2)]
    made.append(sample_row(lost("gw-b", "", 0, 0, "unassigned", kind="task"), None, 0))
    task = Sample("task", "gw-b", "sat-0-7", 0, 0, 5_000, 5_000, compute_ns=1_000, queue_ns=500)
    made.append(sample_row(task, truth(2_000.0), 0))
    return table(made, SAMPLES), measured, physical


def test_percentiles_are_numpys_on_known_data() -> None:
    found, measured, physical = rows()
    a, b, c = gateway_statistics(found, ["gw-a", "gw-b", "gw-c"])
    udp = a["kinds"]["udp"]
    for name, values in (
        ("measured", measured),
        ("physical", physical),
        ("remainder", measured - physical),
    ):
        for key, q in (("p50_ns", 50), ("p90_ns", 90), ("p99_ns", 99)):
            assert udp[name][key] == round(float(np.percentile(values, q)))
        assert (udp[name]["min_ns"], udp[name]["max_ns"]) == (values.min(), values.max())
    assert (a["satellites"], a["samples"], a["lost"]) == (6, 1002, 5)
    assert (udp["samples"], udp["lost"]) == (1002, 5)
    assert a["lost_by_error"] == {"ENETUNREACH": 2, "timeout": 3}
    # what a gateway sends to a satellite is the gateway's, also where it found nobody to send it to
    assert (b["satellites"], b["samples"], b["lost_by_error"]) == (1, 2, {"unassigned": 1})
    assert b["kinds"]["task"]["remainder"]["p50_ns"] == 5_000 - 2_000 - 1_500
    assert (c["samples"], c["kinds"], c["satellites"]) == (0, {}, 0)


def test_the_columns_named_are_enough() -> None:
    found, _, _ = rows()
    assert gateway_statistics(found.select(COLUMNS), ["gw-a"]) == gateway_statistics(found, ["gw-a"])


def test_an_empty_table() -> None:
    assert gateway_statistics(table([], SAMPLES), ["gw-a"])[0]["samples"] == 0
    assert distribution(np.array([], np.int64)) is None


def test_a_kind_where_all_was_lost_has_no_percentiles() -> None:
    found = table([sample_row(lost("sat-0-0", "gw-a", 0, 0), None, 0)], SAMPLES)
    udp = gateway_statistics(found, ["gw-a"])[0]["kinds"]["udp"]
    assert (udp["lost"], udp["measured"], udp["physical"], udp["remainder"]) == (1, None, None, None)


def add(
    window: RecentWindow, done: int, kind: str, measured: int, *, src: str = "sat-0-0", ok: bool = True
) -> None:
    window.add(
        done_mono_ns=done, src=src, dst="gw-a", kind=kind, ok=ok, measured_ns=measured,
        physical_ns=measured - 7, remainder_ns=7 if kind == "udp" else 70,
    )  # fmt: skip


def test_the_window_forgets_and_prefers_udp() -> None:
    window = RecentWindow(["gw-a", "gw-b"], window_ns=100)
    add(window, 0, "udp", 999_999)
    for k in range(10):
        add(window, 100 + k, "udp", 1_000 + k)
        add(window, 100 + k, "grpc", 2_000 + k, src="sat-0-1")
    add(window, 111, "udp", 0, ok=False)
    a, b = window.rows(150)
    assert (a["samples"], a["lost"], a["satellites"]) == (21, 1, 2)
    assert a["udp_p50_ns"] == round(np.percentile(np.arange(1_000, 1_010), 50))
    assert a["grpc_p99_ns"] == round(np.percentile(np.arange(2_000, 2_010), 99))
    assert (a["task_p50_ns"], a["remainder_p50_ns"]) == (None, 7)
    assert b["samples"] == 0
    assert b["physical_p50_ns"] is None
    assert window.rows(10_000)[0]["samples"] == 0


def test_without_udp_the_window_compares_grpc() -> None:
    window = RecentWindow(["gw-a"])
    add(window, 5, "grpc", 500)
    (row,) = window.rows(6)
    assert (row["physical_p50_ns"], row["remainder_p50_ns"]) == (493, 70)


def test_the_window_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orbitmesh.emulator.record.statistics._MOST_RECENT", 10)
    window = RecentWindow(["gw-a"])
    for k in range(50):
        add(window, k, "udp", 1)
    assert window.rows(50)[0]["samples"] == 10


def test_numbers_beyond_what_floats_hold_exactly_are_rounded_not_refused() -> None:
    column = pa.chunked_array([pa.array([3, None, 2**63 - 1, -(2**63)], pa.int64())])
    found = floats(column)
    assert found.tolist()[::2] == [3.0, 2.0**63 - 1024]
    assert np.isnan(found[1])
    assert found[2:].astype(np.int64).tolist() == [2**63 - 1024, -(2**63)]
