"""A running mesh for a program with asyncio: as ``Mesh``, where it is said what each method does."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import grpc.aio

from orbitmesh.control.v1 import control_pb2 as pb

from ..errors import FailureError
from . import asking
from .connecting import CALL_S, END_S, STEP_S, Connected
from .epochs import Epoch, Picture
from .results import (
    ClockState,
    Completed,
    Contact,
    Event,
    InForce,
    Intervention,
    Link,
    Missed,
    Node,
    Path,
    Status,
    event_or_missed,
    interventions_of,
)


class AsyncMesh(Connected):
    """Use as an asynchronous context manager, or ``close`` it; of one event loop."""

    _grpc = grpc.aio

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._channel.close()
        self._place.close()

    # ---- what there is

    async def status(self) -> Status:
        return Status.of(await self._ask("Status", pb.StatusRequest()))

    async def nodes(self) -> list[Node]:
        parts = self._stream("ListNodes", pb.ListNodesRequest())
        return [Node.of(each) async for part in parts for each in part.nodes]

    async def links(self, *nodes: str) -> list[Link]:
        parts = self._stream("ListLinks", pb.ListLinksRequest(nodes=nodes))
        return [Link.of(each) async for part in parts for each in part.links]

    async def path(self, source: str, destination: str) -> Path:
        return Path.of(await self._ask("Path", pb.PathRequest(source=source, destination=destination)))

    def sight(
        self, a: str, b: str, *, begin_sim_ns: int | None = None, duration_s: float | None = None
    ) -> AsyncIterator[Contact]:
        return self._contacts(a, b, pb.CONTACT_KIND_SIGHT, begin_sim_ns, duration_s)

    def ways(
        self, a: str, b: str, *, begin_sim_ns: int | None = None, duration_s: float | None = None
    ) -> AsyncIterator[Contact]:
        return self._contacts(a, b, pb.CONTACT_KIND_WAY, begin_sim_ns, duration_s)

    async def _contacts(self, *asked: Any) -> AsyncIterator[Contact]:
        async for each in self._stream("Contacts", asking.contacts(*asked)):
            yield Contact.of(each)

    # ---- what happens

    async def epochs(
        self, *, after: Epoch | None = None, positions: bool = False, routes: bool = False
    ) -> AsyncIterator[Epoch]:
        picture = Picture(after)
        async for update in self._stream("WatchEpochs", asking.epochs(after, positions, routes)):
            if (epoch := picture.take(update)) is not None:
                yield epoch

    async def events(self, *only: str, after: int | None = None) -> AsyncIterator[Event | Missed]:
        async for news in self.watch(only, after=after):
            if not isinstance(news, Status):
                yield news

    async def watch(
        self, only: Sequence[str] = (), *, after: int | None = None, status: bool = False
    ) -> AsyncIterator[Event | Missed | Status]:
        request = pb.WatchEventsRequest(after_number=after, events=only, include_status=status)
        async for news in self._stream("WatchEvents", request):
            yield event_or_missed(news)

    # ---- what is failed or changed

    async def intervene(self, *what: str, by: str = "program", **more: Any) -> InForce:
        """``lasts_ns``, ``rate_bps``, ``loss_ratio``, ``extra_delay_ns``, as the request has them."""
        return InForce.of(await self._ask("Intervene", pb.InterveneRequest(what=what, by=by, **more)))

    async def fail(self, *what: str, lasts_s: float | None = None, by: str = "program") -> InForce:
        return InForce.of(await self._ask("Intervene", asking.intervene(what, lasts_s, by)))

    async def change(
        self,
        *what: str,
        rate_bps: int | None = None,
        loss_ratio: float | None = None,
        extra_delay_ns: int | None = None,
        lasts_s: float | None = None,
        by: str = "program",
    ) -> InForce:
        request = asking.change(
            what, lasts_s, by, rate_bps=rate_bps, loss_ratio=loss_ratio, extra_delay_ns=extra_delay_ns
        )
        return InForce.of(await self._ask("Intervene", request))

    async def restore(self, *what: str | int) -> InForce:
        return InForce.of(await self._ask("Lift", asking.lift(what)))

    async def interventions(self) -> list[Intervention]:
        return interventions_of(await self._ask("ListInterventions", pb.ListInterventionsRequest()))

    # ---- the clock

    async def pause(self, *, by: str = "program") -> ClockState:
        return ClockState.of(await self._ask("Pause", pb.PauseRequest(by=by)))

    async def resume(self, *, by: str = "program") -> ClockState:
        return ClockState.of(await self._ask("Resume", pb.ResumeRequest(by=by)))

    async def step(self, by_s: float, *, by: str = "program") -> ClockState:
        return ClockState.of(await self._ask("Step", asking.step(by_s, by), STEP_S))

    async def speed(self, ratio: float, *, by: str = "program") -> ClockState:
        return ClockState.of(await self._ask("SetSpeed", pb.SetSpeedRequest(speed_ratio=ratio, by=by)))

    # ---- inside

    async def route_to(self, *nodes: str) -> None:
        await self._ask("Route", pb.RouteRequest(nodes=nodes))

    async def start(
        self,
        node: str,
        *argv: str,
        environment: Mapping[str, str] | None = None,
        working_directory: str | None = None,
        terminal: tuple[int, int] | None = None,
    ) -> AsyncProgram:
        start = asking.exec_start(node, argv, environment, working_directory, terminal)
        program = AsyncProgram(self)
        await program._start(start)
        return program

    async def run(
        self, node: str, *argv: str, input: bytes = b"", environment: Mapping[str, str] | None = None
    ) -> Completed:
        async with await self.start(node, *argv, environment=environment) as program:
            feeding = asyncio.create_task(program.feed(input))
            try:
                return await program.completed()
            finally:
                feeding.cancel()

    async def capture(
        self, node: str, peer: str | None = None, *, lasts_s: float | None = None, most_bytes: int = 0
    ) -> AsyncCapture:
        request = asking.capture(node, peer, lasts_s, most_bytes)
        return AsyncCapture(self, (await self._ask("StartCapture", request)).capture_number)

    async def end(self) -> None:
        answer = await self._ask("End", pb.EndRequest(), END_S)
        if answer.failure:
            raise FailureError(f"the run has ended, and failed: {answer.failure}")

    # ---- calls

    async def _ask(self, method: str, request: Any, limit_s: float = CALL_S) -> Any:
        with self._place.in_words():
            call = getattr(self._calls, method)
            return await call(request, timeout=limit_s, metadata=self._place.metadata)

    async def _stream(self, method: str, request: Any) -> AsyncIterator[Any]:
        call = getattr(self._calls, method)(request, metadata=self._place.metadata)
        try:
            with self._place.in_words():
                async for each in call:
                    yield each
        finally:
            call.cancel()


class AsyncProgram:
    """One that runs in a node.  Leaving its block ends it."""

    def __init__(self, mesh: AsyncMesh) -> None:
        self._place = mesh._place
        #: of one that has ended
        self.exit_status: int | None = None
        self._call = mesh._calls.Exec(metadata=self._place.metadata)

    async def _start(self, start: Any) -> None:
        with self._place.in_words():
            await self._call.write(start)
            await self._read()

    async def _read(self) -> Any:
        """None at the end; raises how it ended where that is no success."""
        response = await self._call.read()
        if response is not grpc.aio.EOF:
            return response
        if (code := await self._call.code()) is not grpc.StatusCode.OK:
            raise grpc.aio.AioRpcError(
                code, await self._call.initial_metadata(), await self._call.trailing_metadata(),
                await self._call.details(),
            )  # fmt: skip
        return None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._call.cancel()

    async def write(self, data: bytes) -> None:
        for request in asking.inputs(data):
            await self._tell(request)

    async def end_input(self) -> None:
        await self._tell(pb.ExecRequest(input_end=True))

    async def feed(self, data: bytes) -> None:
        """All of its input, and the end of it."""
        await self.write(data)
        await self.end_input()

    async def signal(self, number: int) -> None:
        await self._tell(pb.ExecRequest(signal_number=number))

    async def resize(self, rows: int, columns: int) -> None:
        await self._tell(pb.ExecRequest(window=pb.ExecWindow(rows=rows, columns=columns)))

    async def _tell(self, request: Any) -> None:
        with contextlib.suppress(asyncio.InvalidStateError, grpc.RpcError):
            await self._call.write(request)  # to one that has ended: who reads its output is told how

    async def output(self) -> AsyncIterator[tuple[str, bytes]]:
        with self._place.in_words():
            while (response := await self._read()) is not None:
                which = response.WhichOneof("response")
                if which == "ended":
                    self.exit_status = response.ended.exit_status
                    return
                yield which, getattr(response, which)

    async def completed(self) -> Completed:
        found: dict[str, list[bytes]] = {"output": [], "error_output": []}
        async for which, data in self.output():
            found[which].append(data)
        assert self.exit_status is not None
        return Completed(self.exit_status, b"".join(found["output"]), b"".join(found["error_output"]))


class AsyncCapture:
    """One that goes on; it ends with its time, or when it is fetched."""

    def __init__(self, mesh: AsyncMesh, number: int) -> None:
        self._mesh, self.number = mesh, number

    async def follow(self) -> AsyncIterator[bytes]:
        request = pb.FetchCaptureRequest(capture_number=self.number, follow=True)
        async for part in self._mesh._stream("FetchCapture", request):
            yield part.pcapng

    async def fetch(self) -> bytes:
        request = pb.FetchCaptureRequest(capture_number=self.number)
        return b"".join([part.pcapng async for part in self._mesh._stream("FetchCapture", request)])
