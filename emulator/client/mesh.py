"""A running mesh for a program with threads, or with none."""

from __future__ import annotations

import queue
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path as FilePath
from types import TracebackType
from typing import Any, Self

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


class Mesh(Connected):
    """Use as a context manager, or ``close`` it.  May be used from any thread."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._channel.close()
        self._place.close()

    # ---- what there is

    def status(self) -> Status:
        return Status.of(self._ask("Status", pb.StatusRequest()))

    def nodes(self) -> list[Node]:
        parts = self._stream("ListNodes", pb.ListNodesRequest())
        return [Node.of(each) for part in parts for each in part.nodes]

    def links(self, *nodes: str) -> list[Link]:
        """Those that are there now; of these nodes, or all."""
        parts = self._stream("ListLinks", pb.ListLinksRequest(nodes=nodes))
        return [Link.of(each) for part in parts for each in part.links]

    def path(self, source: str, destination: str) -> Path:
        """As routed now; false where there is no way."""
        return Path.of(self._ask("Path", pb.PathRequest(source=source, destination=destination)))

    def sight(
        self, a: str, b: str, *, begin_sim_ns: int | None = None, duration_s: float | None = None
    ) -> Iterator[Contact]:
        """When a gateway and a satellite, or two satellites, see each other: from now to the run's end."""
        return self._contacts(a, b, pb.CONTACT_KIND_SIGHT, begin_sim_ns, duration_s)

    def ways(
        self, a: str, b: str, *, begin_sim_ns: int | None = None, duration_s: float | None = None
    ) -> Iterator[Contact]:
        """By which path there will be a way, and when by none."""
        return self._contacts(a, b, pb.CONTACT_KIND_WAY, begin_sim_ns, duration_s)

    def _contacts(self, *asked: Any) -> Iterator[Contact]:
        return map(Contact.of, self._stream("Contacts", asking.contacts(*asked)))

    def carried(self, rows: Sequence[int] = ()) -> Any:
        """Counters of links so far, a column each: of the epoch in force, by rows of its links, or of all."""
        return self._ask("Carried", pb.CarriedRequest(link_row=rows))

    def scenario(self) -> Any:
        """What the run was made of, as its record holds it (ScenarioResponse)."""
        return self._ask("Scenario", pb.ScenarioRequest())

    # ---- what happens

    def epoch_updates(self, *, routes: bool) -> Iterator[Any]:
        """As they come, in columns, with positions, power and heat."""
        request = pb.WatchEpochsRequest(include_positions=True, include_platforms=True, include_routes=routes)
        return self._stream("WatchEpochs", request)

    def epochs(
        self, *, after: Epoch | None = None, positions: bool = False, routes: bool = False
    ) -> Iterator[Epoch]:
        """As they come into force, until the run ends; the one in force first, or what came ``after`` one.

        A watcher that is too slow is told which it missed (``Epoch.missed``), and holds nobody up.
        """
        picture = Picture(after)
        request = asking.epochs(after, positions, routes)
        for update in self._stream("WatchEpochs", request):
            if (epoch := picture.take(update)) is not None:
                yield epoch

    def events(self, *only: str, after: int | None = None) -> Iterator[Event | Missed]:
        """As they happen, until the run ends; ``only`` of these kinds; ``after`` the one of a number."""
        for news in self.watch(only, after=after):
            if not isinstance(news, Status):
                yield news

    def watch(
        self, only: Sequence[str] = (), *, after: int | None = None, status: bool = False
    ) -> Iterator[Event | Missed | Status]:
        """As ``events``; ``status``: the run's each second too."""
        request = pb.WatchEventsRequest(after_number=after, events=only, include_status=status)
        return map(event_or_missed, self._stream("WatchEvents", request))

    # ---- what is failed or changed

    def intervene(self, *what: str, by: str = "program", **more: Any) -> InForce:
        """``lasts_ns``, ``rate_bps``, ``loss_ratio``, ``extra_delay_ns``, as the request has them."""
        return InForce.of(self._ask("Intervene", pb.InterveneRequest(what=what, by=by, **more)))

    def fail(self, *what: str, lasts_s: float | None = None, by: str = "program") -> InForce:
        """Fail satellites, gateways, links, planes, …; in force when it returns."""
        return InForce.of(self._ask("Intervene", asking.intervene(what, lasts_s, by)))

    def change(
        self,
        *what: str,
        rate_bps: int | None = None,
        loss_ratio: float | None = None,
        extra_delay_ns: int | None = None,
        lasts_s: float | None = None,
        by: str = "program",
    ) -> InForce:
        """Give links another physical rate, loss, or a longer delay."""
        request = asking.change(
            what, lasts_s, by, rate_bps=rate_bps, loss_ratio=loss_ratio, extra_delay_ns=extra_delay_ns
        )
        return InForce.of(self._ask("Intervene", request))

    def restore(self, *what: str | int) -> InForce:
        """What was failed or changed, by names or numbers; all where none is named."""
        return InForce.of(self._ask("Lift", asking.lift(what)))

    def interventions(self) -> list[Intervention]:
        """Those in force."""
        return interventions_of(self._ask("ListInterventions", pb.ListInterventionsRequest()))

    # ---- the clock

    def pause(self, *, by: str = "program") -> ClockState:
        return ClockState.of(self._ask("Pause", pb.PauseRequest(by=by)))

    def resume(self, *, by: str = "program") -> ClockState:
        return ClockState.of(self._ask("Resume", pb.ResumeRequest(by=by)))

    def step(self, by_s: float, *, by: str = "program") -> ClockState:
        """Move a clock that stands; returns when the epochs of that time are in force."""
        return ClockState.of(self._ask("Step", asking.step(by_s, by), STEP_S))

    def speed(self, ratio: float, *, by: str = "program") -> ClockState:
        """Emulated time over the machine's."""
        return ClockState.of(self._ask("SetSpeed", pb.SetSpeedRequest(speed_ratio=ratio, by=by)))

    # ---- inside

    def route_to(self, *nodes: str) -> None:
        """Make nodes destinations that every node has a route to; returns when the routes are in force."""
        self._ask("Route", pb.RouteRequest(nodes=nodes))

    def start(
        self,
        node: str,
        *argv: str,
        environment: Mapping[str, str] | None = None,
        working_directory: str | None = None,
        terminal: tuple[int, int] | None = None,
    ) -> Program:
        """A program in a node; ``terminal``: with one of so many rows and columns."""
        return Program(self, asking.exec_start(node, argv, environment, working_directory, terminal))

    def run(
        self, node: str, *argv: str, input: bytes = b"", environment: Mapping[str, str] | None = None
    ) -> Completed:
        """A program in a node, to its end."""
        with self.start(node, *argv, environment=environment) as program:
            program.write(input)
            program.end_input()
            return program.completed()

    def capture(
        self, node: str, peer: str | None = None, *, lasts_s: float | None = None, most_bytes: int = 0
    ) -> Capture:
        """What arrives at a node, or passes from it to a peer, from now on."""
        request = asking.capture(node, peer, lasts_s, most_bytes)
        return Capture(self, self._ask("StartCapture", request).capture_number)

    def end(self) -> None:
        """End the run; returns when its record is written and all is gone.  FailureError where it failed."""
        if (reason := self.end_and_tell()) is not None:
            raise FailureError(f"the run has ended, and failed: {reason}")

    def end_and_tell(self) -> str | None:
        """The same; why it failed, or None."""
        return self._ask("End", pb.EndRequest(), END_S).failure or None

    # ---- calls

    def _ask(self, method: str, request: Any, limit_s: float = CALL_S) -> Any:
        with self._place.in_words():
            return getattr(self._calls, method)(request, timeout=limit_s, metadata=self._place.metadata)

    def _stream(self, method: str, request: Any) -> Iterator[Any]:
        call = getattr(self._calls, method)(request, metadata=self._place.metadata)
        try:
            with self._place.in_words():
                yield from call
        finally:
            call.cancel()


class Program:
    """One that runs in a node.  Leaving its block ends it.

    ``output()`` gives what it writes as it comes, ``completed()`` all of it.
    """

    def __init__(self, mesh: Mesh, start: Any) -> None:
        self._place = mesh._place
        self._requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._requests.put(start)
        #: of one that has ended
        self.exit_status: int | None = None
        requests = iter(self._requests.get, None)
        self._call = mesh._calls.Exec(requests, metadata=self._place.metadata)
        try:
            with self._place.in_words():
                next(self._call)  # ExecStarted
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._call.cancel()
        self._requests.put(None)

    def write(self, data: bytes) -> None:
        for request in asking.inputs(data):
            self._requests.put(request)

    def end_input(self) -> None:
        self._requests.put(pb.ExecRequest(input_end=True))

    def signal(self, number: int) -> None:
        """SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1 or SIGUSR2."""
        self._requests.put(pb.ExecRequest(signal_number=number))

    def resize(self, rows: int, columns: int) -> None:
        self._requests.put(pb.ExecRequest(window=pb.ExecWindow(rows=rows, columns=columns)))

    def output(self) -> Iterator[tuple[str, bytes]]:
        """``("output", …)`` and ``("error_output", …)`` until it has ended; then ``exit_status`` is there."""
        with self._place.in_words():
            for response in self._call:
                which = response.WhichOneof("response")
                if which == "ended":
                    self.exit_status = response.ended.exit_status
                    return
                yield which, getattr(response, which)

    def completed(self) -> Completed:
        found: dict[str, list[bytes]] = {"output": [], "error_output": []}
        for which, data in self.output():
            found[which].append(data)
        assert self.exit_status is not None
        return Completed(self.exit_status, b"".join(found["output"]), b"".join(found["error_output"]))


class Capture:
    """One that goes on; it ends with its time, or when it is fetched or saved."""

    def __init__(self, mesh: Mesh, number: int) -> None:
        self._mesh, self.number = mesh, number

    def follow(self) -> Iterator[bytes]:
        """The file (pcapng) as it grows, until its time is over."""
        return self._pieces(follow=True)

    def fetch(self) -> bytes:
        """The whole file; the capture ends."""
        return b"".join(self._pieces(follow=False))

    def save(self, path: str | FilePath) -> int:
        """Into a new file; its bytes."""
        with FilePath(path).open("xb") as file:
            return sum(file.write(piece) for piece in self._pieces(follow=False))

    def _pieces(self, *, follow: bool) -> Iterator[bytes]:
        request = pb.FetchCaptureRequest(capture_number=self.number, follow=follow)
        return (part.pcapng for part in self._mesh._stream("FetchCapture", request))
