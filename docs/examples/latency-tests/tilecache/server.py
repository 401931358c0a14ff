"""Serves tiles by gRPC: ``python -m tilecache.server`` on a satellite."""

from concurrent.futures import ThreadPoolExecutor

import grpc
from google.protobuf.wrappers_pb2 import BytesValue, StringValue

from . import METHOD, PORT, SERVICE


def get(request: StringValue, context: grpc.ServicerContext) -> BytesValue:
    """A tile by its name, as zoom/x/y."""
    if request.value.count("/") != 2:
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, "write zoom/x/y")
    return BytesValue(value=request.value.encode() * 32)


def main() -> None:
    server = grpc.server(ThreadPoolExecutor(4))
    handler = grpc.unary_unary_rpc_method_handler(
        get, request_deserializer=StringValue.FromString, response_serializer=BytesValue.SerializeToString
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {METHOD: handler}),))
    server.add_insecure_port(f"[::]:{PORT}")
    server.start()
    print(f"tiles on port {PORT}", flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
