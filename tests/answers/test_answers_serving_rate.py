"""What is told to whoever plans: the rate of a closed loop is what its own times say."""

from __future__ import annotations

from itertools import pairwise

import pytest

from orbitmesh.emulator.answers.serving_rate import serving_rate
from orbitmesh.emulator.presets.serving import accelerator, model
from orbitmesh.wire.serving import Deployment

ON = Deployment(model("llama-3.1-8b"), accelerator("h100"), weight_bits=8, kv_bits=8)


@pytest.mark.parametrize("requests", [1, 8, 64])
def test_the_rate_is_littles(requests: int) -> None:
    """Each client has an answer of 200 tokens in the time of its first and 199 others."""
    made = serving_rate(ON, requests, 1000, 200)
    cycle_s = (made.first_token_ns + 199 * made.time_per_token_ns) / 1e9
    assert made.tokens_per_s == pytest.approx(requests * 200 / cycle_s, rel=0.05)


def test_more_at_once_are_more_tokens_and_each_is_slower() -> None:
    made = [serving_rate(ON, requests, 1000, 200) for requests in (1, 4, 16, 64)]
    for few, many in pairwise(made):
        assert few.tokens_per_s < many.tokens_per_s
        assert few.time_per_token_ns < many.time_per_token_ns
