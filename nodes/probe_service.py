"""orbitmesh.probe.v1.ProbeService of every node."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

from orbitmesh.probe.v1 import probe_pb2, probe_pb2_grpc
from orbitmesh.wire.limits import MAX_ECHO_BYTES

from .refusal import refuse_argument
from .statistics import Statistics

_KINDS = {
    "udp": probe_pb2.MEASUREMENT_KIND_UDP,
    "grpc": probe_pb2.MEASUREMENT_KIND_GRPC,
    "task": probe_pb2.MEASUREMENT_KIND_TASK,
}


class ProbeService(probe_pb2_grpc.ProbeServiceServicer):
    def __init__(self, node: str, statistics: Statistics) -> None:
        self._node = node
        self._statistics = statistics

    async def Echo(self, request: Any, context: Any) -> Any:  # noqa: N802 - as the .proto names it
        received_mono_ns = time.monotonic_ns()
        if len(request.payload) > MAX_ECHO_BYTES:
            reason = f"{len(request.payload)} bytes are more than {MAX_ECHO_BYTES}"
            await refuse_argument(context, "payload", reason)
        return probe_pb2.EchoResponse(
            payload=request.payload,
            sent_mono_ns=request.sent_mono_ns,
            server_received_mono_ns=received_mono_ns,
            server_sent_mono_ns=time.monotonic_ns(),
        )

    async def GetStatistics(self, request: Any, context: Any) -> Any:  # noqa: N802
        return probe_pb2.GetStatisticsResponse(
            node=self._node,
            statistics=[
                probe_pb2.PeerStatistics(**{**asdict(summary), "kind": _KINDS[summary.kind]})
                for summary in self._statistics.summaries(request.peer)
            ],
        )
