"""A calibration is judged by its own floor and repeats.  Pure: the streams are made up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orbitmesh.emulator.calibration import store
from orbitmesh.emulator.calibration.budget import budget_of
from orbitmesh.emulator.calibration.consistency import Errors
from orbitmesh.emulator.calibration.document import Calibration, OneWay
from orbitmesh.emulator.calibration.trust import CalibrationRefused, checked, reasons_against
from orbitmesh.emulator.record.summary import Recorded
from orbitmesh.emulator.record.verdict import Evidence, judge

MACHINE = {"kernel": "6.1", "machine": "x86_64", "cpus": 2, "cpu_model": "X", "clocksource": "tsc"}


def errors(p50_us: float, p99_us: float, lost: int = 0) -> Errors:
    return Errors(20_000, lost, 0, 1_000, round(p50_us * 1e3), round(p99_us * 1e3), round(p99_us * 2e3))


def stream(links: int, p50_us: float, p99_us: float, lost: int = 0) -> OneWay:
    return OneWay(links, 5_000_000, 10_000, "adaptive", errors(p50_us, p99_us, lost))


def calibration(**changes: Any) -> Calibration:
    """As a quiet machine has it (docs/how-to/how-exact-is-it.md)."""
    quiet = Calibration(
        "engine", "adaptive", "2026-11-24T00:00:00Z", dict(MACHINE), False,
        floor=errors(4.1, 60), one_way=(stream(1, 5.3, 76), stream(10, 48, 300), stream(15, 189, 2_000)),
        floor_again=errors(3.2, 90), repeats=(stream(1, 4.9, 120), stream(10, 60, 700)),
    )  # fmt: skip
    return replace(quiet, **changes)


def test_a_quiet_machine_s_is_kept_without_a_word() -> None:
    assert reasons_against(calibration()) == ()
    assert checked(calibration()) == calibration()


def test_a_slow_machine_is_judged_by_its_own_floor() -> None:
    """48 us over loopback, 0.3 ms for each further link, and always so."""
    rows = (stream(1, 150, 1_900), stream(10, 3_000, 15_000))
    slow = calibration(
        floor=errors(48, 1_600), floor_again=errors(51, 1_900), one_way=rows,
        repeats=(stream(1, 190, 2_000), stream(10, 3_500, 19_000)),
    )  # fmt: skip
    assert reasons_against(slow) == ()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        # the one that was kept, and later runs judged by ten times of it
        (
            {"one_way": (stream(1, 5.3, 76), stream(10, 6_200, 9_000)), "repeats": ()},
            "a stream over 10 links in a row of 5 ms (10,000/s, waiting: adaptive) came 6.2 ms late at p50: "
            "0.62 ms for each link",
        ),
        ({"repeats": (stream(10, 6_200, 9_000),)}, "came 6.2 ms late at p50"),
        # beside seven others on two cores, with a floor of 3 us all the while
        (
            {"one_way": (stream(1, 3.8, 44), stream(10, 668, 35_948)), "repeats": (stream(10, 390, 46_663),)},
            "came 35.9 ms late at p99: 3.59 ms for each link, where 2 ms is the most",
        ),
        # a busy machine's floor is high too
        (
            {
                "floor": errors(90, 900),
                "floor_again": errors(110, 900),
                "one_way": (stream(1, 300, 900), stream(10, 6_200, 9_000)),
                "repeats": (),
            },
            "0.611 ms for each link, where 0.5 ms is the most beside a floor of 0.09 ms",
        ),
        (
            {"repeats": (stream(1, 80, 300),)},
            "measured twice, was 0.0053 ms late at p50 once and 0.08 ms once",
        ),
        (
            {"repeats": (stream(1, 6, 4_000),)},
            "measured twice, was 0.076 ms late at p99 once and 4 ms once",
        ),
        ({"floor": errors(4, 3_000)}, "over loopback, without any link, datagrams took 3 ms at p99"),
        ({"floor_again": errors(90, 200)}, "loopback, without any link, measured twice, was 0.0041 ms late"),
        ({"one_way": (stream(1, 5.3, 76, lost=600),)}, "lost 600 of 20000 datagrams without cause"),
    ],
)
def test_a_busy_machine_s_is_refused_and_says_why(
    changes: dict[str, Any], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORBITMESH_STATE", str(tmp_path))
    busy = calibration(**changes)
    assert any(said in reason for reason in reasons_against(busy)), reasons_against(busy)
    with pytest.raises(CalibrationRefused, match=r"is not kept: .*--force"):
        store.keep(busy)
    assert list(tmp_path.rglob("*.json")) == []

    store.keep(busy, force=True)
    kept = store.recall("wired", "engine", "adaptive", MACHINE, is_awake=False)
    assert isinstance(kept, Calibration)
    assert said in kept.distrusted


def test_what_was_lost_over_loopback_too_is_not_the_links() -> None:
    lossy = calibration(floor=replace(errors(4, 60), lost=700), one_way=(stream(1, 5.3, 76, lost=600),))
    assert reasons_against(lossy) == ()


def test_a_run_says_that_its_calibration_was_forced() -> None:
    budget = budget_of(checked(calibration(repeats=(stream(10, 6_200, 9_000),)), force=True))
    assert budget is not None
    found = judge(
        Evidence("completed", {"lateness_p99_ns": 1}, Recorded(samples=1), budget.to_dict(), "engine")
    )
    assert any("speaks against itself" in what and "6.2 ms" in what for what in found.not_known)


def test_one_that_an_older_version_kept_unlooked_at_is_distrusted_too() -> None:
    budget = budget_of(calibration(one_way=(stream(1, 5.3, 76), stream(10, 6_200, 9_000)), repeats=()))
    assert budget is not None
    assert "6.2 ms" in str(budget.to_dict()["distrusted"])
    trusted = budget_of(calibration())
    assert trusted is not None
    assert trusted.to_dict()["distrusted"] is None


def test_json_comes_back_with_repeats_and_distrust() -> None:
    whole = checked(calibration(repeats=(stream(10, 6_200, 9_000),)), force=True)
    assert Calibration.from_json(whole.to_json()) == whole
