"""The script behind docs/serving.md: what the document says is what it prints."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from serving_cards import ACCELERATORS, MODELS

from orbitmesh.nodes.serving.batcher import Batcher
from orbitmesh.nodes.serving.limits import Limits
from orbitmesh.nodes.serving.replay import common_start
from orbitmesh.nodes.serving.step_time import StepTime
from orbitmesh.wire.serving import Deployment

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    path = ROOT / "docs/design/serving_errors.py"
    spec = importlib.util.spec_from_file_location("serving_errors", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["serving_errors"] = module
    spec.loader.exec_module(module)
    return module


def test_the_document_holds_what_the_script_prints_and_errors_are_small(
    script: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    """Median error of time per output token at most 15 %, over all rows and each large group: far below."""
    script.main([])
    printed = capsys.readouterr().out
    medians = {
        found[1].strip(): float(found[3])
        for found in re.finditer(r"^(\D*.*?)  +(\d+) +([\d.]+)% +[\d.]+% +[-+]", printed, re.MULTILINE)
    }
    assert printed.startswith("errors of time per output token, 229 rows")
    assert medians["all"] <= 6
    assert len(medians) == 16
    assert max(medians.values()) <= 10
    assert printed in (ROOT / "docs/serving.md").read_text(), (
        "run docs/design/serving_errors.py --write, and look at what has changed"
    )


def test_the_presets_are_those_that_the_tests_hold(script: ModuleType) -> None:
    known = script.cards()
    assert {name: known.models[name] for name in MODELS} == MODELS
    for name, card in ACCELERATORS.items():
        made = known.accelerators[name]
        for field in (
            "flops_per_s_16bit",
            "flops_per_s_8bit",
            "memory_bytes",
            "memory_bytes_per_s",
            "power_w",
        ):
            assert getattr(made, field) == pytest.approx(getattr(card, field)), (name, field)


def test_the_fit_finds_the_constants_that_made_its_rows(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script, "PULL", 1e-4)  # towards one's guesses, of which these rows know nothing
    known = script.cards()
    rows = [row for row in script.read(script.DATA / "llm_measured.csv") if row["output_tokens"] == "256"][:6]
    truth = script.logs_of(script.CALIBRATED)
    for row in rows:
        row["tpot_ms"] = str(script.time_per_token_ms(row, known, script.StepTime))
    replays = script.read(script.DATA / "vllm_requests.csv")[:5]

    def measure(logs: np.ndarray) -> np.ndarray:
        return script.residuals(known, rows, replays, "rtx-pro-6000", logs)

    slower = np.array([-1 if ratio else 1 for _, ratio in script.GUESSES.values()])
    guess = truth + 0.05 * slower
    errors = measure(guess)
    kept = np.array([True] * len(rows) + [False, False])
    found = script.solve(errors, script.slopes_at(measure, errors, guess), guess, kept)
    assert np.abs(errors[:-2]).max() > 0.03
    assert np.median(np.abs(measure(found)[:-2])) < 0.01  # one row or two hang on a bend of the roofline


def test_what_a_row_asks_of_its_card(script: ModuleType) -> None:
    known = script.cards()
    row = {
        "model": "llama-3.1-8b", "accelerator": "h200", "engine": "vllm", "precision": "fp8",
        "tensor_parallel": "1", "input_tokens": "4000", "output_tokens": "100", "concurrency": "32",
        "ttft_ms": "184.3", "tpot_ms": "11.67",
    }  # fmt: skip
    # 32 prompts every 1.35 s: 94,700 tokens/s of 14 GFLOP of 1,979 TFLOP/s, and their attention
    assert script.arithmetic_asked(row, known) == pytest.approx(0.77, abs=0.03)


def test_times_to_first_token_are_those_of_the_document(script: ModuleType) -> None:
    """Of the smallest group, which takes a second; all rows take half a minute."""
    known = script.cards()
    rows = [row for row in script.read(script.DATA / "llm_measured.csv") if row["engine"] == "sglang"]
    made = [script.first_token_ms(row, known)[script.ROUNDS_SHOWN] for row in rows]
    (line,) = (line for line in script.table(rows, made, "ttft_ms").splitlines() if "engine sglang" in line)
    document = (ROOT / "docs/serving.md").read_text()
    (first,) = script.FIRST_BLOCK.findall(document)
    assert line in first.splitlines(), "run docs/design/serving_errors.py --write"


def test_who_asks_at_once_waits_for_those_before() -> None:
    """Two prompts of a whole step's tokens each: the second client's first token comes two steps later."""
    on = Deployment(MODELS["llama-3.1-8b"], ACCELERATORS["h100"])
    times = StepTime(on)
    found = common_start(Batcher(times, Limits(on.kv_blocks, 1024, 128)), 2, 1024, 1, 3)
    one = times.ns(1024, 1024 * 1024 / 2, 0, 0)
    assert len(found) == 6
    assert found[:2] == pytest.approx([one, 2 * one], rel=0.05)
    assert found[2:] == pytest.approx([2 * one] * 4, rel=0.05)
