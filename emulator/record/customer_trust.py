"""What speaks for and against a class's verdict: this machine's own part, and what light forbids.  Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..answers.parts import PARTS, Parts
from ..answers.targets import Target, below_light

#: This machine's part of a first token may be so many times what is known of it, and holds gRPC on both
#: sides, which no calibration has: so much is never a reason, nor is a tenth of what was measured.
EXPLAINED_TIMES = 10
LEAST_NS = 20_000_000
LEAST_RATIO = 0.1


def host_part(answered: pa.Table, first: Parts, budget: Mapping[str, Any] | None) -> dict[str, Any]:
    """Of the time to the first token; ``calibrated_p99_ns``: the links' error there and back, where known."""
    if not len(answered):
        return {}
    host = first.parts_ns[:, PARTS.index("host")]
    p50, p99 = (float(np.quantile(host, q)) for q in (0.5, 0.99))
    late_ns = float(np.median(answered["node_late_p50_ns"].fill_null(0).to_numpy()))
    calibrated_ns = None
    if budget is not None and "first_p99_ns" in budget:
        hops = float(np.median(pc.count_substring(answered["path"].fill_null(""), ">").to_numpy()))
        calibrated_ns = 2 * (budget["first_p99_ns"] + max(hops - 1, 0) * budget["per_hop_ns"])
    bound_ns = max(
        EXPLAINED_TIMES * ((calibrated_ns or 0) + late_ns),
        LEAST_NS,
        LEAST_RATIO * float(np.median(first.measured_ns)),
    )
    return {
        "host": {
            "ttft_p50_ns": round(p50),
            "ttft_p99_ns": round(p99),
            "calibrated_p99_ns": None if calibrated_ns is None else round(calibrated_ns),
            "node_late_p50_ns": round(late_ns),
            "sound": p50 <= bound_ns,
        }
    }


def forbidden(asked: pa.Table, target: Target | None) -> dict[str, Any]:
    """The bounds below every round trip that its requests had, and by how much."""
    round_trips_ns = asked["propagation_ns"].drop_null().to_numpy()
    if target is None or not len(round_trips_ns):
        return {}
    least_ns = int(round_trips_ns.min())
    return {"light": {"least_round_trip_ns": least_ns, "below_ns": below_light(target, least_ns)}}
