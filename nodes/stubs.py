"""The rim of the generated code: what of it is called, and has no types, is named here once."""

from __future__ import annotations

from typing import Any

from orbitmesh.compute.v1 import compute_pb2_grpc
from orbitmesh.probe.v1 import probe_pb2_grpc
from orbitmesh.serving.v1 import serving_pb2_grpc

compute_stub: Any = compute_pb2_grpc.ComputeServiceStub
probe_stub: Any = probe_pb2_grpc.ProbeServiceStub
add_compute_service: Any = compute_pb2_grpc.add_ComputeServiceServicer_to_server
add_probe_service: Any = probe_pb2_grpc.add_ProbeServiceServicer_to_server
serving_stub: Any = serving_pb2_grpc.ServingServiceStub
add_serving_service: Any = serving_pb2_grpc.add_ServingServiceServicer_to_server
