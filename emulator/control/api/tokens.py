"""The token that a caller from elsewhere says, compared in a time that does not tell how near it was."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from typing import Any

import grpc.aio


class TokenNeeded(grpc.aio.ServerInterceptor):  # type: ignore[misc]  # grpc ships no types
    """Refuses calls without the token, whatever the method."""

    def __init__(self, token: bytes) -> None:
        self._wanted = b"Bearer " + token
        self._refusal = grpc.unary_unary_rpc_method_handler(_refuse)

    async def intercept_service(self, continuation: Callable[[Any], Awaitable[Any]], details: Any) -> Any:
        said = b""
        for key, value in details.invocation_metadata or ():
            if key == "authorization":
                said = value.encode() if isinstance(value, str) else value
        if hmac.compare_digest(said, self._wanted):
            return await continuation(details)
        handler = await continuation(details)
        return self._refusal if handler is None else _refusing(handler)


async def _refuse(request: Any, context: Any) -> None:
    await context.abort(
        grpc.StatusCode.UNAUTHENTICATED,
        'this needs the token that the run was started with: --token-file, or "authorization: Bearer TOKEN"',
    )


def _refusing(handler: Any) -> Any:
    """In the shape of the method that was called."""
    if handler.request_streaming:
        make = (
            grpc.stream_stream_rpc_method_handler
            if handler.response_streaming
            else grpc.stream_unary_rpc_method_handler
        )
    else:
        make = (
            grpc.unary_stream_rpc_method_handler
            if handler.response_streaming
            else grpc.unary_unary_rpc_method_handler
        )
    return make(_refuse)
