"""A run with platforms: its record holds, bit for bit, what the scenario alone says."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np

from orbitmesh.emulator import Emulation, Scenario
from orbitmesh.emulator.power_plan import power_rows
from orbitmesh.emulator.record.results import load_run

MS = 10**6


def test_the_record_of_a_run_is_what_its_scenario_says(tmp_path: Path) -> None:
    shipped = Scenario.load("ai1-eclipse")
    dark_in_s = 122  # the shadow's edge comes a little later than the two minutes of the file
    run = shipped.run.model_copy(
        update={"start_utc": shipped.run.start_utc + timedelta(seconds=dark_in_s), "step_ns": 100 * MS}
    )
    scenario = shipped.model_copy(update={"run": run})
    with Emulation(scenario, duration_ns=1500 * MS, out=tmp_path / "run", links="fake") as mesh:
        mesh.wait()
    results = load_run(tmp_path / "run")
    rows = [row for row in results.platforms().to_pylist() if row["satellite"] == "sat-0-0"]
    assert len(rows) >= 10
    _, _, planned = power_rows(scenario, "sat-0-0", duration_ns=rows[-1]["sim_ns"])
    by_time = {row.t_ns: row for row in planned}
    for row in rows:
        expected = by_time[row["sim_ns"]]
        assert row["temperature_k"] == np.float32(expected.temperature_k)
        assert row["battery_j"] == np.float32(expected.battery_j)
        assert row["power_w"] == np.float32(expected.power_w)
        assert row["sunlit_ratio"] == np.float32(expected.sunlit_ratio)
    found = results.summary["platform"]
    assert found["preset"] == "ai1"
    assert [each["name"] for each in results.summary["presets"]] == ["starlink-class", "ai1"]
    assert found["epochs"] >= len(rows)
    assert 0.3 < found["held_back"]["eclipse"] < 0.42
    others = next(row for row in results.platforms().to_pylist() if row["satellite"] is None)
    assert others["satellites"] == 95
