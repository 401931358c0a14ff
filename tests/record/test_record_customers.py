"""Answers in a record: their parts are the whole, and classes are judged by them."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from orbitmesh.emulator.answers.parts import PARTS
from orbitmesh.emulator.record.answer_book import customers_of
from orbitmesh.emulator.record.answers import ANSWERS, answer_row, as_done, as_sent
from orbitmesh.emulator.record.customer_table import customers_said
from orbitmesh.emulator.record.customers import _asked, customer_rows
from orbitmesh.emulator.record.samples import table
from orbitmesh.emulator.record.truth import Truth
from orbitmesh.emulator.scenario.model import Serving
from orbitmesh.emulator.scenario.serving import serving_spec
from orbitmesh.nodes.serving.step_time import StepTime
from orbitmesh.wire.answers import CUT_OFF, Answer

MS = 1_000_000
DEPLOYMENT = serving_spec(Serving(model="llama-3.1-8b", accelerator="h100")).deployment
TARGET = {"ttft_ns": 500 * MS, "tpot_ns": 30 * MS, "answer_ns": None, "share": 0.9, "preset": None}

# 1 ms late, 60 ms of light, 16 ms before the queue, 40 to the first token, and 9 tokens of 8 ms each
FINE = Answer(
    "chat", "gw-london", "sat-0-0", 0, due_mono_ns=0, sent_mono_ns=MS, first_mono_ns=118 * MS,
    done_mono_ns=190 * MS, prompt_tokens=300, output_tokens=10, bytes_up=1200, bytes_first=30, bytes_down=300,
    queue_ns=15_563_200, prefill_ns=40 * MS, decode_ns=72 * MS,
)  # fmt: skip


def truth(propagation_ms: float = 60, path: str = "gw-london>sat-0-0") -> Truth:
    return Truth(
        0, 0, straddles_epoch=False, one_path=True, straight_line_ns=50 * MS, path=path,
        propagation_ns=propagation_ms * MS, serialisation_ns=0.3 * MS,
    )  # fmt: skip


def rows(*answers: Answer, done: Truth | None = None, by: str = "") -> pa.Table:
    made = [answer_row(a, truth(), done or truth(), by, 0) for a in answers]
    return table(made, ANSWERS)


def judged(found: pa.Table, **changes: object) -> dict[str, object]:
    each = {"name": "chat", "one_in": 1, "target": TARGET, **changes}
    return customer_rows(found, [each], DEPLOYMENT, 10 * 10**9)[0]


def parts_ms(found: pa.Table, metric: str) -> dict[str, float]:
    parts = _asked(found, StepTime(DEPLOYMENT), 10**9, 1).metrics[metric]
    assert parts.parts_ns[0].sum() == pytest.approx(parts.measured_ns[0], abs=2)
    return {name: round(ns / MS, 3) for name, ns in zip(PARTS, parts.parts_ns[0], strict=True) if ns}


def test_the_parts_of_a_first_token_and_of_a_whole_answer() -> None:
    assert parts_ms(rows(FINE), "ttft") == {
        "propagation": 60, "links": 0.3, "compute": 55.563, "host": 2.137,
    }  # fmt: skip
    assert parts_ms(rows(FINE), "answer") == {
        "propagation": 60, "links": 0.3, "compute": 127.563, "host": 2.137,
    }  # fmt: skip
    assert parts_ms(rows(FINE), "tpot") == {"compute": 8}


def test_waiting_and_throttling_have_parts_of_their_own() -> None:
    waited = replace(
        FINE, queue_ns=315_563_200, first_mono_ns=418 * MS, done_mono_ns=562 * MS, decode_ns=144 * MS,
        throttled_ns=92 * MS,
    )  # fmt: skip
    for by in ("heat", "eclipse"):
        found = parts_ms(rows(waited, by=by), "answer")
        assert found["waiting"] == 300
        assert found[by] == 92
        assert found["compute"] == pytest.approx(55.563 + 52)


def test_what_is_left_is_laid_on_a_path_that_changed() -> None:
    slow = replace(FINE, done_mono_ns=290 * MS)
    other = truth(path="gw-london>sat-1-1>sat-0-0")
    assert parts_ms(rows(slow), "answer")["host"] == pytest.approx(102.137)
    assert parts_ms(rows(slow, done=other), "answer")["handover"] == pytest.approx(101.137)
    several = rows(slow)
    longer = [truth(path="gw-london>sat-1-1>sat-0-0"), truth(path="gw-london>sat-1-1>sat-2-2>sat-0-0")]
    several = table([answer_row(slow, longer[0], longer[1], "", 0)], ANSWERS)
    assert parts_ms(several, "answer")["reroute"] == pytest.approx(101.137)


def test_what_moved_has_a_part_of_its_own_and_what_is_left_is_of_the_move() -> None:
    """20 ms on its way to another satellite, which is 100 ms farther away by the way that it then had."""
    moved = replace(
        FINE, done_mono_ns=230 * MS, moved_ns=20 * MS, moves=1, moved_bytes=5000, moved_to="sat-1-1"
    )
    other = truth(path="gw-london>sat-1-1")
    found = rows(moved, done=other)
    assert parts_ms(found, "answer")["moved"] == pytest.approx(20 + 20 + 1.137)
    assert "moved" not in parts_ms(found, "ttft")
    assert "handover" not in parts_ms(found, "ttft"), "its first token came from the first"
    assert parts_ms(found, "tpot")["moved"] == pytest.approx((20 + 20) / 9, abs=0.001)
    before = replace(moved, first_mono_ns=158 * MS, moved_first_ns=20 * MS)
    assert parts_ms(rows(before, done=other), "ttft")["moved"] == pytest.approx(20 + 20 + 1.137)
    assert as_done(moved).dst == "sat-1-1"
    assert judged(found)["moved"] == {"requests": 1, "moves": 1, "recomputed": 0, "bytes": 5000}


def test_a_class_is_judged() -> None:
    late = replace(FINE, number=1, due_mono_ns=10**9, sent_mono_ns=10**9, first_mono_ns=10**9 + 900 * MS,
                   done_mono_ns=10**9 + 972 * MS, queue_ns=800 * MS)  # fmt: skip
    lost = replace(FINE, number=2, due_mono_ns=2 * 10**9, error="DEADLINE_EXCEEDED", first_mono_ns=0)
    refused = replace(FINE, number=3, due_mono_ns=3 * 10**9, error="RESOURCE_EXHAUSTED", refused=True)
    cut = replace(FINE, number=4, due_mono_ns=4 * 10**9, error=CUT_OFF)
    row = judged(rows(FINE, late, lost, refused, cut))
    assert {k: row[k] for k in ("requests", "answered", "refused", "cut_off", "met")} == {
        "requests": 4, "answered": 2, "refused": 1, "cut_off": 1, "met": False,
    }  # fmt: skip
    assert row["within_target"]["share"] == 0.25  # type: ignore[index]
    assert {name: cause["requests"] for name, cause in row["causes"].items()} == {  # type: ignore[attr-defined]
        "waiting": 1, "refused": 1, "no answer": 1,
    }  # fmt: skip


def test_the_report_says_it_in_a_sentence() -> None:
    late = replace(FINE, number=1, first_mono_ns=900 * MS, done_mono_ns=972 * MS, queue_ns=800 * MS)
    said = [judged(rows(late)), judged(rows(FINE), target=None), judged(rows().slice(0))]
    console = Console(width=200)
    with console.capture() as capture:
        for part in customers_said(said):
            console.print(part)
    text = " ".join(capture.get().split())
    assert "chat: MISSED. 0 % of its requests were within the target, at least 90.0 % are asked for" in text
    assert (
        "first token within 500 ms, time per token within 30 ms. What missed it: 1 by waiting at the " in text
    )
    assert "chat: no target was set, so nothing is judged" in text
    assert "chat: no request was due in this run" in text
    assert customers_said([]) == []


def test_classes_of_a_run_in_doubt_are_in_doubt() -> None:
    said = [str(part) for part in customers_said([judged(rows(FINE))], trusted=False)]
    assert any("so is what follows" in text for text in said)
    assert not any("so is what follows" in str(part) for part in customers_said([judged(rows(FINE))]))


def test_a_generator_that_fell_behind_is_not_believed() -> None:
    behind = replace(FINE, sent_mono_ns=50 * MS)
    (text,) = [str(part) for part in customers_said([judged(rows(behind))]) if "chat:" in str(part)]
    assert "Do not believe it: one in a hundred left 50 ms late or more" in text


def test_an_answer_s_instants_as_samples() -> None:
    first, done = as_sent(FINE), as_done(FINE)
    assert (first.sent_mono_ns, first.measured_ns, first.bytes_down) == (MS, 117 * MS, 30)
    assert (done.sent_mono_ns, done.done_mono_ns) == (190 * MS, 190 * MS)


def test_joules_are_those_of_the_answered() -> None:
    fed = [replace(FINE, number=i, energy_j=joules) for i, joules in enumerate((30.0, 50.0))]
    lost = replace(FINE, number=2, error="DEADLINE_EXCEEDED", first_mono_ns=0, energy_j=1e9)
    row = judged(rows(*fed, lost))
    assert (row["joules_per_request"], row["joules_per_token"]) == (40, 4)
    assert judged(rows(lost))["joules_per_request"] is None
    console = Console(width=200)
    with console.capture() as capture:
        console.print(*customers_said([row]))
    assert "Accelerators drew 40 J for each answer." in " ".join(capture.get().split())


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("target", TARGET | {"share": 7.0}, "its customers make no sense: a target for a share of 7.0"),
        (
            "target",
            TARGET | {"ttft_ns": None, "tpot_ns": None},
            "its customers make no sense: a target bounds",
        ),
        ("serving", {}, "its serving makes no sense: KeyError"),
        ("memory", 1e-300, "its serving makes no sense"),
        ("duration_ns", 0, "its customers make no sense: a duration of 0 ns"),
        ("energy_j", float("nan"), "its column energy_j holds what cannot have been measured"),
        ("ttft_ns", 2**62, "its column ttft_ns holds what cannot have been measured"),
    ],
)
def test_a_damaged_record_of_customers_is_said_in_a_sentence(
    tmp_path: Path, name: str, value: object, words: str
) -> None:
    run: dict[str, Any] = {
        "customers": [{"name": "chat", "one_in": 1, "target": TARGET}],
        "serving": asdict(serving_spec(Serving(model="llama-3.1-8b", accelerator="h100"))),
        "duration_ns": 10**9,
    }
    found = rows(FINE)
    if name in found.column_names:
        place = found.column_names.index(name)
        found = found.set_column(place, found.field(place), pa.array([value], found.field(place).type))
    elif name == "target":
        run["customers"][0]["target"] = value
    elif name == "memory":
        run["serving"]["deployment"]["accelerator"]["memory_bytes_per_s"] = value
    else:
        run[name] = value
    pq.write_table(found, tmp_path / "answers.parquet")
    said, wrong = customers_of(tmp_path, run, None)
    assert (said, len(wrong)) == ([], 1)
    assert words in wrong[0][1]


def test_a_class_of_which_nothing_came_in_time_is_not_said_to_have_been_quiet() -> None:
    row = {"customer_class": "chat", "requests": 0, "one_in": 1, "met": None, "target": TARGET, "cut_off": 7}
    (sentence,) = customers_said([row])[3:]
    assert "7 were under way when the run ended, and no other was asked" in str(sentence)
