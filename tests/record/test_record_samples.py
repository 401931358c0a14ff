"""The tables' columns are an interface: a change here breaks what users have written against the files."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pyarrow as pa
import pytest
from record_fakes import START, lost, sample

from orbitmesh.emulator.record.samples import (
    PATH_CHANGES,
    SAMPLES,
    change_row,
    remainder_ns,
    sample_row,
    table,
    unix_ns,
)
from orbitmesh.emulator.record.truth import PathChange, Truth

TRUTH = Truth(
    epoch_number=3, sim_ns=3_250_000_001, straddles_epoch=False, one_path=True, straight_line_ns=9_000_000.4,
    path="sat-0-0>gw-london", path_backward="gw-london>sat-0-0", hops=1, propagation_ns=10_000_000.6,
    narrowest_rate_bps=10_000_000_000, narrowest_emulated_bps=10_000_000, serialisation_ns=91_200.0,
)  # fmt: skip


def one(row: tuple[object, ...], schema: pa.Schema = SAMPLES) -> dict[str, object]:
    made = table([row], schema)
    # datetime holds microseconds only
    made = made.set_column(0, "sim_utc", made["sim_utc"].cast(pa.int64()))
    found: dict[str, object] = made.to_pylist()[0]
    return found


def test_the_columns_are_what_they_were() -> None:
    assert [f"{field.name}: {field.type}" for field in SAMPLES] == [
        "sim_utc: timestamp[ns, tz=UTC]", "sim_ns: int64", "sent_mono_ns: int64", "done_mono_ns: int64",
        "kind: string", "src: string",
        "dst: string", "seq: int64", "ok: bool", "error: string", "task: string", "path: string",
        "path_backward: string", "hops: int32", "propagation_ns: int64", "straight_line_ns: int64",
        "serialisation_ns: int64", "narrowest_rate_bps: int64", "narrowest_emulated_bps: int64",
        "measured_ns: int64", "remainder_ns: int64", "forward_ns: int64", "backward_ns: int64",
        "queue_ns: int64", "compute_ns: int64", "first_ns: int64", "bytes_up: int64", "bytes_down: int64",
        "epoch_number: int64", "straddles_epoch: bool", "sound: bool", "doubt: string",
    ]  # fmt: skip
    assert [f"{field.name}: {field.type}" for field in PATH_CHANGES] == [
        "sim_utc: timestamp[ns, tz=UTC]", "sim_ns: int64", "epoch_number: int64", "src: string",
        "dst: string", "old_path: string", "new_path: string", "old_delay_ns: int64", "new_delay_ns: int64",
    ]  # fmt: skip


def test_a_sample_and_its_truth_stand_in_one_row() -> None:
    taken = replace(
        sample("sat-0-0", "gw-london", 4, 77, 12_000_000), kind="task", task="matmul", queue_ns=200_000
    )
    row = one(sample_row(replace(taken, compute_ns=1_000_000), TRUTH, unix_ns(START)))
    assert row["sim_utc"] == unix_ns(START) + 3_250_000_001
    assert (row["path"], row["hops"], row["propagation_ns"]) == ("sat-0-0>gw-london", 1, 10_000_001)
    assert (row["queue_ns"], row["compute_ns"], row["first_ns"]) == (200_000, 1_000_000, None)
    # 12 ms less 10.0000006 propagation, 0.0912 serialisation, 0.2 queue, 1.0 compute
    assert row["remainder_ns"] == 708_799
    assert row["epoch_number"] == 3


def test_a_lost_sample_has_no_latency() -> None:
    row = one(sample_row(lost("sat-0-0", "gw-london", 4, 77), TRUTH, 0))
    assert (row["ok"], row["error"], row["measured_ns"], row["remainder_ns"]) == (
        False,
        "timeout",
        None,
        None,
    )
    assert row["propagation_ns"] == 10_000_001  # physics would have allowed it


def test_what_is_not_known_is_null() -> None:
    row = one(sample_row(sample("sat-0-0", "gw-london", 4, 77, 12_000_000), None, 0))
    assert row["measured_ns"] == 12_000_000
    for name in ("sim_utc", "path", "propagation_ns", "remainder_ns", "epoch_number", "forward_ns"):
        assert row[name] is None
    assert one(sample_row(lost("gw-london", "", 1, 77, "unassigned"), None, 0))["dst"] is None


def test_no_remainder_without_one_path() -> None:
    taken = sample("sat-0-0", "gw-london", 4, 77, 12_000_000)
    assert remainder_ns(taken, TRUTH) is not None
    assert remainder_ns(taken, replace(TRUTH, one_path=False)) is None
    assert remainder_ns(taken, replace(TRUTH, propagation_ns=None)) is None


def test_a_change_of_path() -> None:
    change = PathChange(5, 5_000_000_000, "sat-0-0", "gw-tokyo", "a>b", None, 1234.6, None)
    row = one(change_row(change, unix_ns(START)), PATH_CHANGES)
    assert (row["old_path"], row["new_path"], row["old_delay_ns"], row["new_delay_ns"]) == (
        "a>b",
        None,
        1235,
        None,
    )
    assert row["sim_utc"] == unix_ns(START) + 5_000_000_000


def test_instants_are_exact_and_never_naive() -> None:
    assert unix_ns(datetime(2026, 11, 1, 12, 0, 0, 1, tzinfo=UTC)) == 1_793_534_400_000_001_000
    east = timezone(timedelta(hours=9))
    assert unix_ns(datetime(1970, 1, 1, 9, tzinfo=east)) == 0
    with pytest.raises(ValueError, match="no time zone"):
        unix_ns(datetime(2026, 11, 1))


def test_an_empty_table_keeps_its_columns() -> None:
    assert table([], SAMPLES).schema == SAMPLES
