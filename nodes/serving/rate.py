"""What a group of accelerators serves at a steady concurrency: ``python -m orbitmesh.nodes.serving.rate``.

JSON on stdin (a deployment, clients, tokens of a prompt and of an answer), JSON on stdout.  For whoever plans
and must not know the model itself.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Any

from orbitmesh.wire.serving import Accelerator, Deployment, Model

from .batcher import Batcher, Limits
from .replay import steady
from .step_time import StepTime


def rate(asked: dict[str, Any]) -> dict[str, Any]:
    raw = asked["deployment"]
    on = Deployment(
        **raw | {"model": Model(**raw["model"]), "accelerator": Accelerator(**raw["accelerator"])}
    )
    limits = Limits(on.kv_blocks, on.step_tokens, asked["clients"], promise_answers=on.engine == "trtllm")
    made = steady(
        Batcher(StepTime(on), limits), asked["clients"], asked["prompt_tokens"], asked["output_tokens"]
    )
    return asdict(made)


if __name__ == "__main__":
    json.dump(rate(json.load(sys.stdin)), sys.stdout)
