"""Power and heat in the record: rows of hosts, one of all others, and what the summary says."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from record_fakes import ROW, STEP_NS, T0, facts, header, small_world

from orbitmesh.emulator.epoch import HELD_BACK_BY, Epoch, Platforms
from orbitmesh.emulator.platform.of_scenario import described_platforms
from orbitmesh.emulator.presets import preset
from orbitmesh.emulator.record.platforms import PlatformFacts, in_words
from orbitmesh.emulator.record.recorder import Recorder
from orbitmesh.emulator.record.remove import remove_run
from orbitmesh.emulator.record.report import to_table
from orbitmesh.emulator.record.results import load_run
from orbitmesh.emulator.scenario import Scenario
from orbitmesh.emulator.scenario.presets_used import preset_facts


def platforms(*cause: str) -> Platforms:
    def values(*some: float) -> np.ndarray:
        return np.array(some, np.float32)

    return Platforms(
        sunlit_ratio=values(1, 0, 0.5, 1),
        battery_j=values(70e6, 60e6, 50e6, 40e6),
        temperature_k=values(330, 320, 345, 350),
        demand_w=values(120e3, 120e3, 100e3, 0),
        compute_w=values(120e3, 0, 75e3, 0),
        power_w=values(125e3, 5e3, 80e3, 5e3),
        capacity_ratio=values(1, 0, 0.5, 1),
        cause=np.array([HELD_BACK_BY.index(each) for each in cause], np.uint8),
        measured=np.array([0, 1, 0, 0], np.uint8),
    )


def platform_facts() -> PlatformFacts:
    raw = Scenario.load("ai1-inference").model_dump()
    raw["platform"]["figures"] = {"peak-power": "140 kW"}
    raw["constellation"]["shells"][1]["platform"] = "jpl-1mw"
    usual, *others = described_platforms(Scenario.model_validate(raw))
    return PlatformFacts(usual, tuple(others), (1,))


def recorded(out: Path) -> tuple[dict, list[dict]]:
    world, told = small_world(), list[Exception]()
    ai1 = preset("platform", "ai1").with_own({"peak-power": "140 kW"})
    recorder = Recorder(
        header(out, world.who, platform=platform_facts(), presets=(preset_facts(ai1),)), told.append
    )
    for number in range(3):
        at = T0 + number * STEP_NS
        epoch: Epoch = replace(
            world.epoch(number, number * STEP_NS, ROW), platforms=platforms("", "eclipse", "heat", "")
        )
        recorder.epoch(epoch, at, at, at)
    summary = recorder.finish(facts())
    assert not told
    return summary, pq.read_table(out / "platforms.parquet").to_pylist()


def test_hosts_have_rows_of_their_own_and_all_others_one(tmp_path: Path) -> None:
    _, rows = recorded(tmp_path)
    assert [row["satellite"] for row in rows] == ["sat-0-1", None] * 3
    host, others = rows[2], rows[3]
    assert (host["sim_ns"], host["epoch_number"], host["satellites"]) == (STEP_NS, 1, 1)
    assert (host["cause"], host["throttle_ratio"], host["held_back"]) == ("eclipse", 1.0, 1)
    assert host["temperature_k"] == host["temperature_most_k"] == 320
    assert (others["satellites"], others["held_back"], others["cause"]) == (3, 1, None)
    assert others["battery_j"] == pytest.approx(160e6 / 3)
    assert (others["battery_least_j"], others["temperature_most_k"]) == (40e6, 350)
    assert others["throttle_ratio"] == pytest.approx((0 + 0.25 + 0) / 3)
    assert others["power_w"] == pytest.approx(70e3)
    assert (host["measured"], others["measured"]) == (1, 0)


def test_the_summary_names_the_preset_and_what_held_back(tmp_path: Path) -> None:
    summary, _ = recorded(tmp_path)
    found = summary["platform"]
    assert found["preset"] == "ai1"
    assert found["held_back"] == {"heat": 0.25, "eclipse": 0.25, "energy": 0.0}
    assert found["sunlit_ratio"] == pytest.approx(0.625)
    assert found["temperature_most_k"] == 350
    assert "25.0% by heat, 25.0% by eclipse" in in_words(found)
    run = json.loads((tmp_path / "run.json").read_text())
    assert run["platform"]["figures"]["radiator-area"]["source"].startswith("SpaceX on AI1")
    assert summary["presets"][0]["own"] == {"peak-power": "140 kW"}
    assert found["shells"] == {"low-latitudes": "jpl-1mw"}
    assert run["platform"]["shells"][0]["figures"]["radiator-area"]["unit"] == "m2"
    assert found["load"] == {
        "by": "measured", "mean_w": 120e3, "mean_kind": "published", "hours": "none", "hosts": 1,
        "accelerators": {
            "name": "gb300", "count": 72, "idle_w": 72 * 160, "most_w": 72 * 1400,
            "share_ratio": pytest.approx(0.72),
        },
        "measured_ratio": 1.0, "depends_on_host": True,
    }  # fmt: skip
    assert "ai1 (low-latitudes: jpl-1mw)" in in_words(found)
    said = "but for 1 with a process: what their 72 gb300 drew (72% of the computers), in 100.0% of"
    assert said in in_words(found)
    assert "17 estimated" in _text(tmp_path)
    assert "peak-power 140 kW" in _text(tmp_path)
    assert remove_run(tmp_path) == []


def _text(path: Path) -> str:
    from rich.console import Console

    console = Console(width=400, record=True, file=io.StringIO())
    console.print(to_table(load_run(path)))
    return console.export_text()


def test_a_run_without_a_platform_has_neither_table_nor_figures(tmp_path: Path) -> None:
    world, told = small_world(), list[Exception]()
    recorder = Recorder(header(tmp_path, world.who), told.append)
    recorder.epoch(world.epoch(0, 0, ROW), T0, T0, T0)
    assert recorder.finish(facts())["platform"] is None
    assert not (tmp_path / "platforms.parquet").exists()
