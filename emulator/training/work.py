"""What a step of training computes, and the memory that it takes.  Pure.

Arithmetic: 6 operations a parameter and token (2 forward, 4 backward: J. Kaplan et al., arXiv 2001.08361,
section 2.1), of a mixture's experts those that take the token; attention over the sequence, some 8 % more
for a 70B model at 8,192 tokens, is left out.  ``utilisation`` is the share of the published dense peak that
training reaches: 0.38 to 0.43 for Llama 3 405B on 8,192 to 16,384 H100 in bf16 (A. Grattafiori et al., arXiv
2407.21783, table 4).

Memory: 16 bytes a parameter (weights and gradients in bf16, weights and two moments of Adam in fp32: S.
Rajbhandari et al., arXiv 1910.02054, section 3.1), spread over the accelerators of a satellite; activations
are to fit in what is left.
"""

from __future__ import annotations

from orbitmesh.wire.serving import Accelerator, Model

FLOPS_PER_PARAMETER = 6
STATE_BYTES_PER_PARAMETER = 16
GRADIENT_BYTES = {"bf16": 2, "fp32": 4}


def parameters(model: Model) -> int:
    linear = model.attention_weights + model.experts * model.expert_weights
    return linear + 2 * model.embedding_weights


def active_parameters(model: Model) -> int:
    """Those that a token is multiplied with."""
    linear = model.attention_weights + model.experts_active * model.expert_weights
    return linear + model.embedding_weights


def state_bytes(model: Model) -> int:
    return STATE_BYTES_PER_PARAMETER * parameters(model)


def compute_ns(
    model: Model, accelerator: Accelerator, accelerators: int, tokens: int, utilisation: float
) -> int:
    """Of one satellite's share of a step, at full speed."""
    flops_per_s = accelerators * accelerator.flops_per_s_16bit * utilisation
    return round(1e9 * FLOPS_PER_PARAMETER * active_parameters(model) * tokens / flops_per_s)
