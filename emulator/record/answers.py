"""The table of answers: one row a request of a customer, with what physics says of its way.

A duration without an answer is null, never 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from orbitmesh.wire.answers import Answer
from orbitmesh.wire.spec import Sample

from .link_waits import OnLinks
from .truth import Truth

_UTC_NS = pa.timestamp("ns", tz="UTC")

# sim_utc, sim_ns: the emulated instant at which it was sent; latencies count from due_mono_ns.
# propagation_ns: light along the path, there and back, when it was sent; _done: when the last token came.
ANSWERS = pa.schema(
    [
        ("sim_utc", _UTC_NS),
        ("sim_ns", pa.int64()),
        ("customer_class", pa.string()),
        ("src", pa.string()),
        ("dst", pa.string()),
        ("number", pa.int64()),
        ("due_mono_ns", pa.int64()),
        ("sent_mono_ns", pa.int64()),
        ("done_mono_ns", pa.int64()),
        ("ok", pa.bool_()),
        ("refused", pa.bool_()),
        ("error", pa.string()),
        ("retry_ns", pa.int64()),
        ("prompt_tokens", pa.int64()),
        ("output_tokens", pa.int64()),
        ("bytes_up", pa.int64()),
        ("bytes_down", pa.int64()),
        ("late_ns", pa.int64()),
        ("ttft_ns", pa.int64()),
        ("answer_ns", pa.int64()),
        ("propagation_ns", pa.int64()),
        ("propagation_done_ns", pa.int64()),
        ("serialisation_ns", pa.int64()),
        ("queue_ns", pa.int64()),
        ("prefill_ns", pa.int64()),
        ("decode_ns", pa.int64()),
        ("throttled_ns", pa.int64()),
        ("throttled_queue_ns", pa.int64()),
        ("throttled_prefill_ns", pa.int64()),
        ("throttled_by", pa.string()),
        ("preempted", pa.int64()),
        ("moved_ns", pa.int64()),
        ("moved_first_ns", pa.int64()),
        ("moves", pa.int64()),
        ("recomputed", pa.int64()),
        ("moved_bytes", pa.int64()),
        ("moved_to", pa.string()),
        ("energy_j", pa.float64()),
        ("node_late_p50_ns", pa.int64()),
        ("node_late_p99_ns", pa.int64()),
        ("links_first_ns", pa.int64()),
        ("links_done_ns", pa.int64()),
        ("link", pa.string()),
        ("lost_first", pa.int64()),
        ("lost_done", pa.int64()),
        ("path", pa.string()),
        ("path_done", pa.string()),
        ("epoch_number", pa.int64()),
        # filled when the run ends, as with samples
        ("sound", pa.bool_()),
        ("doubt", pa.string()),
    ]
)


def as_sent(answer: Answer) -> Sample:
    """Its first exchange, as a sample: what of it physics can be asked."""
    first = answer.first_mono_ns or answer.done_mono_ns
    return Sample(
        "answer", answer.src, answer.dst, answer.number, answer.sent_mono_ns, first,
        first - answer.sent_mono_ns, ok=answer.ok, bytes_up=answer.bytes_up, bytes_down=answer.bytes_first,
    )  # fmt: skip


def as_done(answer: Answer) -> Sample:
    """The instant at which its last token came."""
    done = answer.done_mono_ns
    last = answer.moved_to or answer.dst
    return Sample("answer", answer.src, last, answer.number, done, done, 0, ok=answer.ok)


def answer_row(
    answer: Answer,
    sent: Truth | None,
    done: Truth | None,
    throttled_by: str,
    start_unix_ns: int,
    on_links: OnLinks = OnLinks(),  # noqa: B008 - frozen
) -> tuple[Any, ...]:
    """In the order of ``ANSWERS``."""
    ok = answer.ok
    return (
        None if sent is None else start_unix_ns + sent.sim_ns,
        None if sent is None else sent.sim_ns,
        answer.customer_class,
        answer.src,
        answer.dst or None,
        answer.number,
        answer.due_mono_ns,
        answer.sent_mono_ns,
        answer.done_mono_ns,
        ok,
        answer.refused,
        answer.error or None,
        answer.retry_ns if answer.retry_ns >= 0 else None,
        answer.prompt_tokens,
        answer.output_tokens,
        answer.bytes_up,
        answer.bytes_down,
        answer.sent_mono_ns - answer.due_mono_ns,
        answer.first_mono_ns - answer.due_mono_ns if ok else None,
        answer.done_mono_ns - answer.due_mono_ns if ok else None,
        None if sent is None else _whole(sent.propagation_ns),
        None if done is None else _whole(done.propagation_ns),
        None if sent is None else _whole(sent.serialisation_ns),
        answer.queue_ns if ok else None,
        answer.prefill_ns if ok else None,
        answer.decode_ns if ok else None,
        answer.throttled_ns if ok else None,
        answer.throttled_queue_ns if ok else None,
        answer.throttled_prefill_ns if ok else None,
        throttled_by or None,
        answer.preempted if ok else None,
        answer.moved_ns if ok else None,
        answer.moved_first_ns if ok else None,
        answer.moves,
        answer.recomputed,
        answer.moved_bytes,
        answer.moved_to or None,
        answer.energy_j if ok else None,
        answer.late_p50_ns if ok else None,
        answer.late_p99_ns if ok else None,
        on_links.first_ns if ok else None,
        on_links.done_ns if ok else None,
        on_links.link,
        on_links.lost_first if ok else None,
        on_links.lost_done if ok else None,
        None if sent is None else sent.path,
        None if done is None else done.path,
        None if sent is None else sent.epoch_number,
        None,
        None,
    )


_MOST = 2**53  # that a float holds exactly: 104 days of ns


def beyond_measure(answers: pa.Table) -> str | None:
    """Which column of a damaged table holds what no run can have measured."""
    for field in ANSWERS:
        if field.type not in (pa.int64(), pa.float64()):
            continue
        most = _MOST if not field.name.endswith("_mono_ns") else 2**63 - 1
        least = -_MOST if field.name == "late_ns" else 0
        values = answers[field.name].drop_null().to_numpy()
        if not np.all((values >= least) & (values <= most)):  # not a number is neither
            return f"its column {field.name} holds what cannot have been measured"
    return None


def _whole(ns: float | None) -> int | None:
    return None if ns is None else round(ns)
