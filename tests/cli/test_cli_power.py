"""``orbitmesh power``: a satellite's way through the shadow, from orbit and demand alone."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from typer.testing import CliRunner

from orbitmesh.emulator.cli.main import app
from orbitmesh.emulator.geometry import Geometry
from orbitmesh.emulator.power_plan import power_rows
from orbitmesh.emulator.scenario import Scenario

S = 10**9


def test_ai1_eclipse_goes_from_sun_to_shadow_under_load() -> None:
    result = CliRunner().invoke(app, ["power", "ai1-eclipse", "--step", "10s", "-o", "json"])
    assert result.exit_code == 0
    rows = json.loads(result.stdout)
    assert [row["t_ns"] for row in rows] == [k * 10 * S for k in range(31)]
    assert rows[0]["sunlit_ratio"] == 1
    assert rows[0]["compute_w"] == 120e3
    assert rows[-1]["sunlit_ratio"] == 0
    assert (rows[-1]["compute_w"], rows[-1]["cause"]) == (0, "eclipse")
    first_dark = next(row["t_ns"] for row in rows if row["sunlit_ratio"] == 0)
    assert 100 * S <= first_dark <= 160 * S  # two minutes of sun first
    assert "platform ai1 (" in result.stderr


def test_an_orbit_at_600_km_and_30_degrees() -> None:
    _, name, rows = power_rows(Scenario.load("ai1-eclipse"), duration_ns=5790 * S, step_ns=60 * S)
    found = list(rows)
    assert name == "sat-0-0"
    dark = np.mean([row.sunlit_ratio == 0 for row in found])
    assert dark == pytest.approx(0.36, abs=0.02)
    assert min(row.battery_j for row in found) > 0.83 * 72e6  # the bus alone, for 35 minutes
    hottest = max(row.temperature_k for row in found)
    assert 325 < hottest < 343
    held = [row.peak_held_ns for row in found if row.sunlit_ratio == 1]
    assert all(each is not None and 300 * S < each < 2400 * S for each in held)


def test_its_rows_are_what_the_epochs_of_a_run_carry() -> None:
    scenario = Scenario.load("ai1-eclipse")
    epochs = Geometry(scenario).epochs(0, 10 * S)
    _, _, rows = power_rows(scenario, "sat-3-5", step_ns=10 * S, duration_ns=200 * S)
    k = 3 * 12 + 5
    for row in rows:
        platforms = next(epochs).platforms
        assert platforms is not None
        assert platforms.temperature_k[k] == np.float32(row.temperature_k)
        assert platforms.battery_j[k] == np.float32(row.battery_j)
        assert platforms.capacity_ratio[k] == np.float32(row.capacity_ratio)


def test_a_table_for_people_and_what_is_refused() -> None:
    run = CliRunner().invoke
    shown = run(
        app, ["power", "ai1-eclipse", "--satellite", "sat-7-11", "--demand", "150kW", "--step", "60s"]
    )
    assert shown.exit_code == 0
    assert re.search(r"t_s +sunlit % +battery %", shown.stdout)
    assert "150.0" in shown.stdout
    for arguments, said in (
        (["ai1-eclipse", "--satellite", "sat-9-0"], "there is no satellite 'sat-9-0': did you mean"),
        (["ai1-eclipse", "--demand", "150"], "--demand: '150' has no unit"),
        (["pocket"], r"pocket\.toml.*the scenario has no platform: add \[platform\]"),
        (["ai1-eclipse", "--step", "1us"], "makes more than 1,000,000 rows"),
    ):
        result = run(app, ["power", *arguments])
        assert result.exit_code == 2
        assert re.search(said, " ".join(result.stderr.split()))
