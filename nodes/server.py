"""The gRPC server of a node: its services, health, and reflection."""

from __future__ import annotations

from typing import Any

import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from orbitmesh.compute.v1 import compute_pb2
from orbitmesh.probe.v1 import probe_pb2
from orbitmesh.serving.v1 import serving_pb2
from orbitmesh.wire.limits import MAX_MESSAGE_BYTES
from orbitmesh.wire.spec import GRPC_PORT

from .compute_service import ComputeService
from .probe_service import ProbeService
from .serving.service import ServingService
from .stubs import add_compute_service, add_probe_service, add_serving_service

_PROBE = probe_pb2.DESCRIPTOR.services_by_name["ProbeService"].full_name
_COMPUTE = compute_pb2.DESCRIPTOR.services_by_name["ComputeService"].full_name
_SERVING = serving_pb2.DESCRIPTOR.services_by_name["ServingService"].full_name
_OPTIONS = [
    ("grpc.so_reuseport", 0),  # a port that is taken is an error, not half of the calls
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    # callers may keep their connections alive as channels.py does
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
]


class NodeServer:
    """Every node answers probes; with a compute service it takes tasks, with a serving service requests."""

    def __init__(
        self,
        address: str,
        probe: ProbeService,
        compute: ComputeService | None,
        port: int = GRPC_PORT,
        serving: ServingService | None = None,
    ):
        """Raises OSError where the port cannot be had."""
        self._server: Any = grpc.aio.server(options=_OPTIONS)
        self._health = health.aio.HealthServicer()
        names = [_PROBE]
        add_probe_service(probe, self._server)
        if compute is not None:
            names.append(_COMPUTE)
            add_compute_service(compute, self._server)
        if serving is not None:
            names.append(_SERVING)
            add_serving_service(serving, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        self._services = names
        reflection.enable_server_reflection(
            [*names, health.SERVICE_NAME, reflection.SERVICE_NAME], self._server
        )
        try:
            self.port: int = self._server.add_insecure_port(f"{address}:{port}")
        except RuntimeError as error:
            raise OSError(f"gRPC port {port} on {address}: {error}") from error

    async def start(self) -> None:
        """Listen, and say SERVING for the whole ("") and for each service."""
        await self._server.start()
        for name in ("", *self._services):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)

    async def stop(self, grace_s: float) -> None:
        """Say NOT_SERVING, refuse new calls, and give those under way their grace."""
        await self._health.enter_graceful_shutdown()
        await self._server.stop(grace_s)
