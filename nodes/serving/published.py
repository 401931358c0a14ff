"""The published step time: "trained physics" of the BLIS simulator (inference-sim, Apache-2.0, June 2026).

Its terms are times in µs that the hardware needs at its published peaks; its weights were learnt by its
authors on H100.  Kept as it was published: the golden values of that simulator are its tests.  What a
mesh takes is ``step_time``, which names the physical causes that this one folds into its weights.
"""

from __future__ import annotations

from orbitmesh.wire.serving import Deployment

_US = 1e6

WEIGHT_PREFILL = 0.152128
WEIGHT_KV = 1.947108
WEIGHT_WEIGHTS = 1.362529
WEIGHT_TENSOR_PARALLEL = 0.752037
LAYER_US = 32.09547
REQUEST_US = 4.416844
STEP_US = 126.0248
MOE_LAYER_US = 481.861

BEFORE_QUEUE_NS = 15_563_200  # of a request, before it queues
AT_END_NS = 777_300
TOKEN_NS = 45_910  # of each token that is sent out


def prefill_us(on: Deployment, tokens: float, pairs: float) -> float:
    """T_pf: FLOPs over the peak; ``pairs`` is the sum of n (s + n/2) over prompts, n new on top of s."""
    m, tp = on.model, on.tensor_parallel
    d, d_kv = m.width, m.kv_heads * m.head_width
    each = 2 * d * (2 * d + 2 * d_kv) + 6 * d * m.ff_width * m.experts_active
    attention = 4 * m.heads * m.head_width
    flops = m.layers * (each * tokens + attention * pairs) / tp
    return flops / on.accelerator.flops_per_s(on.weight_bits) * _US


def kv_us(on: Deployment, decodes: int, context_tokens: float) -> float:
    """T_kv: keys and values of all contexts, and of the tokens made, at two bytes."""
    m = on.model
    each = m.layers * 2 * m.kv_heads * m.head_width / on.tensor_parallel * 2
    return each * (context_tokens + decodes) / on.accelerator.memory_bytes_per_s * _US


def weights_us(on: Deployment) -> float:
    """T_w: all weights of the layers are read once a step."""
    m = on.model
    d, d_kv = m.width, m.kv_heads * m.head_width
    weights = m.layers * d * (2 * d + 2 * d_kv) + 3 * m.layers * d * m.ff_width * m.experts
    return weights * on.weight_bits / 8 / on.tensor_parallel / on.accelerator.memory_bytes_per_s * _US


def tensor_parallel_us(on: Deployment, tokens: int) -> float:
    """T_tp: two all-reduces a layer."""
    tp, m = on.tensor_parallel, on.model
    if tp == 1:
        return 0.0
    moved = 2 * m.layers * tokens * m.width * 2 * 2 * (tp - 1) / tp
    return moved / on.accelerator.memory_bytes_per_s * _US


class PublishedStepTime:
    """The sum, for the batcher."""

    def __init__(self, on: Deployment) -> None:
        self._on = on
        self._fixed_us = WEIGHT_WEIGHTS * weights_us(on) + LAYER_US * on.model.layers + STEP_US
        if on.model.experts > 1:
            self._fixed_us += MOE_LAYER_US * on.model.layers

    def ns(self, prefill_tokens: int, pairs: float, decodes: int, context_tokens: int) -> int:
        on = self._on
        us = (
            self._fixed_us
            + WEIGHT_PREFILL * prefill_us(on, prefill_tokens, pairs)
            + WEIGHT_KV * kv_us(on, decodes, context_tokens)
            + WEIGHT_TENSOR_PARALLEL * tensor_parallel_us(on, prefill_tokens + decodes)
            + REQUEST_US * decodes
        )
        return round(us * 1000)
