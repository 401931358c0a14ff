"""Measures from inside a node, for a test: n round trips to an address, then it ends.

``python -m orbitmesh.nodes.measure`` reads one JSON object on stdin (an ``Order``) and writes a line of JSON
for each round trip: a Sample.  Kinds are "udp" and "grpc", as every node process answers them, or "call": a
function of the caller's, which is given the address and returns another that makes one round trip.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, TextIO

from orbitmesh.wire.measure import Order
from orbitmesh.wire.spec import Sample

from . import round_trips
from .udp_echo import UdpEchoClient

_NS_PER_S = 1_000_000_000
_WARM_TIMEOUT_S = 2.0
# what a call may tell of itself, beside the time that it took
_TOLD = ("queue_ns", "compute_ns", "first_ns", "bytes_up", "bytes_down", "forward_ns", "backward_ns")


Measure = Callable[[int], Awaitable[Sample]]


async def at_each(order: Order, measure: Measure, put: Callable[[Sample], None]) -> None:
    """One every interval, however long each takes."""
    begin_ns = time.monotonic_ns()
    async with asyncio.TaskGroup() as group:

        async def one(seq: int) -> None:
            put(await measure(seq))

        for seq in range(order.n):
            await asyncio.sleep((begin_ns + seq * order.interval_ns - time.monotonic_ns()) / _NS_PER_S)
            group.create_task(one(seq))


async def udp(order: Order, put: Callable[[Sample], None]) -> None:
    client = UdpEchoClient(order.source_address)
    with contextlib.suppress(OSError):  # the kernel begins to stamp a little after it was asked to
        await client.ask(order.address, order.timeout_ns / _NS_PER_S)

    async def measure(seq: int) -> Sample:
        return await round_trips.udp(_trip(order, seq), client, order.address)

    await at_each(order, measure, put)
    client.close()


async def grpc(order: Order, put: Callable[[Sample], None]) -> None:
    from .channels import PeerChannel
    from .grpc_trips import grpc_echo

    async with asyncio.TaskGroup() as group:
        channel = PeerChannel(group, order.address)
        await channel.until_ready(_WARM_TIMEOUT_S)

        async def measure(seq: int) -> Sample:
            return await grpc_echo(_trip(order, seq), channel)

        await at_each(order, measure, put)
        await channel.close()


def call(order: Order, put: Callable[[Sample], None]) -> None:
    """One after the other: a function of somebody else's may hold the thread as long as it likes."""
    sys.path[:] = order.import_path
    make = _member(_module(Path(order.file)), order.function)
    once = make(order.address)
    begin_ns = time.monotonic_ns()
    for seq in range(order.n):
        time.sleep(max(0, begin_ns + seq * order.interval_ns - time.monotonic_ns()) / _NS_PER_S)
        sent_ns = time.monotonic_ns()
        try:
            told = once()
        except Exception as error:
            put(_trip(order, seq).lost("call", sent_ns, _name(error)))
            continue
        done_ns = time.monotonic_ns()
        sample = Sample("call", order.src, order.dst, seq, sent_ns, done_ns, done_ns - sent_ns)
        put(replace(sample, **_told(told)) if isinstance(told, dict) else sample)


def _told(told: dict[str, Any]) -> dict[str, Any]:
    found = {key: told[key] for key in _TOLD if key in told}
    for key, value in found.items():
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 62:
            raise TypeError(f"the function told {key}={value!r}: return a whole number, 0 or more")
    return found


def _trip(order: Order, seq: int) -> round_trips.Trip:
    return round_trips.Trip(order.src, order.dst, seq, order.timeout_ns / _NS_PER_S)


def _name(error: Exception) -> str:
    """Of a gRPC error its status, of others the type and the first line."""
    code = getattr(error, "code", None)
    status = code() if callable(code) else None
    if (named := getattr(status, "name", None)) is not None:
        return str(named)
    first = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def _module(path: Path) -> ModuleType:
    """A file as a module of its own name, which is not the one that pytest may have made of it."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no module of Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def _member(module: Any, qualname: str) -> Any:
    for name in qualname.split("."):
        module = getattr(module, name)
    return module


def main() -> int:
    # what a function of somebody else's prints goes to stderr
    out: TextIO = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    order = Order.from_json(sys.stdin.readline())

    def put(sample: Sample) -> None:
        out.write(sample.to_json().decode() + "\n")
        out.flush()

    if order.kind == "call":
        call(order, put)
    else:
        asyncio.run({"udp": udp, "grpc": grpc}[order.kind](order, put))
    return 0


if __name__ == "__main__":
    sys.exit(main())
