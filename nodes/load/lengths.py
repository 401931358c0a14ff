"""How long prompts and answers are."""

from __future__ import annotations

import math

import numpy as np

from orbitmesh.wire.load import Lengths

_Z95 = 1.6448536269514722  # the standard normal's 95th percentile


def draw_tokens(lengths: Lengths, random: np.random.Generator, count: int) -> np.ndarray:
    """Tokens of ``count`` prompts or answers, (count,) int64, each 1 to ``most_tokens``."""
    if lengths.kind == "fixed":
        return np.full(count, round(lengths.middle_tokens), np.int64)
    if lengths.kind == "exponential":
        drawn = random.exponential(lengths.middle_tokens / math.log(2), count)
    else:
        sigma = math.log(lengths.p95_tokens / lengths.middle_tokens) / _Z95
        drawn = lengths.middle_tokens * np.exp(sigma * random.standard_normal(count))
    return np.clip(np.rint(np.minimum(drawn, lengths.most_tokens)), 1, lengths.most_tokens).astype(np.int64)
