"""What accelerators draw while they compute."""

from __future__ import annotations

import math

from orbitmesh.wire.serving import Deployment

# rate = ((P - P_idle) / (P_max - P_idle))^g with g of 0.6 to 0.8: calibrated to frequency and power curves
RATE_EXPONENT = 0.7


def power_w(on: Deployment, capacity_ratio: float) -> float:
    """Of all of a deployment, while it computes at a share of its speed."""
    card = on.accelerator
    above_w = (card.power_w - card.idle_power_w) * math.pow(capacity_ratio, 1 / RATE_EXPONENT)
    return on.tensor_parallel * (card.idle_power_w + above_w)
