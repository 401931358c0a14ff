"""Customers over a link that is full, and over one that loses packets: the verdict names it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orbitmesh.emulator.plane.fabric.plane import FabricPlane
from orbitmesh.emulator.record.results import load_run
from orbitmesh.emulator.run.emulation import Emulation
from orbitmesh.emulator.scenario import loads

pytestmark = [pytest.mark.netns, pytest.mark.beside]

CUSTOMERS = """
[platform]
preset = "rack"

[serving]
model = "llama-3.1-8b"
accelerator = "h100"

[[customers]]
name = "chat"
gateways = ["london"]
rate = RATE
prompt = { median = 2000.0 }
output = { median = OUTPUT }
target = { ttft = "230 ms" }

[run]
"""


def judged(out: Path, rate: float, output: float, **changes: str) -> dict[str, Any]:
    text = (Path(__file__).parents[2] / "emulator/scenario/shipped/pocket.toml").read_text()
    text = text.replace("[run]\n", CUSTOMERS.replace("RATE", str(rate)).replace("OUTPUT", str(output)))
    for old, new in changes.values():
        assert old in text
        text = text.replace(old, new)
    with Emulation(loads(text), duration_ns=9 * 10**9, out=out, plane="fabric") as mesh:
        mesh.wait()
    (row,) = json.loads((out / "summary.json").read_text())["customers"]
    return dict(row)


def test_a_link_that_others_fill_is_the_cause_by_its_name(tmp_path: Path) -> None:
    # up 1.9 Mbit/s, of which a fifth is left: a prompt takes 35 ms, and is gone from the queue after 170
    row = judged(
        tmp_path / "run", 4.0, 3.0,
        scale=("rate-scale = 0.001", "rate-scale = 0.0001"),
        load=("[run]\n", "[background]\nground = 0.8\n\n[run]\n"),
    )  # fmt: skip
    links = row["causes"]["links"]
    assert links["requests"] > row["requests"] / 4
    assert max(row["causes"], key=lambda name: row["causes"][name]["requests"]) == "links"
    name, count = next(iter(links["by_link"].items()))
    assert name.startswith("gw-london>sat-"), links
    assert count >= links["requests"] / 2
    rows = load_run(tmp_path / "run").links()
    assert max(rows["waited_ns"].to_pylist()) > 50_000_000


def test_a_link_that_loses_packets_is_told_from_this_machine(tmp_path: Path) -> None:
    row = judged(tmp_path / "run", 6.0, 3.0, loss=("antennas = 2", "loss-ratio = 0.08\nantennas = 2"))
    causes = row["causes"]
    assert causes["lost"]["requests"] >= 3, causes
    assert causes["lost"]["requests"] > causes.get("host", {"requests": 0})["requests"], causes


def shared(out: Path, one_in: int) -> tuple[dict[str, Any], float, float]:
    """What customers got; and bit/s that links carried as packets, and took as load without packets."""
    text = (Path(__file__).parents[2] / "emulator/scenario/shipped/pocket.toml").read_text()
    customers = CUSTOMERS.replace("RATE", "16.0").replace("OUTPUT", "40.0").replace("2000.0", "400.0")
    customers = customers.replace('"h100"', '"h100"\nmessage-tokens = 2')
    customers = customers.replace("[run]", "").replace("rate =", f"one-in = {one_in}\nrate =")
    text = text.replace("[run]\n", customers + "[run]\n").replace(
        "rate-scale = 0.001", "rate-scale = 0.00005"
    )
    silent = []
    with Emulation(loads(text), duration_ns=10 * 10**9, out=out, plane="fabric") as mesh:
        plane = mesh.plane
        assert isinstance(plane, FabricPlane)
        mesh.wait(2 * 10**9)
        before = int(plane.table.counters["bytes_in"].sum())
        for _ in range(7):
            mesh.wait(10**9)
            rates_bps = plane.table.banks[plane.table.published % 2].pipes["rate_bps"]
            silent.append(float((plane.table.background * rates_bps).sum()))
        packets = (int(plane.table.counters["bytes_in"].sum()) - before) * 8 / 7
    (row,) = json.loads((out / "summary.json").read_text())["customers"]
    return row, packets, float(np.mean(silent))


def test_one_in_ten_sees_what_all_see_over_a_link_that_they_load(tmp_path: Path) -> None:
    """Half of the rate down to the gateway is their tokens'; the nine without packets take as much."""
    every, all_bps, none_bps = shared(tmp_path / "all", 1)
    tenth, few_bps, silent_bps = shared(tmp_path / "tenth", 10)
    assert none_bps == 0
    assert every["requests"] > 5 * tenth["requests"]
    # 7 to 8 % more in two runs: the more come at once, the fewer acknowledgements
    assert silent_bps == pytest.approx(all_bps - few_bps, rel=0.12), (silent_bps, few_bps, all_bps)
    for metric in ("ttft_ns", "answer_ns"):
        one, ten = (row[metric]["p50"]["value"] for row in (every, tenth))
        assert ten == pytest.approx(one, rel=0.15), metric
