"""What a group of accelerators serves at a steady concurrency.  Pure."""

from __future__ import annotations

from orbitmesh.nodes.serving.batcher import Batcher
from orbitmesh.nodes.serving.limits import Limits
from orbitmesh.nodes.serving.replay import Steady, steady
from orbitmesh.nodes.serving.step_time import StepTime
from orbitmesh.wire.serving import Deployment


def serving_rate(on: Deployment, requests: int, prompt_tokens: int, output_tokens: int) -> Steady:
    """``requests`` at once, each followed by the next; an answer has at least two tokens."""
    limits = Limits(on.kv_blocks, on.step_tokens, requests, promise_answers=on.engine == "trtllm")
    return steady(Batcher(StepTime(on), limits), requests, prompt_tokens, output_tokens)
