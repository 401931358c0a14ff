"""What accelerators draw while they compute."""

from __future__ import annotations

import math

from orbitmesh.wire.serving import ServingSpec


def power_w(spec: ServingSpec, capacity_ratio: float) -> float:
    """Of one replica, while it computes at a share of its speed; 0: at rest.

    rate = ((P - P_idle) / (P_max - P_idle))^g, with the platform's g.
    """
    on = spec.deployment
    card = on.accelerator
    above_w = (card.power_w - card.idle_power_w) * math.pow(capacity_ratio, 1 / spec.power_exponent)
    return on.tensor_parallel * (card.idle_power_w + above_w)
