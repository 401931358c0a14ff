"""Who has to leave a satellite, and when; and what a batch does with one that comes with its cache.  Pure."""

from __future__ import annotations

from typing import Any

import pytest

from orbitmesh.nodes.serving.batcher import Batcher, Step
from orbitmesh.nodes.serving.journey import moved, so_far, whole
from orbitmesh.nodes.serving.leaving import Leave, Target, UnderWay, read_leaves, retry_ns, who_leaves
from orbitmesh.nodes.serving.limits import Limits
from orbitmesh.nodes.serving.replica import Departed
from orbitmesh.nodes.serving.request import Before, Request

S = 10**9
ROW: dict[str, Any] = {
    "gateway": "gw-a", "customer_class": "chat", "rule": "move", "until_mono_ns": 100 * S,
    "reason": "out of sight", "again_mono_ns": None,
    "to": [{"name": "sat-0-1", "address": "10.0.0.2", "rate_bps": 10**9}],
}  # fmt: skip
LEAVE = read_leaves([ROW])[0]


class Times:
    """10 ms a step, whatever is in it."""

    def ns(self, prefill_tokens: int, pairs: float, decodes: int, context_tokens: int) -> int:
        return 10_000_000


def batcher(blocks: int = 100, **more: Any) -> Batcher:
    return Batcher(Times(), Limits(blocks, **more))


def steps(of: Batcher, n: int, begin_ns: int = 0) -> list[Step]:
    found = []
    for _ in range(n):
        step = of.step(begin_ns)
        if step is None:
            break
        found.append(step)
        begin_ns = step.end_ns
    return found


def test_what_is_finished_by_then_stays_and_the_rest_leaves_as_late_as_is_safe() -> None:
    # 20 ms a token: 1 s and 40 s more; a cache of 125 MB takes 1 s
    under_way = [UnderWay(50, 125_000_000), UnderWay(2000, 125_000_000)]

    def at(now_s: float, leave: Leave = LEAVE, *, still: bool = False) -> list[int]:
        return who_leaves(under_way, leave, round(now_s * S), 20_000_000, stands_still=still)

    assert at(60) == [], "there is time for both"
    assert at(97.0) == [], "not yet: 1.5 times 1 s, and a second"
    assert at(97.6) == [1]
    assert at(99.5) == [0, 1]
    assert at(95.9, still=True) == []
    assert at(96.1, still=True) == [0, 1], "where it stands still all must go: two caches"
    nowhere = read_leaves([ROW | {"to": [ROW["to"][0] | {"rate_bps": 0}]}])[0]
    assert at(98.9, nowhere) == []
    assert at(99.1, nowhere) == [0, 1]


def test_who_is_refused_hears_when_another_is_there_or_one_again() -> None:
    assert retry_ns(LEAVE, 90 * S) == 10 * S
    alone = Leave(**{**ROW, "to": ()})
    assert retry_ns(alone, 90 * S) is None
    assert retry_ns(Leave(**{**ROW, "to": (), "again_mono_ns": 95 * S}), 90 * S) == 5 * S


@pytest.mark.parametrize(
    "wrong",
    [
        {"rule": "stay"}, {"until_mono_ns": "soon"}, {"gateway": 5}, {"again_mono_ns": 0.5}, {"more": 1},
        {"to": [{"name": "sat-0-1"}]}, {"to": [ROW["to"][0] | {"rate_bps": -1}]},
    ],
)  # fmt: skip
def test_what_the_run_cannot_have_said(wrong: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError)):
        read_leaves([ROW | wrong])


@pytest.mark.parametrize("leaves_after", [1, 5, 16, 17, 40])
def test_an_answer_that_moves_has_as_many_tokens_and_no_block_is_lost(leaves_after: int) -> None:
    here, there = batcher(), batcher()
    asked = Request(33, 60, 0)
    here.admit(asked)
    steps(here, leaves_after)
    context = here.release(asked)
    assert (asked.made, context) == (leaves_after, 33 + leaves_after - 1)
    assert (here.running, here.decoding, here.free_blocks) == (0, 0, 100)

    again = Request(33, 60, 5 * S, made=asked.made)
    place = there.expect(again)
    assert place is not None
    assert there.free_blocks == 100 - -(-context // 16)
    there.join(again, place)
    found = steps(there, 1000, 5 * S)
    assert len(found) == 60 - leaves_after
    assert found[-1].finished == [again]
    assert (there.running, there.decoding, there.free_blocks) == (0, 0, 100)
    assert again.result is not None
    assert (again.result.queue_ns, again.result.prefill_ns) == (0, 0)
    assert again.result.decode_ns == (60 - leaves_after) * 10_000_000


def test_one_that_comes_without_its_cache_computes_prompt_and_tokens_anew() -> None:
    there = batcher()
    again = Request(33, 60, 0, made=20)
    there.admit(again)
    found = steps(there, 1000)
    assert found[0].prefill_tokens == 53
    assert len(found) == 40
    assert again.made == 60
    assert there.free_blocks == 100


def test_what_waits_beside_an_expected_one_is_not_looked_at_without_end() -> None:
    there = batcher(blocks=4)
    coming, waits = Request(33, 10, 0, made=5), Request(40, 10, 0)
    place = there.expect(coming)
    assert place is not None
    there.admit(waits)
    assert there.ready_ns() is not None
    assert there.step(0) is None
    assert there.ready_ns() is None, "no step has anything to do before that one is there"
    there.give_up(place)
    assert there.free_blocks == 4
    assert there.step(0) is not None


def test_what_does_not_fit_is_not_expected() -> None:
    assert batcher(blocks=2).expect(Request(33, 10, 0, made=5)) is None
    full = batcher(requests=1)
    full.admit(Request(10, 10, 0))
    full.step(0)
    assert full.expect(Request(33, 10, 0, made=5)) is None
    promised = batcher(blocks=5, promise_answers=True)
    promised.admit(Request(30, 30, 0))
    promised.step(0)
    assert promised.expect(Request(17, 10, 0, made=5)) is None


def test_the_times_of_all_satellites_are_the_whole() -> None:
    here, there = batcher(before_queue_ns=0), batcher()
    asked = Request(33, 60, 3_000_000)
    here.admit(asked)
    steps(here, 20, 10_000_000)
    here.release(asked)
    left_ns = 10_000_000 + 20 * 10_000_000
    before = so_far(asked, Departed(left_ns, 52, 0))
    assert (before.queue_ns, before.prefill_ns, before.decode_ns) == (7_000_000, 10_000_000, 190_000_000)

    # with its cache
    arrived_ns = left_ns + 35_000_000
    again = Request(33, 60, arrived_ns, made=20, before=moved(before, 20, left_ns, arrived_ns, 1000))
    place = there.expect(again)
    assert place is not None
    there.join(again, place)
    end_ns = steps(there, 1000, arrived_ns)[-1].end_ns
    told = whole(again)
    assert told.queue_ns + told.prefill_ns + told.decode_ns + told.moved_ns == end_ns - asked.arrival_ns
    assert (told.moved_ns, told.moved_first_ns, told.moves, told.recomputed) == (35_000_000, 0, 1, 0)
    assert told.moved_bytes == 1000

    # without: the prompt that is computed again is of the move
    anew = Request(
        33, 60, arrived_ns, made=20, is_anew=True, before=moved(before, 20, left_ns, arrived_ns, None)
    )
    other = batcher()
    other.admit(anew)
    end_ns = steps(other, 1000, arrived_ns)[-1].end_ns
    told = whole(anew)
    assert told.queue_ns + told.prefill_ns + told.decode_ns + told.moved_ns == end_ns - asked.arrival_ns
    assert (told.moved_ns, told.prefill_ns, told.recomputed, told.moved_bytes) == (
        45_000_000, 10_000_000, 1, 0,
    )  # fmt: skip


def test_one_that_had_no_token_yet_moves_before_its_first() -> None:
    waiting = Request(33, 60, 0)
    before = so_far(waiting, Departed(50, 0, 0))
    assert before == Before(queue_ns=50)
    assert moved(before, 0, 50, 80, None) == Before(
        queue_ns=50, moved_ns=30, moved_first_ns=30, moves=1, recomputed=1
    )
    begun = Request(33, 60, 0, scheduled_ns=10)
    assert so_far(begun, Departed(50, 0, 0)) == Before(queue_ns=10, moved_ns=40, moved_first_ns=40)
    assert Target("sat-0-1", "10.0.0.2", 10**9) == LEAVE.to[0]
