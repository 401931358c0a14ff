"""The time of one step of a served model, from what its hardware and its engine do.

The terms are those of the published formula (``published``): weights and KV cache through the memory,
arithmetic of prompts, all-reduces, launches per layer, work per request.  Where that one weights each
term by what its authors' H100 taught it, here each is divided by an efficiency or multiplied by a time
that has a physical meaning, and arithmetic hides behind the reading of weights (a roofline): a chunk of
a prompt is nearly free in a step that has to read all weights anyway.

``CALIBRATED`` holds one value for all models and accelerators; it was fitted, all rows together, to the
measured rows and the replay in ``tests/data`` (docs/serving.md has the errors, and those of each group
left out of the fit).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from orbitmesh.wire.serving import EMBEDDING_BYTES, SCALED_4_BIT_BYTES, Deployment


@dataclass(frozen=True)
class EngineCost:
    """What differs from engine to engine."""

    kv_ratio: float  # of the memory's rate that its attention reads the KV cache at
    request_s: float  # a step, for each request in it: scheduling, sampling, detokenising


@dataclass(frozen=True)
class Calibration:
    """Ratios of the published peaks, and seconds."""

    weights_ratio: float  # of the memory's rate that weights are read at
    arithmetic_ratio: float  # of the peak that large products reach
    attention_ratio: float  # of the 16-bit peak that attention over a prompt reaches
    peer_ratio: float  # of the rate between accelerators that an all-reduce reaches
    layer_s: float  # a layer: kernels that are launched, normalisation, what does not grow
    layer_4bit_s: float  # a layer more with 4-bit weights: activations are quantised on the way
    all_reduce_s: float  # an all-reduce, for each doubling of the accelerators
    parallel_request_s: float  # a request, for each doubling: what is told to every accelerator's process
    engines: dict[str, EngineCost]


CALIBRATED = Calibration(
    weights_ratio=0.795,
    arithmetic_ratio=0.755,
    attention_ratio=0.381,
    peer_ratio=0.654,
    layer_s=47.4e-6,
    layer_4bit_s=14.9e-6,
    all_reduce_s=1.15e-6,
    parallel_request_s=6.15e-6,
    engines={
        "vllm": EngineCost(kv_ratio=0.892, request_s=53.5e-6),
        "trtllm": EngineCost(kv_ratio=0.867, request_s=17.2e-6),
        "sglang": EngineCost(kv_ratio=0.380, request_s=15.6e-6),
    },
)


def weights_s(on: Deployment, by: Calibration, tokens: int) -> float:
    """Every weight that some token of the step needs is read once; of experts, those that any token takes."""
    m, tp = on.model, on.tensor_parallel
    each = SCALED_4_BIT_BYTES if on.weight_bits == 4 else on.weight_bits / 8
    experts = experts_read(m.experts, m.experts_active, tokens)
    linear = (m.attention_weights + experts * m.expert_weights) * each
    read = linear + m.embedding_weights * EMBEDDING_BYTES
    return read / tp / on.accelerator.memory_bytes_per_s / by.weights_ratio


def experts_read(experts: int, active: int, tokens: int) -> float:
    """Expected number of different experts that so many tokens take, each its own at random."""
    return experts * (1.0 - (1.0 - active / experts) ** tokens) if experts > active else float(experts)


def arithmetic_s_per_token(on: Deployment, by: Calibration) -> float:
    """Two FLOPs a weight."""
    m = on.model
    flops = 2 * (m.attention_weights + m.experts_active * m.expert_weights)
    return flops / on.tensor_parallel / on.accelerator.flops_per_s(on.weight_bits) / by.arithmetic_ratio


def attention_s_per_pair(on: Deployment, by: Calibration) -> float:
    """Scores and sums for a token of a prompt and one before it, in 16 bits whatever the weights have."""
    m = on.model
    flops = 4 * m.layers * m.heads / on.tensor_parallel * m.head_width
    return flops / on.accelerator.flops_per_s_16bit / by.attention_ratio


def kv_s_per_token(on: Deployment, by: Calibration) -> float:
    """Keys and values of one token of context, read once a step; a head cannot be split."""
    m = on.model
    heads = max(m.kv_heads / on.tensor_parallel, 1.0)
    read = m.layers * 2 * heads * m.head_width * on.kv_bits / 8
    return read / on.accelerator.memory_bytes_per_s / by.engines[on.engine].kv_ratio


def all_reduce_s_per_token(on: Deployment, by: Calibration) -> float:
    """Two a layer, of 16-bit activations: a ring moves 2 (n-1)/n of them (Patarasuk and Yuan, 2009)."""
    tp, m = on.tensor_parallel, on.model
    moved = 2 * m.layers * m.width * 2 * 2 * (tp - 1) / tp
    return moved / on.accelerator.peer_bytes_per_s / by.peer_ratio


def fixed_s(on: Deployment, by: Calibration) -> float:
    """What a step takes however little it does."""
    layer = by.layer_s + (by.layer_4bit_s if on.weight_bits == 4 else 0.0)
    return on.model.layers * (layer + 2 * by.all_reduce_s * math.log2(on.tensor_parallel))


def request_s(on: Deployment, by: Calibration) -> float:
    return by.engines[on.engine].request_s + by.parallel_request_s * math.log2(on.tensor_parallel)


class StepTime:
    """The sum, for the batcher."""

    def __init__(self, on: Deployment, by: Calibration = CALIBRATED) -> None:
        self._on, self._by = on, by
        ns = 1e9
        self._fixed_ns = fixed_s(on, by) * ns
        # of experts it depends on the tokens; of a dense model it does not
        self._weights_ns = weights_s(on, by, 1) * ns if on.model.experts == 1 else None
        self._token_ns = arithmetic_s_per_token(on, by) * ns
        self._pair_ns = attention_s_per_pair(on, by) * ns
        self._kv_ns = kv_s_per_token(on, by) * ns
        self._reduce_ns = all_reduce_s_per_token(on, by) * ns
        self._request_ns = request_s(on, by) * ns

    def ns(self, prefill_tokens: int, pairs: float, decodes: int, context_tokens: int) -> int:
        tokens = prefill_tokens + decodes
        weights_ns = self._weights_ns
        if weights_ns is None:
            weights_ns = weights_s(self._on, self._by, tokens) * 1e9
        return round(
            max(weights_ns, self._token_ns * tokens)
            + self._fixed_ns
            + self._pair_ns * pairs
            + self._kv_ns * (context_tokens + decodes)
            + self._reduce_ns * tokens
            + self._request_ns * decodes
        )
