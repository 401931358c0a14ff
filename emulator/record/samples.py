"""The tables of a run: one row a sample, and one row a change of path.

A duration that was not measured is null, never 0; and a sample without an
answer has no ``measured_ns``.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from orbitmesh.wire.spec import Sample

from .truth import PathChange, Truth

_UTC_NS = pa.timestamp("ns", tz="UTC")
_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# sim_utc, sim_ns: the emulated instant of sending.  path: node names joined by ">".
SAMPLES = pa.schema(
    [
        ("sim_utc", _UTC_NS),
        ("sim_ns", pa.int64()),
        ("sent_mono_ns", pa.int64()),
        ("done_mono_ns", pa.int64()),
        ("kind", pa.string()),
        ("src", pa.string()),
        ("dst", pa.string()),
        ("seq", pa.int64()),
        ("ok", pa.bool_()),
        ("error", pa.string()),
        ("task", pa.string()),
        ("path", pa.string()),
        ("path_backward", pa.string()),
        ("hops", pa.int32()),
        ("propagation_ns", pa.int64()),
        ("straight_line_ns", pa.int64()),
        ("serialisation_ns", pa.int64()),
        ("narrowest_rate_bps", pa.int64()),
        ("narrowest_emulated_bps", pa.int64()),
        ("measured_ns", pa.int64()),
        ("remainder_ns", pa.int64()),
        ("forward_ns", pa.int64()),
        ("backward_ns", pa.int64()),
        ("queue_ns", pa.int64()),
        ("compute_ns", pa.int64()),
        ("first_ns", pa.int64()),
        ("bytes_up", pa.int64()),
        ("bytes_down", pa.int64()),
        ("epoch_number", pa.int64()),
        ("straddles_epoch", pa.bool_()),
        # filled when the run ends and all windows are known (soundness.py); null in a part of one under way
        ("sound", pa.bool_()),
        ("doubt", pa.string()),
    ]
)

PATH_CHANGES = pa.schema(
    [
        ("sim_utc", _UTC_NS),
        ("sim_ns", pa.int64()),
        ("epoch_number", pa.int64()),
        ("src", pa.string()),
        ("dst", pa.string()),
        ("old_path", pa.string()),
        ("new_path", pa.string()),
        ("old_delay_ns", pa.int64()),
        ("new_delay_ns", pa.int64()),
    ]
)

Row = tuple[Any, ...]


def unix_ns(instant: datetime) -> int:
    """Exact; ValueError for a naive instant."""
    if instant.tzinfo is None:
        raise ValueError(f"{instant} has no time zone")
    return (instant - _UNIX_EPOCH) // timedelta(microseconds=1) * 1000


def remainder_ns(sample: Sample, truth: Truth | None) -> int | None:
    """What neither physics nor the serving node explains: host stack, gRPC, queueing, the emulation itself.

    ``measured - propagation - serialisation - queue - compute``, where the
    serialisation is 0 if it is not known, and queue and compute are what the
    serving node measured (0 for probes).  None for a sample without an answer,
    without a way at the instant of sending, or whose path changed under way:
    there is then no single path to compare with.
    """
    if not sample.ok or truth is None or truth.propagation_ns is None or not truth.one_path:
        return None
    known_ns = truth.propagation_ns + (truth.serialisation_ns or 0.0)
    return round(sample.measured_ns - known_ns) - sample.queue_ns - sample.compute_ns


def sample_row(sample: Sample, truth: Truth | None, start_unix_ns: int) -> Row:
    """In the order of ``SAMPLES``; ``start_unix_ns`` is the emulated instant of ``sim_ns`` 0."""
    return (
        None if truth is None else start_unix_ns + truth.sim_ns,
        None if truth is None else truth.sim_ns,
        sample.sent_mono_ns,
        sample.done_mono_ns,
        sample.kind,
        sample.src,
        sample.dst or None,
        sample.seq,
        sample.ok,
        sample.error or None,
        sample.task or None,
        *_truth_columns(truth),
        sample.measured_ns if sample.ok else None,
        remainder_ns(sample, truth),
        sample.forward_ns or None,
        sample.backward_ns or None,
        sample.queue_ns or None,
        sample.compute_ns or None,
        sample.first_ns or None,
        sample.bytes_up,
        sample.bytes_down,
        None if truth is None else truth.epoch_number,
        None if truth is None else truth.straddles_epoch,
        None,
        None,
    )


def _truth_columns(truth: Truth | None) -> Row:
    """From ``path`` to ``narrowest_emulated_bps``."""
    if truth is None:
        return (None,) * 8
    return (
        truth.path,
        truth.path_backward,
        truth.hops,
        _whole(truth.propagation_ns),
        _whole(truth.straight_line_ns),
        _whole(truth.serialisation_ns),
        truth.narrowest_rate_bps,
        truth.narrowest_emulated_bps,
    )


def change_row(change: PathChange, start_unix_ns: int) -> Row:
    """In the order of ``PATH_CHANGES``."""
    return (
        start_unix_ns + change.sim_ns,
        change.sim_ns,
        change.epoch_number,
        change.src,
        change.dst,
        change.old_path,
        change.new_path,
        _whole(change.old_delay_ns),
        _whole(change.new_delay_ns),
    )


def table(rows: list[Row], schema: pa.Schema) -> pa.Table:
    columns = zip(*rows, strict=True) if rows else ((),) * len(schema)
    return pa.table(
        [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)], schema=schema
    )


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)
