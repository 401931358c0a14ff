"""What is throttled is told by the phase in which it was."""

from __future__ import annotations

from orbitmesh.emulator.scenario.model import Serving
from orbitmesh.emulator.scenario.serving import serving_spec
from orbitmesh.nodes.serving.batcher import Batcher
from orbitmesh.nodes.serving.limits import Limits
from orbitmesh.nodes.serving.request import Request
from orbitmesh.nodes.serving.step_time import StepTime

ON = serving_spec(Serving(model="llama-3.1-8b", accelerator="h100")).deployment


def test_throttling_is_told_by_phase() -> None:
    batcher = Batcher(StepTime(ON), Limits(ON.kv_blocks, ON.step_tokens, 8))
    request = Request(100, 3, 0)
    batcher.admit(request)
    batcher.stood_still(5_000_000)
    now, modelled = 5_000_000, []
    for capacity in (0.5, 0.25, 1.0):  # its prompt, and two tokens
        step = batcher.step(now, capacity)
        assert step is not None
        modelled.append(step.modelled_ns)
        now = step.end_ns
    result = request.result
    assert result is not None
    assert result.throttled_queue_ns == result.queue_ns == 5_000_000
    assert abs(result.throttled_prefill_ns - modelled[0]) <= 1
    decode = result.throttled_ns - result.throttled_queue_ns - result.throttled_prefill_ns
    assert abs(decode - 3 * modelled[1]) <= 2
