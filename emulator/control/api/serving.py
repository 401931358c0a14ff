"""How methods are called: what a request may hold, which errors are which codes, how many at once."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

import grpc
from google.protobuf import unknown_fields
from google.protobuf.message import DecodeError

from orbitmesh.control.v1 import control_pb2

from ...errors import InputError, OrbitmeshError, RunEnded, TooManyAtOnce, UnknownName

log = logging.getLogger(__name__)

SERVICE = control_pb2.DESCRIPTOR.services_by_name["ControlService"]
MOST_REQUEST_BYTES = 4 << 20
MOST_RPCS = 1_000

OPTIONS = [
    ("grpc.max_receive_message_length", MOST_REQUEST_BYTES),
    ("grpc.max_concurrent_streams", 200),
    # programs write and read much: a megabyte at a time
    ("grpc.http2.max_frame_size", 1 << 20),
    ("grpc.http2.lookahead_bytes", 4 << 20),
    # who connects and says nothing does not keep its place
    ("grpc.server_handshake_timeout_ms", 20_000),
    # a caller that vanished without a word is found out
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.max_ping_strikes", 0),
]

Read = Callable[[bytes], Any]


def code_of(error: BaseException) -> Any:
    if isinstance(error, UnknownName):
        return grpc.StatusCode.NOT_FOUND
    if isinstance(error, InputError):
        return grpc.StatusCode.INVALID_ARGUMENT
    if isinstance(error, RunEnded):
        return grpc.StatusCode.UNAVAILABLE
    if isinstance(error, TooManyAtOnce):
        return grpc.StatusCode.RESOURCE_EXHAUSTED
    if isinstance(error, NotImplementedError):
        return grpc.StatusCode.UNIMPLEMENTED
    if isinstance(error, OrbitmeshError):
        return grpc.StatusCode.FAILED_PRECONDITION
    return grpc.StatusCode.INTERNAL


async def _abort(context: Any, error: Exception) -> None:
    code = code_of(error)
    if code is grpc.StatusCode.INTERNAL:  # a defect of ours
        log.exception("a call failed")
        await context.abort(code, f"{type(error).__name__}: {error}")
    await context.abort(code, str(error))


def _read(kind: Any, data: bytes) -> Any:
    """InputError for what is no such message, or has a field that this version does not know."""
    try:
        request = kind.FromString(data)
    except DecodeError:
        raise InputError(f"this is no {kind.DESCRIPTOR.name}: use the .proto files of orbitmesh") from None
    _refuse_unknown(request)
    return request


def _refuse_unknown(request: Any) -> None:
    if len(unknown := unknown_fields.UnknownFieldSet(request)):
        from importlib.metadata import version

        numbers = ", ".join(str(each.field_number) for each in unknown)
        raise InputError(
            f"{request.DESCRIPTOR.name}: orbitmesh {version('orbitmesh')} knows no field {numbers} of it: "
            "use the .proto files of the version that runs the mesh"
        )
    for field, value in request.ListFields():
        if field.type == field.TYPE_MESSAGE and not field.message_type.GetOptions().map_entry:
            for each in [value] if hasattr(value, "ListFields") else value:
                _refuse_unknown(each)


def handlers(service: Any) -> Any:
    """For a server: each method of the service by the attribute of its name."""
    return grpc.method_handlers_generic_handler(
        SERVICE.full_name,
        {each.name: _handler(each, getattr(service, each.name)) for each in SERVICE.methods},
    )


def _handler(method: Any, handle: Callable[..., Any]) -> Any:
    request_type, response_type = (
        getattr(control_pb2, each.name) for each in (method.input_type, method.output_type)
    )

    def as_bytes(response: Any) -> bytes:
        """What many are given is encoded once, before."""
        return response if isinstance(response, bytes) else response_type.SerializeToString(response)

    read = partial(_read, request_type)
    if method.client_streaming:
        make, call = grpc.stream_stream_rpc_method_handler, _both_ways(handle, read)
    elif method.server_streaming:
        make, call = grpc.unary_stream_rpc_method_handler, _stream(handle, read)
    else:
        make, call = grpc.unary_unary_rpc_method_handler, _single(handle, read)
    return make(call, request_deserializer=None, response_serializer=as_bytes)


def _single(handle: Callable[[Any], Awaitable[Any]], read: Read) -> Any:
    async def call(data: bytes, context: Any) -> Any:
        try:
            return await handle(read(data))
        except Exception as error:
            await _abort(context, error)

    return call


def _stream(handle: Callable[[Any], AsyncGenerator[Any, None]], read: Read) -> Any:
    async def call(data: bytes, context: Any) -> None:
        try:
            # closed with the call, wherever it is cancelled: what it holds is free again
            async with contextlib.aclosing(handle(read(data))) as responses:
                async for response in responses:
                    await context.write(response)
        except Exception as error:
            await _abort(context, error)

    return call


def _both_ways(
    handle: Callable[[AsyncIterator[Any], Callable[[Any], Awaitable[None]]], Awaitable[None]], read: Read
) -> Any:
    async def call(requests: Any, context: Any) -> None:
        try:
            await handle((read(data) async for data in requests), context.write)
        except Exception as error:
            await _abort(context, error)

    return call
