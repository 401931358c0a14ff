"""Errors that a caller can act on: a status code, a sentence, and details as google.rpc defines them."""

from __future__ import annotations

from typing import Any, NoReturn

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.code_pb2 import (
    DEADLINE_EXCEEDED,
    INVALID_ARGUMENT,
    NOT_FOUND,
    RESOURCE_EXHAUSTED,
    UNAVAILABLE,
    UNIMPLEMENTED,
)
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from .worker import DeadlineTooShort, WorkerBusy

_NS_PER_S = 1_000_000_000


async def refuse_argument(context: Any, field: str, reason: str) -> NoReturn:
    """``field`` as the .proto names it."""
    violation = BadRequest.FieldViolation(field=field, description=reason)
    await _abort(context, INVALID_ARGUMENT, f"{field}: {reason}", BadRequest(field_violations=[violation]))


async def refuse_busy(context: Any, busy: WorkerBusy) -> NoReturn:
    await refuse_for_now(context, str(busy), busy.retry_ns)


async def refuse_for_now(context: Any, reason: str, retry_ns: int) -> NoReturn:
    """There are too many at the moment."""
    await _abort(context, RESOURCE_EXHAUSTED, reason, _retry(retry_ns))


async def refuse_unpowered(context: Any, reason: str, retry_ns: int) -> NoReturn:
    await _abort(context, UNAVAILABLE, reason, _retry(retry_ns))


async def refuse_missing(context: Any, reason: str) -> NoReturn:
    """This node cannot do it at all, as it is installed."""
    await _abort(context, UNIMPLEMENTED, reason)


async def refuse_gone(context: Any, reason: str) -> NoReturn:
    """What is asked for is not here, or no more."""
    await _abort(context, NOT_FOUND, reason)


async def refuse_deadline(context: Any, error: DeadlineTooShort) -> NoReturn:
    await _abort(context, DEADLINE_EXCEEDED, str(error))


async def refuse_stalled(context: Any, reason: str) -> NoReturn:
    """The caller sends no more."""
    await _abort(context, DEADLINE_EXCEEDED, reason)


def _retry(retry_ns: int) -> RetryInfo:
    return RetryInfo(retry_delay=Duration(seconds=retry_ns // _NS_PER_S, nanos=retry_ns % _NS_PER_S))


async def _abort(context: Any, code: int, message: str, *details: Any) -> NoReturn:
    status = Status(code=code, message=message)
    for detail in details:
        packed: Any = AnyMessage()
        packed.Pack(detail)
        status.details.append(packed)
    answer = rpc_status.to_status(status)
    await context.abort(answer.code, answer.details, answer.trailing_metadata)
    raise AssertionError("abort() always raises")
