"""What is made of measured streams: statistics, JSON, the budget.  Pure."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbitmesh.emulator.calibration import store
from orbitmesh.emulator.calibration.budget import EXCESS_FACTOR, LEAST_BOUND_NS, budget_of
from orbitmesh.emulator.calibration.document import (
    Calibration,
    Command,
    Falling,
    Grpc,
    Handover,
    OneWay,
    RateError,
    SmallPackets,
    errors_of,
    loss_error,
)
from orbitmesh.emulator.errors import InputError

MACHINE = {
    "kernel": "6.1",
    "machine": "x86_64",
    "cpus": 2,
    "cpu_model": "X",
    "clocksource": "tsc",
    "python": "3",
}
ERRORS = errors_of(4, np.array([0, 1, 3]), np.array([1_000.0, 2_000.0, 40_000.0]))


def stream(links: int, p50_ns: int, *, per_second: int = 10_000, wait: str = "adaptive") -> OneWay:
    errors = replace(ERRORS, p50_ns=p50_ns, p99_ns=10 * p50_ns)
    return OneWay(links, 5_000_000, per_second, wait, errors)


def calibration(**more: object) -> Calibration:
    rows = (stream(1, 5_000), stream(3, 9_000), stream(11, 25_000))
    known: dict[str, object] = {"floor": ERRORS, "one_way": rows, **more}
    return Calibration("engine", "adaptive", "2026-11-24T00:00:00Z", dict(MACHINE), False, **known)  # type: ignore[arg-type]


def test_errors_are_percentiles_and_counts() -> None:
    error_ns = np.arange(101) * 1_000.0
    errors = errors_of(103, np.arange(101), error_ns)
    assert (errors.min_ns, errors.p50_ns, errors.p99_ns, errors.max_ns) == (0, 50_000, 99_000, 100_000)
    assert (errors.packets, errors.lost, errors.reordered) == (103, 2, 0)


def test_nothing_that_came_has_no_error() -> None:
    errors = errors_of(7, np.empty(0, np.int64), np.empty(0))
    assert (errors.lost, errors.p50_ns, errors.max_ns) == (7, None, None)


@given(st.permutations(range(12)))
def test_reordered_are_those_behind_a_higher_number(numbers: list[int]) -> None:
    behind = sum(any(earlier > n for earlier in numbers[:i]) for i, n in enumerate(numbers))
    assert errors_of(12, np.array(numbers), np.zeros(12)).reordered == behind


def test_a_duplicate_replaces_no_lost_packet() -> None:
    assert errors_of(3, np.array([0, 0, 1]), np.zeros(3)).lost == 1


def test_the_interval_of_a_loss_is_the_binomial_distribution_s() -> None:
    found = loss_error(0.01, 10_000, 9_900)
    assert found.measured_ratio == pytest.approx(0.01)
    # mean 100, deviation 9.95: 3.29 deviations either way for 99.9 %
    assert found.low_ratio == pytest.approx(0.01 - 3.29 * 9.95e-4, abs=2e-4)
    assert found.high_ratio == pytest.approx(0.01 + 3.29 * 9.95e-4, abs=2e-4)


def test_a_run_goes_by_a_calibration_that_let_processors_sleep_as_it_does(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ORBITMESH_STATE", str(tmp_path))
    store.keep(awake := calibration(is_awake=True))
    assert store.recall("wired", "engine", "adaptive", MACHINE, is_awake=True) == awake
    said = str(store.recall("wired", "engine", "adaptive", MACHINE, is_awake=False))
    assert said.endswith("sudo orbitmesh calibrate --no-awake"), said
    assert "were kept awake, and in this run they are not" in said
    store.keep(calibration())
    said = str(store.recall("wired", "engine", "adaptive", MACHINE, is_awake=True))
    assert "were not kept awake, and in this run they are: sudo orbitmesh calibrate" in said


def test_json_comes_back_as_it_was() -> None:
    whole = calibration(
        rates=(RateError(10**6, 999_000, -0.001),),
        losses=(loss_error(0.1, 1000, 905),),
        falling=Falling(-20_000, -1_000_000, ERRORS),
        handover=Handover(1_000_000, 100, 0, 0, 1_100_000),
        commands=(Command(72, 144, 40_000), Command(4_408, 8_816, None, "no room")),
        grpc=Grpc(100, 480_000, 900_000, 100_000),
        small_packets=SmallPackets(200_000, None),
        cautions=("slow",),
    )
    assert Calibration.from_json(whole.to_json()) == whole
    assert Calibration.from_json(calibration().to_json()) == calibration()


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": 99}', '{"format": 1, "one_way": 3}'])
def test_what_is_no_calibration_is_refused_in_words(text: str) -> None:
    with pytest.raises(InputError, match=r"no calibration|format 99"):
        Calibration.from_json(text)


def test_a_further_hop_costs_what_the_slope_says() -> None:
    assert calibration().per_hop_ns == pytest.approx(2_000)
    assert calibration(one_way=(stream(1, 5_000),)).per_hop_ns is None


def test_the_budget_takes_the_worst_delay_at_the_reference_rate_and_its_own_waiting() -> None:
    rows = (
        stream(1, 5_000),
        stream(1, 7_000),
        stream(1, 90_000, per_second=50_000),
        stream(1, 1, wait="poll"),
    )
    budget = budget_of(calibration(one_way=(*rows, stream(6, 15_000))))
    assert budget is not None
    assert (budget.first_p50_ns, budget.first_p99_ns) == (7_000, 70_000)
    assert budget.path_p99_ns(1) == 70_000
    assert budget.path_p99_ns(4) == 70_000 + 3 * budget.per_hop_ns
    assert budget.lateness_bound_ns() == EXCESS_FACTOR * 70_000
    assert budget.to_dict()["lateness_p99_bound_ns"] == EXCESS_FACTOR * 70_000


def test_a_very_still_machine_does_not_make_every_run_doubtful() -> None:
    budget = budget_of(calibration(one_way=(stream(1, 100),)))
    assert budget is not None
    assert budget.lateness_bound_ns() == LEAST_BOUND_NS


def test_a_calibration_without_a_stream_gives_no_budget() -> None:
    assert budget_of(calibration(one_way=())) is None


def test_kept_and_recalled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORBITMESH_STATE", str(tmp_path))
    assert "not calibrated" in str(store.recall("wired", "engine", "adaptive", MACHINE, is_awake=False))
    path = store.keep(calibration())
    assert path == tmp_path / "calibration/engine-adaptive.json"
    assert store.recall("wired", "engine", "adaptive", MACHINE, is_awake=False) == calibration()
    assert "not calibrated" in str(store.recall("wired", "engine", "poll", MACHINE, is_awake=False))
    assert sorted(tmp_path.rglob("*.part")) == []


def test_each_plane_has_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORBITMESH_STATE", str(tmp_path))
    fabric = replace(calibration(), plane="fabric", disagreements=("a to b: no way",))
    assert store.keep(fabric) == tmp_path / "calibration/fabric-adaptive.json"
    assert store.recall("fabric", "engine", "adaptive", MACHINE, is_awake=False) == fabric
    assert "not calibrated" in str(store.recall("wired", "engine", "adaptive", MACHINE, is_awake=False))


def test_one_of_before_there_were_planes_is_of_the_wired_one() -> None:
    raw = json.loads(calibration().to_json())
    for name in ("plane", "consistency", "disagreements"):
        del raw[name]
    assert Calibration.from_json(json.dumps(raw)) == calibration()


def test_a_quick_one_serves_until_there_is_a_whole_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORBITMESH_STATE", str(tmp_path))
    quick = replace(calibration(), quick=True)
    store.keep(quick)
    assert store.recall("wired", "engine", "adaptive", MACHINE, is_awake=False) == quick
    store.keep(calibration())
    store.keep(quick)
    assert store.recall("wired", "engine", "adaptive", MACHINE, is_awake=False) == calibration()


def test_another_machine_s_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORBITMESH_STATE", str(tmp_path))
    store.keep(calibration())
    assert "kernel was 6.1 and is 6.2" in str(
        store.recall("wired", "engine", "adaptive", MACHINE | {"kernel": "6.2"}, is_awake=False)
    )
    # what its errors do not follow from may change
    assert (
        store.recall("wired", "engine", "adaptive", MACHINE | {"python": "3.12"}, is_awake=False)
        == calibration()
    )


GOOD = json.loads(calibration().to_json())
BAD_ROW = GOOD["one_way"][0] | {"errors": GOOD["one_way"][0]["errors"] | {"p99_ns": "fast"}}


@pytest.mark.parametrize(
    "damaged",
    [
        b'{"format": 2}', b"\xff\xfe{}", b"",
        json.dumps(GOOD | {"machine": None}).encode(),
        json.dumps(GOOD | {"one_way": [BAD_ROW]}).encode(),
    ],
)  # fmt: skip
def test_a_damaged_file_is_named(damaged: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORBITMESH_STATE", str(tmp_path))
    path = store.keep(calibration())
    path.write_bytes(damaged)
    said = store.recall("wired", "engine", "adaptive", MACHINE, is_awake=False)
    assert str(path) in str(said)
    assert "orbitmesh calibrate" in str(said)
