"""Why answers miss their targets, as a run goes on: together it is what the record says at its end."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from record_fakes import nodes
from test_record_customers import DEPLOYMENT, FINE, MS, TARGET, judged, truth

from orbitmesh.emulator.record import causes_so_far
from orbitmesh.emulator.record.answer_book import AnswerBook
from orbitmesh.emulator.record.answers import ANSWERS, answer_row
from orbitmesh.emulator.record.causes_so_far import CausesSoFar
from orbitmesh.emulator.record.samples import table
from orbitmesh.emulator.record.totals import MISSED, Totals
from orbitmesh.emulator.record.truth import History
from orbitmesh.emulator.safe_files import Folder

CLASSES = [
    {"name": "chat", "one_in": 1, "target": TARGET},
    {"name": "free", "one_in": 1, "target": None},
]
WAITED = replace(FINE, number=1, first_mono_ns=900 * MS, done_mono_ns=972 * MS, queue_ns=800 * MS)
SLOW_STEPS = replace(FINE, number=2, done_mono_ns=1190 * MS, decode_ns=1072 * MS)  # 119 ms a token
MOVED = replace(FINE, number=3, first_mono_ns=718 * MS, done_mono_ns=790 * MS)
REFUSED = replace(FINE, number=4, error="RESOURCE_EXHAUSTED", refused=True, first_mono_ns=0)
LOST = replace(FINE, number=5, error="DEADLINE_EXCEEDED", first_mono_ns=0)


def test_looks_at_it_now_and_then_add_up_to_the_record_s_own() -> None:
    totals, so_far = Totals(["gw-london"], CLASSES), CausesSoFar(CLASSES, DEPLOYMENT)
    rows: list[tuple[object, ...]] = []
    for answer in (FINE, WAITED, SLOW_STEPS, MOVED, WAITED, REFUSED, LOST):
        elsewhere = truth(path="gw-london>sat-1-1>sat-0-0")
        rows.append(answer_row(answer, truth(), elsewhere if answer is MOVED else truth(), "", 0))
        if totals.answer(answer) == MISSED:
            so_far.add("chat", rows[-1])
        if len(rows) in (2, 5):
            for name, causes in so_far.judged().items():
                totals.blame(name, causes)
    told = next(row for row in totals.told(None)["customers"] if row["customer_class"] == "chat")
    found: pa.Table = table(rows, ANSWERS)
    of_record = {name: row["requests"] for name, row in judged(found)["causes"].items()}  # type: ignore[attr-defined]
    assert told["causes"] == {"waiting": 2, "compute": 1, "handover": 1}
    assert told["causes"] | {"refused": 1, "no answer": 1} == of_record
    assert so_far.judged() == {}


def test_a_class_without_a_target_has_no_cause_and_a_flood_is_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(causes_so_far, "MOST_AT_ONCE", 3)
    so_far = CausesSoFar(CLASSES, DEPLOYMENT)
    row = answer_row(WAITED, truth(), truth(), "", 0)
    for _ in range(10):
        so_far.add("chat", row)
        so_far.add("free", row)
    assert so_far.judged() == {"chat": Counter(waiting=3)}


def test_the_book_of_answers_tells_the_totals(tmp_path: Path) -> None:
    some_nodes, totals = nodes(), Totals(["gw-london"], CLASSES)
    with Folder.open(tmp_path) as out:
        book = AnswerBook(out, History(some_nodes, 1.0), 0, totals, CausesSoFar(CLASSES, DEPLOYMENT))
        book.add(WAITED, some_nodes)
        book.settle(None)
        book.blame()
    assert totals.told(None)["customers"][0]["causes"] == {"waiting": 1}
