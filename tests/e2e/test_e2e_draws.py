"""A satellite that serves hard warms up and drains its battery, and its idle neighbours do not."""

from __future__ import annotations

from pathlib import Path

import pytest
from e2e_lab import toy

from orbitmesh.emulator import Emulation
from orbitmesh.emulator.record.results import load_run

pytestmark = [pytest.mark.netns, pytest.mark.beside, pytest.mark.timeout(120)]

CARDS_IDLE_W, CARDS_MOST_W, PEAK_W = 72 * 160, 72 * 1400, 150e3


def test_what_accelerators_draw_is_their_satellites_load(tmp_path: Path) -> None:
    scenario = toy(
        # so light that seconds tell; in the dark that battery feeds all
        platform={
            "demand": "90 kW",
            "temperature": "250 K",
            "figures": {"heat-capacity": "20 kJ/K", "battery-capacity": "300 kWh", "array-output": "1 W/m2"},
            "charge": 1.0,
        },
        serving={
            "model": "llama-3.1-70b", "accelerator": "gb300", "tensor-parallel": 4, "replicas": 18,
            "precision": "fp8", "placement": "sticky",
        },
        run={"duration": "7 s", "step": "500 ms"},
    ).model_dump()  # fmt: skip
    # hardly any packets: its batches are full of requests of others
    scenario["customers"] = [
        {"name": "chat", "gateways": ["london"], "rate": 200.0, "one-in": 200, "output": {"median": 400.0}}
    ]
    scenario = type(toy()).model_validate(scenario)
    with Emulation(scenario, out=tmp_path / "run") as mesh:
        mesh.wait()
    results = load_run(tmp_path / "run")
    last: dict[str, dict[str, float]] = {}
    for row in results.platforms().to_pylist():
        if row["satellite"] is not None:
            last[row["satellite"]] = row
    assert len(last) == 8
    assert all(row["measured"] == 1 for row in last.values())
    load = results.summary["platform"]["load"]
    assert (load["by"], load["depends_on_host"], load["hosts"]) == ("measured", True, 8)
    assert 0.2 < load["measured_ratio"] < 1
    rest_w = (1 - CARDS_MOST_W / PEAK_W) * 90e3
    (busy, hard), *others = sorted(last.items(), key=lambda each: -each[1]["demand_w"])
    assert hard["demand_w"] == pytest.approx(rest_w + CARDS_MOST_W, rel=0.05)
    for _, idle in others:
        assert idle["demand_w"] == pytest.approx(rest_w + CARDS_IDLE_W, rel=1e-3)
        assert hard["temperature_k"] > idle["temperature_k"] + 3
        assert hard["battery_j"] < idle["battery_j"] - 2 * 80e3
    assert set(results.answers()["dst"].to_pylist()) == {busy}
