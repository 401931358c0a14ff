"""What is told to whoever plans: the rate of a closed loop is what its own times say."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from itertools import pairwise

import pytest

from orbitmesh.emulator.presets.serving import accelerator, model
from orbitmesh.nodes.serving.rate import rate
from orbitmesh.wire.serving import Deployment

ON = Deployment(model("llama-3.1-8b"), accelerator("h100"), weight_bits=8, kv_bits=8)


def asked(clients: int, prompt: int = 1000, output: int = 200) -> dict[str, object]:
    return {
        "deployment": asdict(ON),
        "clients": clients,
        "prompt_tokens": prompt,
        "output_tokens": output,
    }


@pytest.mark.parametrize("clients", [1, 8, 64])
def test_the_rate_is_littles(clients: int) -> None:
    """Each client has an answer of 200 tokens in the time of its first and 199 others."""
    made = rate(asked(clients))
    cycle_s = (made["first_token_ns"] + 199 * made["time_per_token_ns"]) / 1e9
    assert made["tokens_per_s"] == pytest.approx(clients * 200 / cycle_s, rel=0.05)


def test_more_at_once_are_more_tokens_and_each_is_slower() -> None:
    made = [rate(asked(clients)) for clients in (1, 4, 16, 64)]
    for few, many in pairwise(made):
        assert few["tokens_per_s"] < many["tokens_per_s"]
        assert few["time_per_token_ns"] < many["time_per_token_ns"]


def test_as_a_process_it_says_the_same() -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "orbitmesh.nodes.serving.rate"],
        input=json.dumps(asked(4)), capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout) == rate(asked(4))
