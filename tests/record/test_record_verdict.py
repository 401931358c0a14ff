"""What speaks against the figures of a run: each trouble has its sentence, and silence means looked at."""

from __future__ import annotations

from typing import Any

import pytest

from orbitmesh.emulator.record.soundness import CAUSES, ENGINE, bounds
from orbitmesh.emulator.record.summary import Recorded
from orbitmesh.emulator.record.verdict import Evidence, Verdict, judge, percent

MS = 1_000_000
CALM = {"lateness_p99_ns": 80_000, "lateness_max_ns": 900_000}
NOT_SENT = {"no-way": 0, "overslept": 0, "unheard": 0, "connecting": 0, "starting": 0, "cut-off": 0}


def sound(samples: int, unsound: int = 0, windows: int = 0, worst_ns: int | None = None) -> dict[str, Any]:
    none = {"samples": 0, "windows": 0, "windows_ns": 0, "worst_ns": None}
    causes = {cause: dict(none) for cause in CAUSES}
    causes[ENGINE] = {"samples": unsound, "windows": windows, "windows_ns": 1, "worst_ns": worst_ns}
    return {
        "samples": samples, "sound": samples - unsound, "sound_ratio": (samples - unsound) / samples,
        "bounds": bounds(), "causes": causes,
    }  # fmt: skip


def verdict(**changes: Any) -> Verdict:
    """Of a run without a flaw, with changes."""
    plain: dict[str, Any] = {
        "ended": "completed", "facts": CALM,
        "recorded": Recorded(samples=604), "budget": {"lateness_p99_bound_ns": 200_000}, "backend": "engine",
        "sound": sound(604), "account": {"due": 604, "sent": 604, "answered": 604, "not_sent": NOT_SENT},
        "gateways": [{"gateway": "gw-oslo", "available_ratio": 1.0, "longest_gap_ns": 0}],
        "host_watched": True,
    }  # fmt: skip
    return judge(Evidence(**{**plain, **changes}))


def test_nothing_is_found_only_where_all_was_looked_at() -> None:
    assert verdict() == Verdict([], [], [])


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"sound": None}, "which samples touch a moment in which the emulation was late"),
        ({"account": None}, "whether all was measured that was due"),
        ({"host_watched": False}, "whether the host stood still"),
        ({"knows_stolen": False}, "whether a hypervisor took processors away: /proc/stat does not say"),
        (
            {"not_told": {"clocksource": "No such file or directory"}},
            "is of this very machine, which does not tell its clocksource (No such file or directory)",
        ),
        ({"budget": {"reason": "not calibrated"}}, "what error this machine's links have: not calibrated"),
        (
            {"facts": {"lateness_p99_ns": None}, "backend": "netem"},
            "how late the links were: netem does not know its own error",
        ),
        ({"facts": {"lateness_p99_ns": None}}, "how late the links were: no packet was timed"),
        ({"facts": {}}, "how late the links were: the run's own summary is lost"),
        ({"budget": {"distrusted": "it is 90 days old"}}, "it is 90 days old"),
    ],
)
def test_what_was_not_looked_at_is_said(changes: dict[str, Any], says: str) -> None:
    found = verdict(**changes)
    assert found.trusted
    assert any(says in sentence for sentence in found.not_known)


def test_an_engine_that_stopped_for_three_seconds() -> None:
    """97 of 304 samples lost, 2,999 ms at most, and yet 1.6 ms at p99."""
    facts = {"lateness_p99_ns": 1_600_000, "lateness_max_ns": 2_999 * MS}
    found = verdict(
        facts=facts,
        recorded=Recorded(samples=304, lost=97, lost_on_way=97),
        sound=sound(304, 110, 1, 2_999 * MS),
    )
    assert not found.trusted
    doubts = "\n".join(found.doubts)
    assert "only 63.8 % of the samples are sound" in doubts
    assert "1.60 ms at p99 and 2,999.00 ms at most" in doubts
    assert "97 of 304 samples (31.9 %) were lost although there was a way" in doubts
    assert (
        "1 moment in which packets left late, by up to 2,999.0 ms: 110 samples marked late-engine"
        in found.remarks
    )


def test_a_storm_of_loss() -> None:
    found = verdict(recorded=Recorded(samples=604, lost=41, lost_on_way=41))
    assert found.doubts == [
        "41 of 604 samples (6.8 %) were lost although there was a way: the quantiles are of the others"
    ]


def test_a_few_losses_are_told_and_leave_the_figures_standing() -> None:
    found = verdict(recorded=Recorded(samples=604, lost=3, lost_on_way=3))
    assert found.trusted
    assert "3 of 604 samples" in found.remarks[0]


def test_one_late_tick_leaves_the_samples_that_it_does_not_touch() -> None:
    late = [{"number": 9, "sim_ns": 9, "late_ns": 50 * MS}]
    facts = {"lateness_p99_ns": 80_000, "lateness_max_ns": 900_000, "late_ticks": late}
    found = verdict(facts=facts, sound=sound(8_000, 14))
    assert found.trusted
    assert "1 tick came late, the worst (number 9) by 50.0 ms" in found.remarks[0]


@pytest.mark.parametrize(("missing", "trusted"), [(150, False), (3, True)])
def test_measurements_that_were_not_made_are_told(missing: int, trusted: bool) -> None:
    account = {"due": 604, "sent": 604 - missing, "answered": 604 - missing}
    found = verdict(account=account | {"not_sent": NOT_SENT | {"overslept": missing - 1, "unheard": 1}})
    assert found.trusted is trusted
    (said,) = found.doubts + found.remarks
    assert f"{missing} of 604 measurements that were due were not made" in said


def test_an_outage_is_told() -> None:
    out = {"gateway": "gw-nairobi", "available_ratio": 0.0, "longest_gap_ns": 10_000 * MS}
    account = {"due": 398, "sent": 98, "answered": 98, "not_sent": NOT_SENT | {"no-way": 300}}
    found = verdict(gateways=[out], account=account)
    assert found.remarks == [
        "outage: gw-nairobi had a way to a satellite with a process for 0 % of the time, the longest gap was "
        "10.0 s: it has no figures",
        "outage: 300 of 398 measurements that were due (75.4 %) had no way to any gateway, and were not made",
    ]


def test_gaps_in_the_record_of_a_process_are_told() -> None:
    found = verdict(
        gaps=[("sat-0-1", 3_000 * MS)], recorded=Recorded(samples=604, recorder_gap_ns=4_000 * MS)
    )
    assert found.remarks == [
        "sat-0-1 measured nothing for 3.0 s, although it had to",
        "the recorder itself stood still for 4.0 s",
    ]


def test_percentages_do_not_round_to_all_or_nothing() -> None:
    assert [percent(r) for r in (1, 0.99999, 0.994, 0.00001, 0)] == [
        "100.0 %",
        ">99.9 %",
        "99.4 %",
        "<0.1 %",
        "0 %",
    ]


def test_what_was_asked_of_emulated_time_is_remarked() -> None:
    """Whoever reads the figures has to know that programs went on while the mesh stood still."""
    led = {"clock_pauses": 2, "clock_paused_ns": 46_165_708_591, "clock_steps": 1, "clock_speeds": [0.5, 1.0]}
    assert verdict(facts=CALM | led).remarks == [
        "emulated time was paused 2 times, for 46.2 s in all; moved on by 1 step; set to 0.5, 1 times as "
        "fast: what was due went on by the machine's time"
    ]
    many = verdict(facts=CALM | {"clock_speeds": [2.0] * 9}).remarks
    assert many == [
        "emulated time was set to 2, 2, 2, 2, 2 and 4 more times as fast: what was due went on by the "
        "machine's time"
    ]
