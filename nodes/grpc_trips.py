"""One round trip by gRPC to another node's process, as a Sample.  Apart from UDP's, which needs no gRPC."""

from __future__ import annotations

import time

import grpc.aio

from orbitmesh.probe.v1 import probe_pb2
from orbitmesh.wire.spec import Sample

from .channels import PeerChannel
from .round_trips import Trip

ECHO_PAYLOAD = bytes(64)


async def grpc_echo(trip: Trip, channel: PeerChannel) -> Sample:
    sent_ns = time.monotonic_ns()
    request = probe_pb2.EchoRequest(payload=ECHO_PAYLOAD, sent_mono_ns=sent_ns)
    try:
        answer = await channel.probe.Echo(request, timeout=trip.timeout_s)
    except grpc.aio.AioRpcError as error:
        return trip.lost("grpc", sent_ns, error.code().name)
    done_ns = time.monotonic_ns()
    return Sample(
        kind="grpc", src=trip.src, dst=trip.dst, seq=trip.seq,
        sent_mono_ns=sent_ns, done_mono_ns=done_ns, measured_ns=done_ns - sent_ns,
        forward_ns=answer.server_received_mono_ns - sent_ns,
        backward_ns=done_ns - answer.server_sent_mono_ns,
        bytes_up=request.ByteSize(), bytes_down=answer.ByteSize(),
    )  # fmt: skip
