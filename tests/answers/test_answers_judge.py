"""Answers judged: causes, shares, goodput; by hand-made answers whose verdict is plain."""

from __future__ import annotations

import numpy as np
import pytest

from orbitmesh.emulator.answers.judge import Asked, judge
from orbitmesh.emulator.answers.parts import PARTS, WORDS, Parts, least_of
from orbitmesh.emulator.answers.targets import Target, below_light

MS = 1_000_000


def parts(*rows: dict[str, float], alone_ms: float = 100.0) -> Parts:
    """Rows of ms by part; compute alone at full power would take ``alone_ms``."""
    ns = np.array([[row.get(name, 0.0) * MS for name in PARTS] for row in rows]).reshape(-1, len(PARTS))
    return Parts(ns.sum(axis=1), ns, least_of(ns, np.full(len(rows), alone_ms * MS)))


def asked(ttft: Parts, answered: list[bool] | None = None, **changes: object) -> Asked:
    answered = [True] * len(ttft.measured_ns) if answered is None else answered
    n = len(answered)
    values: dict[str, object] = {
        "answered": np.array(answered), "refused": np.zeros(n, bool), "metrics": {"ttft": ttft},
        "tokens": np.full(n, 100), "bytes": np.full(n, 10_000), "duration_ns": 10 * 10**9,
    }  # fmt: skip
    return Asked(**{**values, **changes})  # type: ignore[arg-type]


FINE = {"propagation": 40, "compute": 110, "host": 1}


@pytest.mark.parametrize(
    ("row", "cause"),
    [
        ({"propagation": 40, "compute": 110, "waiting": 600, "links": 20}, "waiting"),
        ({"propagation": 40, "compute": 110, "links": 500}, "links"),
        ({"propagation": 40, "compute": 120, "heat": 700}, "heat"),
        ({"propagation": 40, "compute": 120, "eclipse": 700}, "eclipse"),
        ({"propagation": 40, "compute": 110, "moved": 450}, "moved"),
        ({"propagation": 40, "compute": 110, "lost": 400, "host": 10}, "lost"),
        ({"propagation": 40, "compute": 110, "host": 900, "waiting": 300}, "host"),
        ({"propagation": 40, "compute": 600}, "compute"),  # a full batch: alone it would have been 100
        (
            {"propagation": 480, "compute": 130},
            "propagation",
        ),  # light and model alone are too long: light more
    ],
)
def test_each_miss_has_the_cause_that_made_it(row: dict[str, float], cause: str) -> None:
    verdict = judge(asked(parts(FINE, row)), Target(ttft_ns=500 * MS))
    over_ms = sum(row.values()) - 500
    assert verdict["causes"] == {cause: {"requests": 1, "over_ns": round(over_ms * MS)}}
    assert verdict["within_target"]["share"] == 0.5


def test_a_target_that_the_model_itself_cannot_meet_is_the_model_s() -> None:
    verdict = judge(
        asked(parts({"propagation": 40, "compute": 610, "waiting": 300}, alone_ms=600)), Target(500 * MS)
    )
    assert list(verdict["causes"]) == ["compute"]


def test_a_request_that_misses_two_bounds_counts_once_by_the_worse() -> None:
    ttft, tpot = parts({"waiting": 600, "compute": 100}), parts({"heat": 90, "compute": 10}, alone_ms=10)
    both = asked(ttft, metrics={"ttft": ttft, "tpot": tpot})
    assert list(judge(both, Target(ttft_ns=500 * MS, tpot_ns=20 * MS))["causes"]) == ["heat"]
    assert list(judge(both, Target(ttft_ns=500 * MS, tpot_ns=90 * MS))["causes"]) == ["waiting"]


def test_causes_of_all_that_were_not_good_add_up() -> None:
    ttft = parts(FINE, {**FINE, "waiting": 900}, {**FINE, "links": 900}, {**FINE, "links": 800})
    it = asked(
        ttft,
        [True, False, True, False, True, False, True],
        refused=np.array([False, True, False, True, False, False, False]),
        reasons=("no power", "no power"),
        links=("", "", "sat-1-2>gw-oslo", "sat-1-2>gw-oslo"),
    )
    verdict = judge(it, Target(ttft_ns=500 * MS))
    assert verdict["causes"] == {
        "links": {"requests": 2, "over_ns": (551 + 451) * MS, "by_link": {"sat-1-2>gw-oslo": 2}},
        "waiting": {"requests": 1, "over_ns": 551 * MS},
        "refused": {"requests": 2, "by_reason": {"no power": 2}},
        "no answer": {"requests": 1},
    }
    bad = sum(row["requests"] for row in verdict["causes"].values())
    assert bad == verdict["requests"] - round(verdict["within_target"]["share"] * verdict["requests"]) == 6
    assert verdict["availability"]["share"] == pytest.approx(4 / 7)
    assert set(verdict["causes"]) <= set(WORDS)


def test_goodput_counts_what_each_real_request_stands_for() -> None:
    verdict = judge(asked(parts(FINE, FINE, {**FINE, "waiting": 900}), one_in=10), Target(ttft_ns=500 * MS))
    assert verdict["goodput_answers_per_s"] == pytest.approx(2.0)  # 2 good of 3, in 10 s, each for 10
    assert verdict["goodput_tokens_per_s"] == pytest.approx(200.0)
    assert verdict["delivered_bps"] == pytest.approx(3 * 10_000 * 8)


def test_a_share_is_met_missed_or_not_known() -> None:
    target = Target(ttft_ns=500 * MS, share=0.9)
    late = {**FINE, "waiting": 900}
    assert judge(asked(parts(*[FINE] * 200)), target)["met"] is True
    assert judge(asked(parts(*[FINE, late] * 40)), target)["met"] is False
    assert judge(asked(parts(*[FINE] * 9)), target)["met"] is None, (
        "nine good of nine may be 70 % in the long run"
    )
    assert judge(asked(parts()), target) == {"requests": 0, "one_in": 1, "met": None}


def test_parts_that_are_not_the_whole_are_refused() -> None:
    it = parts(FINE)
    with pytest.raises(ValueError, match="ns off what was measured"):
        Parts(it.measured_ns + 1000, it.parts_ns, it.least_ns)


def test_a_target_below_light_is_told_before_a_run() -> None:
    target = Target(ttft_ns=30 * MS, tpot_ns=5 * MS, answer_ns=2000 * MS)
    assert below_light(target, 41 * MS) == {"ttft": 11 * MS}
    assert below_light(target, 29 * MS) == {}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "bounds nothing"),
        ({"ttft_ns": 0}, "a target of 0 ns for ttft is not above 0"),
        ({"ttft_ns": 1, "share": 1.0}, "a share of 1.0"),
    ],
)
def test_targets_that_make_no_sense(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Target(**arguments)  # type: ignore[arg-type]
