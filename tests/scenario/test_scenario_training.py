"""Training in a scenario: what it becomes, and what is refused, by key and in words."""

from __future__ import annotations

import pytest

from orbitmesh.emulator.errors import ScenarioError
from orbitmesh.emulator.scenario import Scenario, load, loads
from orbitmesh.emulator.scenario.training import described, plan, training_specs

BASE = """name = "flock"
[constellation]
shells = [{ formation = { altitude = "650 km", raan = "306 deg" } }]
[lasers]
terminals = 8
terminal = "dwdm-shown"
[compute.probes]
kinds = []
[run]
start = 2026-11-01T00:00:00Z
duration = "60 s"
rate-scale = 1e-6
[training]
"""
GOOD = {
    "model": '"llama-3.1-8b"', "accelerator": '"h100"', "accelerators": "8", "tokens": "10_000",
}  # fmt: skip


def text(**changes: str) -> str:
    keys = GOOD | {key.replace("_", "-"): value for key, value in changes.items()}
    return BASE + "".join(f"{key} = {value}\n" for key, value in keys.items())


def test_what_is_planned_follows_from_model_and_scale() -> None:
    scenario = loads(text())
    assert scenario.training is not None
    planned = plan(scenario.training, 81, 1e-6)
    assert planned.gradient_bytes == pytest.approx(16.06e9, rel=0.001)
    assert planned.emulated_bytes % (4 * 81) == 0
    assert planned.emulated_bytes == pytest.approx(16_060, abs=4 * 81)
    assert planned.sent_bytes == pytest.approx(2 * 80 / 81 * 16.06e9, rel=0.001)
    specs = training_specs(scenario.training, ["a", "b", "c"], dict.fromkeys("abc", "10.0.0.1"), 1e-6)
    assert [(specs[name].place, specs[name].next_name) for name in "abc"] == [(0, "b"), (1, "c"), (2, "a")]
    told = described(scenario, [f"sat-0-{k}" for k in range(81)])
    assert told is not None
    assert told["message_bytes"] == planned.emulated_bytes // 81 + 8 + 52
    assert Scenario.model_validate(scenario.model_dump(mode="json")).training == scenario.training


def test_own_bytes_and_precision() -> None:
    scenario = loads(text(gradient='"1 GB"'))
    assert scenario.training is not None
    assert plan(scenario.training, 10, 1.0).gradient_bytes == 10**9
    wide = loads(text(precision='"fp32"'))
    assert wide.training is not None
    assert plan(wide.training, 10, 1.0).gradient_bytes == pytest.approx(32.1e9, rel=0.001)


@pytest.mark.parametrize(
    ("changes", "key", "said"),
    [
        ({"model": '"llama-9"'}, "training.model", "llama-9"),
        ({"accelerator": '"h1000"'}, "training.accelerator", "h1000"),
        (
            {"accelerators": "1"},
            "training.accelerators",
            r"128 GB on each satellite \(16 bytes a parameter\), and 1 × h100 have 86 GB: write at least 2",
        ),
        ({"group": '["sat-0-1"]'}, "training.group", "1 satellites are in the group: a ring has 2 to 500"),
        ({"group": '["sat-0-1", "sat-0-1"]'}, "training.group[1]", "named twice"),
        ({"group": '["sat-0-1", "sat-0-99"]'}, "training.group[1]", "slots of plane 0 are numbered 0 to 80"),
        (
            {"tokens": "10_000_000"},
            "training.tokens",
            "s of it computing, and the run 60 s: no step would end",
        ),
        ({"gradient": '"4000 GB"'}, "training.tokens", "a step takes 79.* s at least"),
        ({"gradient": '"10 MB"'}, "training.gradient", "less than a number of its 0.01 GB is left"),
        ({"overlap": "1.5"}, "training.overlap", "at most 1"),
        ({"tokens": "0"}, "training.tokens", "at least 1"),
        ({"utilisation": "1e-308"}, "training.utilisation", "at least 1e-06"),
    ],
)
def test_what_makes_no_sense_is_refused(changes: dict[str, str], key: str, said: str) -> None:
    with pytest.raises(ScenarioError, match=said) as caught:
        loads(text(**changes))
    assert caught.value.key == key


def test_a_group_without_lasers_and_a_gradient_too_large_for_the_processes() -> None:
    with pytest.raises(ScenarioError, match="there are no lasers between its satellites"):
        loads(text().replace("[lasers]", '[lasers]\npattern = "none"'))
    with pytest.raises(ScenarioError, match=r"MB are the most: write a run.rate-scale of 0.004 or less"):
        loads(text().replace("rate-scale = 1e-6", "rate-scale = 0.1"))


def test_the_shipped_cluster_is_what_its_file_says() -> None:
    scenario = load("train-cluster")
    assert scenario.training is not None
    planned = plan(scenario.training, 81, scenario.run.rate_scale)
    assert planned.gradient_bytes == pytest.approx(141.1e9, rel=0.001)
    assert planned.emulated_bytes == pytest.approx(353_000, rel=0.01)
    assert planned.compute_ns == pytest.approx(3.8e9, rel=0.01)
