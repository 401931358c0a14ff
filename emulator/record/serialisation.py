"""How long bytes take to be put on the wire along a path.  Pure; a lower figure, and says what it leaves out.

Counted at the IP layer, which is where the link backends charge a packet:
headers of IP (20 bytes) and UDP (8), or of IP and TCP with timestamps (20 + 32)
for each full segment of 1,448 bytes.  Left out: HTTP/2 and gRPC framing,
acknowledgements, and whatever waits in the queues ahead.

A message is a train of packets: its first packet is stored and forwarded at
every hop, and the rest follows at the pace of the narrowest one::

    sum over hops (8 first / rate)  +  8 (total - first) / narrowest rate
"""

from __future__ import annotations

from ..epoch import NS_PER_S, Int64

UDP_HEADER_BYTES = 20 + 8
TCP_HEADER_BYTES = 20 + 32
TCP_SEGMENT_BYTES = 1448


def packets_bytes(kind: str, payload_bytes: int) -> tuple[int, int]:
    """(first packet, all packets) of a message in bytes at the IP layer; a "udp" message is one packet."""
    if kind == "udp":
        return (payload_bytes + UDP_HEADER_BYTES,) * 2
    segments = max(1, -(-payload_bytes // TCP_SEGMENT_BYTES))
    first = min(payload_bytes, TCP_SEGMENT_BYTES) + TCP_HEADER_BYTES
    return first, payload_bytes + segments * TCP_HEADER_BYTES


def serialisation_ns(first_bytes: int, total_bytes: int, rates_bps: Int64) -> float:
    """By the formula above; ``rates_bps`` is (hops,), emulated, 0 = unlimited (which costs no time)."""
    rates = rates_bps[rates_bps > 0]
    if len(rates) == 0:
        return 0.0
    first = (8.0 * NS_PER_S * first_bytes / rates).sum()
    return float(first + 8.0 * NS_PER_S * (total_bytes - first_bytes) / rates.min())
