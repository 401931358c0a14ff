"""Asks for tiles."""

from collections.abc import Callable

import grpc
from google.protobuf.wrappers_pb2 import BytesValue, StringValue

from . import METHOD, SERVICE


def connect(address: str, patience_s: float = 10) -> Callable[[str], bytes]:
    """A function that gets a tile by its name, over a connection that stands."""
    channel = grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)])
    grpc.channel_ready_future(channel).result(patience_s)
    call = channel.unary_unary(
        f"/{SERVICE}/{METHOD}",
        request_serializer=StringValue.SerializeToString,
        response_deserializer=BytesValue.FromString,
    )
    return lambda tile: call(StringValue(value=tile), timeout=5).value
