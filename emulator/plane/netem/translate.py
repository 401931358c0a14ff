"""What netem makes of a link's delay, rate and queue.  Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...arrays import Float64, Int64
from . import messages

#: of a link without a rate or with an unbounded queue: 600 MB of the kernel's memory
UNBOUNDED_PACKETS = 262_144
DELAY_QUANTUM_NS = 1_000


def longest_until_next_step_ns(
    delay_ns: Float64, slope_ns_per_s: Float64, since_t0_ns: Int64, step_ns: int
) -> Int64:
    """The longest delay from an instant until a step later, up to the next whole DELAY_QUANTUM_NS."""
    now_ns = delay_ns + slope_ns_per_s * (since_t0_ns / 1e9)
    longest_ns = np.maximum(now_ns + np.maximum(slope_ns_per_s, 0) * (step_ns / 1e9), 0)
    # a thousandth of a ns is arithmetic, not delay
    quanta: Int64 = np.ceil((longest_ns - 1e-3) / DELAY_QUANTUM_NS).astype(np.int64)
    return np.maximum(quanta, 0) * DELAY_QUANTUM_NS


def bytes_per_s(rate_bps: Int64) -> NDArray[np.uint64]:
    """netem's rate of links: whole bytes a second, at least one; an unlimited one is never waited for."""
    whole: NDArray[np.uint64] = np.maximum(rate_bps // 8, 1).astype(np.uint64)
    return np.where(rate_bps == 0, np.uint64(messages.UNLIMITED_BYTES_PER_S), whole)


def limit_packets(
    rate_bps: Int64, queue_bytes: Int64, latency_ns: Int64, mtu_bytes: Int64
) -> NDArray[np.uint32]:
    """netem's limit: the packets of ``mtu_bytes`` that wait and those that are in flight."""
    in_flight_bytes = rate_bps / 8 * (latency_ns / 1e9)
    packets = np.ceil(queue_bytes / mtu_bytes) + np.ceil(in_flight_bytes / mtu_bytes) + 1
    bounded = (rate_bps > 0) & (queue_bytes > 0)
    limit: NDArray[np.uint32] = np.where(
        bounded, np.minimum(packets, messages.MOST_PACKETS), UNBOUNDED_PACKETS
    ).astype(np.uint32)
    return limit
