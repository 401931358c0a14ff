"""What is said of a class beside its verdict: this machine's part, what light forbids, what it cost."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import pytest
from test_record_customers import DEPLOYMENT, FINE, MS, TARGET, rows

from orbitmesh.emulator.answers.cost import cost, in_orbit, measured, run_joules
from orbitmesh.emulator.errors import InputError
from orbitmesh.emulator.presets import preset
from orbitmesh.emulator.record.customer_cost import with_costs
from orbitmesh.emulator.record.customer_table import customers_said
from orbitmesh.emulator.record.customers import customer_rows

BUDGET = {"first_p50_ns": 40_000, "first_p99_ns": 100_000, "per_hop_ns": 5_000}


def judged(*answers: Any, target: dict[str, Any] = TARGET, budget: Any = None) -> dict[str, Any]:
    each = {"name": "chat", "one_in": 1, "target": target}
    return customer_rows(rows(*answers), [each], DEPLOYMENT, 10**10, budget)[0]


def said(row: dict[str, Any]) -> str:
    return " ".join(str(part) for part in customers_said([row]) if "chat:" in str(part))


def test_this_machine_s_part_stands_beside_what_calibration_explains() -> None:
    row = judged(replace(FINE, late_p50_ns=300_000), budget=BUDGET)
    assert row["host"] == {
        "ttft_p50_ns": 2_136_800, "ttft_p99_ns": 2_136_800, "calibrated_p99_ns": 200_000,
        "node_late_p50_ns": 300_000, "sound": True,
    }  # fmt: skip
    assert "2.1 ms (p50) and 2.1 ms (p99) were this machine's; calibration explains 0.2 ms of it" in said(row)
    assert judged(FINE, budget={"reason": "not calibrated"})["host"]["calibrated_p99_ns"] is None
    assert "no calibration says" in said(judged(FINE))


@pytest.mark.parametrize(("slower_ms", "sound"), [(15, True), (30, False)])
def test_a_class_whose_time_was_this_machine_s_is_not_believed(slower_ms: int, sound: bool) -> None:
    slow = replace(
        FINE,
        first_mono_ns=FINE.first_mono_ns + slower_ms * MS,
        done_mono_ns=FINE.done_mono_ns + slower_ms * MS,
    )
    row = judged(slow, budget=BUDGET)
    assert row["host"]["sound"] is sound
    assert ("Do not believe it: that is far more than is explained" in said(row)) is not sound


def test_a_target_below_light_is_said_in_the_verdict() -> None:
    row = judged(FINE, target=TARGET | {"ttft_ns": 20 * MS})
    assert row["light"] == {"least_round_trip_ns": 60 * MS, "below_ns": {"ttft": 40 * MS}}
    assert (
        "Light alone forbids first token within 20 ms: the least round trip of its requests was 60.0 ms"
        in (said(row))
    )
    assert judged(FINE)["light"]["below_ns"] == {}


def described(name: str) -> dict[str, Any]:
    named = preset("platform", name)
    figures = {key: asdict(figure) for key, figure in named.figures.items()}
    return {"platform": {"preset": name, "title": named.title, "figures": figures}}


def test_dollars_are_those_of_the_platform_that_the_run_had() -> None:
    row = judged(replace(FINE, energy_j=30.0))
    found = {}
    for name in ("ai1", "ai-sat-mini"):
        (priced,) = with_costs([row], described(name), DEPLOYMENT)
        place = in_orbit(preset("platform", name), preset("cost", "orbit-2026"))
        one = cost(place, measured(run_joules(30, "llama-3.1-8b", "h100")))
        found[name] = priced["cost"]["orbit"]["dollars_per_request"]
        assert found[name]["value"] == pytest.approx(one.value)
        assert found[name]["low"] < found[name]["value"] < found[name]["high"]
        tokens = priced["cost"]["orbit"]["dollars_per_million_tokens"]["value"]
        assert tokens == pytest.approx(one.value / 10 * 1e6)
        assert priced["cost"]["ground"]["dollars_per_request"]["value"] < one.value
        assert f"on {name} at the prices of orbit-2026, and $" in said(priced)
    assert found["ai1"] != found["ai-sat-mini"]


def test_what_does_not_fly_has_a_price_on_the_ground_alone() -> None:
    row = judged(replace(FINE, energy_j=30.0))
    for run in (described("rack"), {}):
        (priced,) = with_costs([row], run, DEPLOYMENT)
        assert priced["cost"]["orbit"] is None
        assert "in ground-data-centre (in orbit: not known, " in said(priced)
    with pytest.raises(InputError, match="its platform makes no sense"):
        with_costs([row], {"platform": {"preset": "ai1"}}, DEPLOYMENT)
    for key in ("value", "unit"):  # each ended in a TypeError or an AttributeError
        run = described("ai1")
        run["platform"]["figures"]["average-power"][key] = None
        with pytest.raises(InputError, match=f"makes no sense: .*average-power.{key} is None"):
            with_costs([row], run, DEPLOYMENT)
    assert "cost" not in with_costs([judged(FINE)], described("ai1"), DEPLOYMENT)[0]
