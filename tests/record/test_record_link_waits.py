"""What an answer waited on the links of its way, from what was counted there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from test_record_customers import DEPLOYMENT, FINE, MS, judged, parts_ms, truth

from orbitmesh.emulator.record.answers import ANSWERS, answer_row
from orbitmesh.emulator.record.link_waits import LinkLog, OnLinks
from orbitmesh.emulator.record.samples import table
from orbitmesh.emulator.run.link_watch import rows_between

UP, DOWN = "gw-london>sat-0-0", "sat-0-0>gw-london"
WAY = replace(truth(), path=UP, path_backward=DOWN, narrowest=DOWN)


def rows_with(answer: object, on_links: OnLinks) -> object:
    return table([answer_row(answer, WAY, WAY, "", 0, on_links)], ANSWERS)  # type: ignore[arg-type]


def looked(link: str, at_ms: int, wait_ms: float, lost: int = 0) -> tuple[int, int, str, int, int, int]:
    """A look of 100 ms in which ten packets came."""
    return at_ms * MS, (at_ms + 100) * MS, link, 10, round(10 * wait_ms * MS), lost


def test_a_wait_is_that_of_the_packets_which_came_at_the_same_time() -> None:
    log = LinkLog()
    log.add(1000 * MS, [looked(UP, 0, 20), looked(UP, 100, 7), looked(UP, 500, 3)])
    assert [log.wait_ns(UP, at * MS) / MS for at in (50, 150, 300, 550, 700)] == [20, 7, 0, 3, 0]
    assert log.wait_ns(DOWN, 50 * MS) == 0


def test_each_message_meets_the_queue_of_its_own_instant_and_the_worst_link_is_named() -> None:
    # sent at 1 ms; up 20 + 30 ms; 16 + 40 ms later its first token leaves, at 106 ms; the last at 178
    log = LinkLog()
    log.add(1000 * MS, [looked(UP, 0, 20), looked(DOWN, 100, 50, lost=1), looked(DOWN, 200, 9)])
    slow = replace(FINE, first_mono_ns=188 * MS, done_mono_ns=400 * MS)
    found = log.of(slow, WAY, WAY)
    assert found == OnLinks(70 * MS, 70 * MS, DOWN, lost_first=1, lost_done=1)
    later = log.of(replace(slow, decode_ns=110 * MS), WAY, WAY)
    assert later.done_ns == 29 * MS


def test_where_nobody_waited_the_narrowest_link_is_named_and_without_a_look_none() -> None:
    log = LinkLog()
    assert log.of(FINE, WAY, WAY) == OnLinks()
    log.add(1000 * MS, [])
    assert log.of(FINE, WAY, WAY) == OnLinks(link=DOWN)


def test_a_class_that_waited_on_a_link_missed_its_target_by_that_link() -> None:
    slow = replace(FINE, first_mono_ns=918 * MS, done_mono_ns=990 * MS)
    found = rows_with(slow, OnLinks(800 * MS, 800 * MS, UP))
    assert parts_ms(found, "ttft")["links"] == pytest.approx(800.3)
    assert parts_ms(found, "ttft")["host"] == pytest.approx(2.137)
    causes = judged(found)["causes"]  # type: ignore[arg-type]
    assert causes == {"links": {"requests": 1, "over_ns": 418 * MS, "by_link": {UP: 1}}}


def test_no_more_is_laid_on_a_link_than_is_left() -> None:
    found = rows_with(FINE, OnLinks(800 * MS, 800 * MS, UP))
    assert parts_ms(found, "ttft") == {
        "propagation": 60, "links": pytest.approx(0.3 + 1.137), "compute": 55.563, "host": 1,
    }  # fmt: skip


def test_a_lost_packet_is_a_cause_where_a_round_trip_is_left() -> None:
    slow = replace(FINE, first_mono_ns=718 * MS, done_mono_ns=790 * MS)
    found = rows_with(slow, OnLinks(lost_first=1, lost_done=1))
    assert parts_ms(found, "ttft")["lost"] == pytest.approx(601.137)
    assert list(judged(found)["causes"]) == ["lost"]  # type: ignore[call-overload, arg-type]
    # 59 ms are less than the 60 ms that sending again takes
    soon = replace(FINE, first_mono_ns=175 * MS, done_mono_ns=247 * MS)
    assert "lost" not in parts_ms(rows_with(soon, OnLinks(lost_first=1, lost_done=1)), "ttft")
    assert "lost" not in parts_ms(rows_with(slow, OnLinks()), "ttft")


def test_throttling_is_laid_on_the_phase_in_which_it_was() -> None:
    held = replace(
        FINE, queue_ns=215_563_200, first_mono_ns=348 * MS, done_mono_ns=440 * MS, prefill_ns=70 * MS,
        decode_ns=92 * MS, throttled_ns=250 * MS, throttled_queue_ns=200 * MS, throttled_prefill_ns=30 * MS,
    )  # fmt: skip
    found = table([answer_row(held, WAY, WAY, "eclipse", 0)], ANSWERS)
    first = parts_ms(found, "ttft")
    assert (first["eclipse"], first["compute"], first.get("waiting", 0)) == (230, 55.563, 0)
    assert parts_ms(found, "answer")["eclipse"] == 250
    assert parts_ms(found, "tpot") == {"compute": 8, "eclipse": pytest.approx(20 / 9, abs=1e-3)}
    assert DEPLOYMENT.kv_tokens > 0


def test_rows_are_of_links_on_which_something_waited_or_was_lost() -> None:
    before = np.array([[10, 0, 0], [10, 0, 0], [10, 5, 0], [500, 10**9, 3]])
    after = np.array([[20, 50_000, 0], [20, 10**6, 0], [30, 5, 2], [1, 0, 0]])
    links = ["quiet", "waits", "loses", "given-anew"]
    assert rows_between(links, 1, before, 2, after) == [
        (1, 2, "waits", 10, 10**6, 0),
        (1, 2, "loses", 20, 0, 2),
    ]
