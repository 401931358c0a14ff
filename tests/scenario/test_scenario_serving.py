"""[serving] of a scenario: what is refused, by file, line and key; and what a node is told."""

from __future__ import annotations

import re

import pytest

from orbitmesh.emulator.errors import ScenarioError
from orbitmesh.emulator.presets import presets
from orbitmesh.emulator.presets.serving import accelerators, models
from orbitmesh.emulator.scenario.scenario import loads
from orbitmesh.emulator.scenario.serving import serving_cautions, serving_spec
from orbitmesh.wire.serving import Deployment
from orbitmesh.wire.spec import NodeSpec

GOOD = """name = "served"
[constellation]
shells = [{ code = "D:1400:60:24/4/1" }]
[[ground.stations]]
name = "london"
latitude = "51.5 deg"
longitude = "-0.1 deg"
min-elevation = "5 deg"
[compute]
satellites = 4
[run]
start = 2026-11-01T00:00:00Z
[serving]
model = "llama-3.1-70b"
accelerator = "h100"
tensor-parallel = 4
precision = "fp8"
"""


def test_what_a_node_is_told() -> None:
    serving = loads(GOOD).serving
    assert serving is not None
    spec = serving_spec(serving)
    on = spec.deployment
    assert (on.model.layers, on.accelerator.memory_bytes_per_s) == (80, 3.35e12)
    assert (on.tensor_parallel, on.weight_bits, on.kv_bits, on.engine) == (4, 8, 8, "vllm")
    node = NodeSpec("sat-0-0", "satellite", "10.0.0.1", 1, serving=spec)
    assert NodeSpec.from_json(node.to_json()) == node


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"llama-3.1-70b"', '"llama-3.1-71b"', r"14: serving\.model: 'llama-3.1-71b' is not a model preset"),
        ('"h100"', '"h10"', r"15: serving\.accelerator: 'h10' is not an accelerator preset|is not a"),
        (
            'tensor-parallel = 4\nprecision = "fp8"',
            "",
            r"13: serving: llama-3.1-70b with 16-bit weights needs 141,[\d,]{11} bytes, and h100 has "
            r"75,[\d,]{11} for it: tensor-parallel 2 would fit; 8-bit or 4-bit weights need less",
        ),
        ("tensor-parallel = 4", "tensor-parallel = 5", "tensor parallel 5: give one of 1, 2, 4"),
        ('"fp8"', '"fp6"', r"17: serving\.precision"),
        ('"fp8"', '"fp8"\nstep-tokens = 100', r"18: serving\.step-tokens: 100 tokens a step do not give"),
        (
            '"h100"\ntensor-parallel = 4',
            '"gb300"\nreplicas = 20\ntensor-parallel = 4',
            r"16: serving\.replicas: 20 replicas on 4 .* are 80, and the gb300 is a rack of 72: write "
            "at most 18",
        ),
        ("satellites = 4", "satellites = 0", "no satellite runs a node process that could serve"),
        ("model =", "modle =", "unknown key 'modle': did you mean 'model'"),
    ],
)
def test_what_is_refused(old: str, new: str, said: str) -> None:
    assert old in GOOD
    with pytest.raises(ScenarioError) as caught:
        loads(GOOD.replace(old, new))
    assert re.search(said, str(caught.value)), str(caught.value)


def test_the_presets_are_models_and_accelerators_that_work_together() -> None:
    assert {"llama-3.1-8b", "llama-3.1-70b", "llama-3.1-405b", "mixtral-8x7b"} <= set(models())
    assert {"h100", "h200", "b200", "gb300", "rtx-pro-6000"} <= set(accelerators())
    for model in models().values():
        assert Deployment(model, accelerators()["gb300"], 8, 8, 8).kv_blocks > 0
    assert accelerators()["gb300"].count == 72
    assert accelerators()["gb300"].memory_bytes == int(277.5 * 2**30)


def test_what_was_measured_nowhere_is_labelled() -> None:
    for name, model in models().items():
        assert ("extrapolated" in presets("model")[name].note) >= model.extrapolated
    for name in ("gb300", "a100"):
        assert "extrapolated" in presets("accelerator")[name].note


def test_a_run_warns_of_what_was_measured_nowhere() -> None:
    def warned(text: str) -> list[str]:
        serving = loads(text).serving
        assert serving is not None
        return serving_cautions(serving)

    assert warned(GOOD) == []
    (of_experts,) = warned(GOOD.replace("llama-3.1-70b", "mixtral-8x7b"))
    assert of_experts.startswith("the latencies of mixtral-8x7b are extrapolated: A mixture of experts")
    assert len(warned(GOOD.replace("llama-3.1-70b", "llama-3.1-405b").replace("h100", "gb300"))) == 2


def test_targets_of_mlperf() -> None:
    targets = presets("target")
    assert targets["mlperf-llama3.1-405b-interactive"].value("per-token-p99", "ms") == 80
    assert targets["mlperf-llama2-70b-server"].value("first-token-p99", "s") == 2
    assert targets["mlperf-resnet50-server"].value("answer-p99", "ms") == 15
    assert len(targets) == 13
