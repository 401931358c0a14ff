"""One round trip to another node's process, as a Sample: also one without an answer.  gRPC's: grpc_trips."""

from __future__ import annotations

import errno
import time
from dataclasses import dataclass

from orbitmesh.wire.spec import Sample

from .udp_echo import DATAGRAM_BYTES, UdpEchoClient


@dataclass(frozen=True)
class Trip:
    """Between whom, which of them, and for how long an answer is waited for."""

    src: str
    dst: str
    seq: int
    timeout_s: float

    def lost(self, kind: str, sent_mono_ns: int, why: str) -> Sample:
        done_ns = time.monotonic_ns()
        return Sample(
            kind, self.src, self.dst, self.seq, sent_mono_ns, done_ns, done_ns - sent_mono_ns,
            ok=False, error=why,
        )  # fmt: skip


async def udp(trip: Trip, client: UdpEchoClient, address: str) -> Sample:
    asked_ns = time.monotonic_ns()
    try:
        times = await client.ask(address, trip.timeout_s)
    except OSError as error:  # also TimeoutError
        return trip.lost("udp", asked_ns, _why(error))
    return Sample(
        kind="udp", src=trip.src, dst=trip.dst, seq=trip.seq,
        sent_mono_ns=times.sent_mono_ns, done_mono_ns=times.done_mono_ns,
        measured_ns=times.done_mono_ns - times.sent_mono_ns,
        forward_ns=times.server_received_mono_ns - times.sent_mono_ns,
        backward_ns=times.done_mono_ns - times.server_sent_mono_ns,
        bytes_up=DATAGRAM_BYTES, bytes_down=DATAGRAM_BYTES,
    )  # fmt: skip


def _why(error: OSError) -> str:
    return "timeout" if isinstance(error, TimeoutError) else errno.errorcode.get(error.errno or 0, str(error))
