"""Requests, made of what a caller writes: the same for both kinds of client."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from orbitmesh.control.v1 import control_pb2 as pb

from ..errors import InputError
from .epochs import Epoch

_PIECE_BYTES = 1 << 20  # of input


def ns(seconds: float | None, name: str) -> int | None:
    """InputError, naming it, for what is no time."""
    if seconds is None:
        return None
    if not isinstance(seconds, int | float) or not 0 < seconds < 1e9:
        raise InputError(f"{name} is {seconds!r}: write seconds, more than 0")
    return round(seconds * 1e9)


def intervene(
    what: Sequence[str],
    lasts_s: float | None,
    by: str,
    rate_bps: int | None = None,
    loss_ratio: float | None = None,
    extra_delay_ns: int | None = None,
) -> Any:
    request = pb.InterveneRequest(what=what, by=by)
    values = {
        "lasts_ns": ns(lasts_s, "lasts_s"), "rate_bps": rate_bps, "loss_ratio": loss_ratio,
        "extra_delay_ns": extra_delay_ns,
    }  # fmt: skip
    for name, value in values.items():
        if value is not None:
            setattr(request, name, value)
    return request


def change(what: Sequence[str], lasts_s: float | None, by: str, **values: Any) -> Any:
    if all(value is None for value in values.values()):
        raise InputError(
            "nothing is to change: give rate_bps, loss_ratio or extra_delay_ns; fail breaks a link"
        )
    return intervene(what, lasts_s, by, **values)


def lift(what: Sequence[str | int]) -> Any:
    if not what:
        return pb.LiftRequest(all=True)
    return pb.LiftRequest(named=pb.Names(names=map(str, what)))


def contacts(a: str, b: str, kind: Any, begin_sim_ns: int | None, duration_s: float | None) -> Any:
    return pb.ContactsRequest(
        a=a, b=b, kind=kind, begin_sim_ns=begin_sim_ns, duration_ns=ns(duration_s, "duration_s")
    )


def epochs(after: Epoch | None, positions: bool, routes: bool) -> Any:
    number = None if after is None else after.number
    return pb.WatchEpochsRequest(after_number=number, include_positions=positions, include_routes=routes)


def step(by_s: float, by: str) -> Any:
    return pb.StepRequest(step_ns=ns(by_s, "by_s"), by=by)


def exec_start(
    node: str,
    argv: Sequence[str],
    environment: Mapping[str, str] | None,
    working_directory: str | None,
    terminal: tuple[int, int] | None,
) -> Any:
    """``terminal``: rows and columns."""
    start = pb.ExecStart(
        node=node, argv=argv, environment=environment or {}, working_directory=working_directory or ""
    )
    if terminal is not None:
        start.terminal.CopyFrom(pb.ExecWindow(rows=terminal[0], columns=terminal[1]))
    return pb.ExecRequest(start=start)


def inputs(data: bytes) -> Iterator[Any]:
    """Of a program, piece by piece."""
    for first in range(0, len(data), _PIECE_BYTES):
        yield pb.ExecRequest(input=data[first : first + _PIECE_BYTES])


def capture(node: str, peer: str | None, lasts_s: float | None, most_bytes: int) -> Any:
    return pb.StartCaptureRequest(
        node=node, peer=peer or "", most_bytes=most_bytes, lasts_ns=ns(lasts_s, "lasts_s")
    )
