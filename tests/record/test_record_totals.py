"""Counters of a run in the recorder's digests: they only grow, and are those of what was recorded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from record_fakes import MS, ROW, STEP_NS, T0, header, sample, small_world

from orbitmesh.emulator.plane.backend import Lateness
from orbitmesh.emulator.record.answers import ANSWERS, answer_row
from orbitmesh.emulator.record.customers import customer_rows
from orbitmesh.emulator.record.due import DueCounter, Schedule
from orbitmesh.emulator.record.recorder import Recorder
from orbitmesh.emulator.record.samples import table
from orbitmesh.emulator.record.totals import (
    EDGES_NS,
    IN_TARGET,
    MISSED,
    MOST_GATEWAYS,
    OTHERS,
    REFUSED,
    Times,
    Totals,
)
from orbitmesh.emulator.scenario.model import Serving
from orbitmesh.emulator.scenario.serving import serving_spec
from orbitmesh.wire.answers import CUT_OFF, Answer

SCHEDULE = Schedule(7, ("sat-0-0", "sat-0-3"), ("udp",), 100 * MS, 300 * MS, "all")
# without these two london hangs on nobody
CUT = [(1, 2), (2, 3), (3, 5)]


def row_of(digest: dict[str, Any], gateway: str, kind: str) -> dict[str, Any]:
    rows = digest["totals"]["samples"]
    return next(row for row in rows if (row["gateway"], row["kind"]) == (gateway, kind))


def test_a_recorders_digests_count_what_was_settled_and_never_less(tmp_path: Path) -> None:
    world = small_world()
    recorder = Recorder(replace(header(tmp_path, world.who), schedule=SCHEDULE), lambda error: None)
    found = []
    for number in range(4):
        t0 = T0 + number * STEP_NS
        recorder.epoch(world.epoch(number, number * STEP_NS, CUT if number == 2 else ROW), t0, t0, t0 + MS)
        for seq in range(3):
            made = sample("sat-0-0", "gw-london", 3 * number + seq, t0 + (100 + seq) * MS, 20 * MS)
            recorder.datagram(made.to_json())
        recorder.advance(t0 + 900 * MS)
        recorder.flush()
        found.append(recorder.digest(t0 + 900 * MS))
    recorder.advance(T0 + 10 * STEP_NS)
    recorder.flush()
    last = recorder.digest(T0 + 10 * STEP_NS)
    udp = row_of(last, "gw-london", "udp")
    assert (udp["samples"], udp["lost"]) == (12, 0)
    assert sum(udp["measured"]["counts"]) == 12
    assert udp["measured"]["counts"][EDGES_NS.index(20 * MS)] == 12  # 20 ms is within the edge of 20 ms
    assert udp["measured"]["sum_ns"] == 12 * 20 * MS
    # while london was cut off there was no light to compare with
    assert sum(udp["physical"]["counts"]) == 9
    assert 0 < udp["physical"]["sum_ns"] / 9 < 20 * MS
    assert last["totals"]["rows_written"] >= 12
    assert last["totals"]["rows_waiting"] == last["totals"]["rows_lost"] == last["totals"]["faults"] == 0
    (london, tokyo) = last["totals"]["ways"]
    assert (london["watched_ns"], london["with_way_ns"], london["with_way"]) == (3 * STEP_NS, 2 * STEP_NS, 1)
    assert tokyo["with_way_ns"] == 3 * STEP_NS
    counted = [sum(row["samples"] for row in each["totals"]["samples"]) for each in [*found, last]]
    assert counted == sorted(counted)
    recorder.abandon("over")


def test_ways_of_gateways_grow_with_each_epoch() -> None:
    world = small_world()
    counter = DueCounter(SCHEDULE, world.who)
    seen = []
    for number, pairs in enumerate((ROW, CUT, CUT, ROW, ROW)):
        counter.epoch(world.epoch(number, number * STEP_NS, pairs), T0 + number * STEP_NS)
        seen.append((counter.watched_ns // STEP_NS, *(counter.with_way_ns // STEP_NS).tolist()))
    assert seen == [(0, 0, 0), (1, 1, 1), (2, 1, 2), (3, 1, 3), (4, 2, 4)]
    assert counter.has_way.tolist() == [True, True]


def test_what_is_beyond_the_first_gateways_is_counted_together() -> None:
    gateways = [f"gw-{k}" for k in range(MOST_GATEWAYS + 10)]
    totals = Totals(gateways)
    for name in gateways:
        totals.sample("sat-0-0", name, "udp", ok=True, measured_ns=1, physical_ns=None, remainder_ns=None)
    totals.sample("sat-0-0", "sat-0-1", "udp", ok=True, measured_ns=1, physical_ns=None, remainder_ns=None)
    rows = {row["gateway"]: row["samples"] for row in totals.told(None)["samples"]}
    assert len(rows) == MOST_GATEWAYS + 1
    assert rows[OTHERS] == 10


@given(st.lists(st.integers(0, 5 * 10**9), max_size=50))
def test_each_time_is_in_the_first_bucket_that_holds_it(values_ns: list[int]) -> None:
    times = Times()
    for value_ns in values_ns:
        times.add(value_ns)
    at = 0
    for edge_ns, count in zip((*EDGES_NS, 10**18), times.counts, strict=True):
        at += count
        assert at == sum(value_ns <= edge_ns for value_ns in values_ns)
    assert times.sum_ns == sum(values_ns)


def test_lateness_is_told_by_its_own_edges() -> None:
    late = Lateness(np.array([0, 8, 16, 32, 64]), np.array([5, 4, 3, 2]), 60)
    assert late.up_to([10, 12, 64]) == [(16, 9), (64, 14)]  # no edge twice
    assert late.up_to([1, 100]) == [(8, 5)]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 1000), st.integers(0, 600), st.integers(1, 12),
            st.sampled_from(["", "", "", "UNAVAILABLE", "RESOURCE_EXHAUSTED", CUT_OFF]),
        ),
        min_size=1, max_size=40,
    )
)  # fmt: skip
def test_customers_are_counted_as_the_verdict_judges_them(
    asked: list[tuple[int, int, int, str]],
) -> None:
    """First token and the rest in ms, tokens, error."""
    target = {"ttft_ns": 500 * MS, "tpot_ns": 30 * MS, "answer_ns": 900 * MS, "share": 0.9, "preset": None}
    classes = [{"name": "chat", "one_in": 3, "target": target}]
    deployment = serving_spec(Serving(model="llama-3.1-8b", accelerator="h100")).deployment
    totals, rows = Totals(["gw-london"], classes), []
    for number, (first_ms, rest_ms, tokens, error) in enumerate(asked):
        made = Answer(
            "chat", "gw-london", "sat-0-0", number, 0, 0, first_mono_ns=first_ms * MS,
            done_mono_ns=(first_ms + rest_ms) * MS, prompt_tokens=10, output_tokens=tokens, bytes_up=9,
            bytes_first=9, bytes_down=9, error=error, refused=error == "RESOURCE_EXHAUSTED",
        )  # fmt: skip
        totals.answer(made)
        rows.append(answer_row(made, None, None, "", 0))
    (judged,) = customer_rows(table(rows, ANSWERS), classes, deployment, 10**10)
    outcomes = totals.told(None)["customers"][0]["outcomes"]
    assert sum(outcomes.values()) == judged["requests"]
    if judged["requests"]:
        assert outcomes[IN_TARGET] == round(judged["within_target"]["share"] * judged["requests"])
        assert outcomes[IN_TARGET] + outcomes[MISSED] == judged["answered"]
        assert outcomes[REFUSED] == judged["refused"]
