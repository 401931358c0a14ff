"""The measurements of a calibration, each with real traffic through namespaces of its own."""

from __future__ import annotations

import json
import os
import socket
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np

from orbitmesh.wire import missed
from orbitmesh.wire.spec import NodeSpec, Peer, ProbeSpec, Sample

from ..errors import BackendError, HostError, RunError
from ..plane.backend import LinkBackend, LinkEnd
from ..plane.engine import EngineBackend
from ..plane.kernel import namespaces
from ..plane.kernel.awake import Awake, StayAwake
from ..plane.mesh import EndsWithNamespaces
from ..plane.netem import NetemBackend
from ..processes import start_child
from ..record.facts import machine_facts, utc_text
from ..record.verdict import LATENESS_P99_BOUND_NS
from ..scenario import Scenario
from . import store
from .agreement import PLANES, Plan, look
from .budget import LEAST_BOUND_NS, budget_of
from .consistency import Seen, disagreements
from .document import (
    Calibration,
    Command,
    Falling,
    Grpc,
    Handover,
    OneWay,
    RateError,
    SmallPackets,
    errors_of,
    loss_error,
)
from .fabric_lab import FabricDetour, FabricLine, commit, grid, links_of, no_routes
from .lab import Detour, Lab, Line, Setting, TwoLinks
from .traffic import Streaming, flooded

Wait = Literal["sleep", "adaptive", "poll"]
PlaneName = Literal["wired", "fabric"]
Progress = Callable[[str, int, int], None]

MS = 1_000_000
DELAYS_NS = (MS // 10, MS, 5 * MS, 20 * MS, 100 * MS)
PER_SECOND = (1_000, 10_000, 50_000)
LENGTHS = (1, 2, 3, 5, 10, 15)
RATES_BPS = tuple(10**6 * n for n in (1, 10, 100, 1_000, 2_000, 5_000, 10_000, 20_000))
HOLDS_RATIO = 0.03  # a rate that is off by more does not hold
LOSS_RATIOS = (0.001, 0.01, 0.1)
SIZES = (72, 1_584, 4_408)
SMALL_PER_SECOND = (50_000, 100_000, 150_000, 200_000, 300_000, 400_000, 600_000)
SMALL_BYTES = 36  # of payload: with UDP and IPv4 headers 64
SLOPE_NS_PER_S = -20_000  # near the most in low orbit: 6.2 km/s

_REFERENCE_NS, _REFERENCE_PER_SECOND = 5 * MS, 10_000
_LONG = 10  # of LENGTHS: measured twice


class Calibrator:
    """Everything about one backend in one plane and, of the engine, one way of waiting."""

    def __init__(
        self,
        backend: str,
        wait: Wait = "adaptive",
        *,
        plane: PlaneName = "wired",
        quick: bool = False,
        awake: bool = True,
    ) -> None:
        self._backend, self._wait, self._plane, self._quick = backend, wait, plane, quick
        self._awake = awake

    def run(self, on_progress: Progress = lambda what, done, total: None) -> Calibration:
        """In a minute, or some; OrbitmeshError where something breaks down."""
        with StayAwake(wanted=self._awake) as awake:
            return self._run(on_progress, awake.state)

    def _run(self, on_progress: Progress, awake: Awake) -> Calibration:
        steps: tuple[tuple[str, Callable[[], dict[str, Any]]], ...] = (
            ("floor", self._floor),
            ("one-way delay", self._one_way),
            ("rates", self._rates),
            ("loss", self._losses),
            ("a falling delay", self._falling),
            ("handover", self._handover),
            ("small packets", self._small_packets),
            ("commands", self._commands),
            ("gRPC", self._grpc),
            ("repeats", self._repeats),
        )
        found: dict[str, Any] = {}
        began = utc_text(datetime.now(UTC))
        for done, (name, measure) in enumerate(steps):
            on_progress(name, done, len(steps))
            found |= measure()
        wait = self._wait if self._backend == "engine" else "kernel"
        calibration = Calibration(
            self._backend,
            wait,
            began,
            machine_facts(),
            self._quick,
            plane=self._plane,
            is_awake=awake.held,
            **found,
        )
        if self._plane == "fabric":
            on_progress("consistency", len(steps), len(steps) + 1)
            calibration = self._compared(calibration)
        on_progress("", len(steps), len(steps))
        return calibration

    def _make(self, wait: Wait | None = None) -> LinkBackend:
        if self._backend == "engine":
            return EngineBackend(wait=wait or self._wait)
        return NetemBackend()

    def _line(self, hops: int = 1, setting: Setting | None = None, *, wait: Wait | None = None) -> Lab:
        if self._plane == "fabric":
            return FabricLine(hops, setting, wait=wait or self._wait)
        return Line(self._make(wait), hops, setting)

    def _detour(self, first_ns: int, other_ns: int) -> Detour:
        if self._plane == "fabric":
            return FabricDetour(first_ns, other_ns, wait=self._wait)
        return TwoLinks(self._make(), first_ns, other_ns)

    def _floor(self) -> dict[str, Any]:
        """Over loopback: no link at all, only the two ends."""
        with self._line() as line:
            stream = Streaming(line, 0, 0, self._count(_REFERENCE_PER_SECOND), _REFERENCE_PER_SECOND).result()
            cautions = tuple(line.cautions())
        return {"floor": errors_of(stream.sent, stream.number, stream.took_ns), "cautions": cautions}

    def _one_way(self) -> dict[str, Any]:
        rows = []
        with self._line() as line:
            delays = (MS // 10, _REFERENCE_NS) if self._quick else DELAYS_NS
            for delay_ns in delays:
                for per_second in (_REFERENCE_PER_SECOND,) if self._quick else PER_SECOND:
                    rows.append(self._stream(line, delay_ns, per_second))
        for hops in (3, _LONG) if self._quick else LENGTHS[1:]:
            with self._line(hops) as line:
                rows.append(self._stream(line, _REFERENCE_NS, _REFERENCE_PER_SECOND))
        if self._backend == "engine" and not self._quick:
            others: tuple[Wait, ...] = ("sleep", "adaptive", "poll")
            for wait in others:
                if wait != self._wait:
                    with self._line(wait=wait) as line:
                        rows.append(self._stream(line, _REFERENCE_NS, _REFERENCE_PER_SECOND, wait))
        return {"one_way": tuple(rows)}

    def _repeats(self) -> dict[str, Any]:
        """Minutes after they were first measured: was it the machine, or what else ran on it?"""
        rows = []
        for hops in (1, _LONG):
            with self._line(hops) as line:
                rows.append(self._stream(line, _REFERENCE_NS, _REFERENCE_PER_SECOND))
        return {"floor_again": self._floor()["floor"], "repeats": tuple(rows)}

    def _stream(self, line: Lab, delay_ns: int, per_second: int, wait: Wait | None = None) -> OneWay:
        line.set(Setting(delay_ns=delay_ns))
        stream = Streaming(line, 0, line.hops, self._count(per_second), per_second).result()
        errors = errors_of(stream.sent, stream.number, stream.took_ns - line.hops * delay_ns)
        used = (wait or self._wait) if self._backend == "engine" else "kernel"
        return OneWay(line.hops, delay_ns, per_second, used, errors)

    def _count(self, per_second: int) -> int:
        return per_second // 2 if self._quick else max(per_second, min(2 * per_second, 20_000))

    def _rates(self) -> dict[str, Any]:
        rows = []
        for rate_bps in (10**7, 10**9) if self._quick else RATES_BPS:
            row = self._rate(rate_bps)
            rows.append(row)
            if abs(row.error_ratio) > HOLDS_RATIO:
                break
        return {"rates": tuple(rows)}

    def _rate(self, rate_bps: int) -> RateError:
        """From the backend's count of what left the link, between two of its reports, in mid flow."""
        seconds = 1.0 if self._quick else 4.0 if rate_bps < 10**8 else 2.0
        warm_up_s = 1.5 if rate_bps < 10**8 else 1.0
        # the queue of 20 ms; a full one of 64 KiB at the least takes half a second at 1 Mbit/s
        queue_bytes = max(1 << 16, rate_bps // 8 // 50)
        setting = Setting(delay_ns=2 * MS, rate_bps=rate_bps, queue_bytes=queue_bytes)
        with self._line(setting=setting) as line:

            def left() -> tuple[int, int]:
                return line.bytes_out(), time.monotonic_ns()

            with flooded(line, 0, 1, warm_up_s + seconds + 1):
                time.sleep(warm_up_s)
                before_bytes, before_ns = left()
                time.sleep(seconds)
                after_bytes, after_ns = left()
        measured_bps = round(8e9 * (after_bytes - before_bytes) / (after_ns - before_ns))
        return RateError(rate_bps, measured_bps, measured_bps / rate_bps - 1)

    def _losses(self) -> dict[str, Any]:
        rows = []
        for loss_ratio in LOSS_RATIOS[1:2] if self._quick else LOSS_RATIOS:
            with self._line(setting=Setting(delay_ns=MS, loss_ratio=loss_ratio)) as line:
                stream = Streaming(
                    line, 0, 1, self._count(_REFERENCE_PER_SECOND), _REFERENCE_PER_SECOND
                ).result()
                rows.append(loss_error(loss_ratio, stream.sent, len(stream.number)))
        return {"losses": tuple(rows)}

    def _falling(self) -> dict[str, Any]:
        """Errors are against the slope's line; a fall of a millisecond at once follows, for the order."""
        count = self._count(_REFERENCE_PER_SECOND)
        with self._line() as line:
            line.set(Setting(delay_ns=_REFERENCE_NS, slope_ns_per_s=SLOPE_NS_PER_S))
            began_ns = time.monotonic_ns()
            stream = Streaming(line, 0, 1, count, _REFERENCE_PER_SECOND).result()
            meant_ns = np.rint(
                _REFERENCE_NS + SLOPE_NS_PER_S * ((stream.sent_mono_ns - began_ns) / 1e9)
            ).astype(np.int64)
            sloping = errors_of(stream.sent, stream.number, stream.took_ns - meant_ns)

            line.set(Setting(delay_ns=_REFERENCE_NS))
            streaming = Streaming(line, 0, 1, count, _REFERENCE_PER_SECOND)
            time.sleep(count / _REFERENCE_PER_SECOND / 2)
            line.set(Setting(delay_ns=_REFERENCE_NS - MS))
            stream = streaming.result()
            stepped = errors_of(stream.sent, stream.number, stream.took_ns)
        both = replace(
            sloping,
            packets=sloping.packets + stepped.packets,
            lost=sloping.lost + stepped.lost,
            reordered=sloping.reordered + stepped.reordered,
        )
        return {"falling": Falling(SLOPE_NS_PER_S, -MS, both)}

    def _handover(self) -> dict[str, Any]:
        count = self._count(_REFERENCE_PER_SECOND)
        with self._detour(_REFERENCE_NS, _REFERENCE_NS + MS) as line:
            streaming = Streaming(line, 0, 1, count, _REFERENCE_PER_SECOND)
            time.sleep(count / _REFERENCE_PER_SECOND / 2)
            line.hand_over()
            stream = streaming.result()
        errors = errors_of(stream.sent, stream.number, stream.took_ns)
        gaps_ns = np.diff(np.sort(stream.received_mono_ns))
        largest = int(gaps_ns.max(initial=0))
        return {"handover": Handover(MS, stream.sent, errors.lost, errors.reordered, largest)}

    def _small_packets(self) -> dict[str, Any]:
        best, first_loss = 0, None
        with self._line() as line:
            line.set(Setting(delay_ns=MS))
            for per_second in SMALL_PER_SECOND[1::2] if self._quick else SMALL_PER_SECOND:
                count = per_second // 4 if self._quick else per_second
                stream = Streaming(line, 0, 1, count, per_second, payload_bytes=SMALL_BYTES, burst=8).result()
                reached = round(1e9 * stream.sent / stream.sending_ns)
                if len(stream.number) < stream.sent:
                    first_loss = reached
                    break
                best = max(best, reached)
                if reached < 0.9 * per_second:
                    break  # the sender itself does no more
        return {"small_packets": SmallPackets(best, first_loss)}

    def _commands(self) -> dict[str, Any]:
        command = self._fabric_command if self._plane == "fabric" else self._command
        return {"commands": tuple(command(n) for n in (SIZES[:2] if self._quick else SIZES))}

    def _fabric_command(self, n_satellites: int) -> Command:
        """The same lasers on a torus: values computed, written, and published as an epoch."""
        with grid(n_satellites, self._wait) as (plane, a, b):
            routes, epoch = no_routes(n_satellites), None
            took_ns = []
            for i in range(11):
                links = links_of(a, b, Setting(), _REFERENCE_NS + 1000 * i)
                began_ns = time.monotonic_ns()
                epoch = commit(plane, epoch, links, routes)
                took_ns.append(time.monotonic_ns() - began_ns)
            return Command(n_satellites, len(a), round(statistics.median(took_ns[1:])))

    def _command(self, n_satellites: int) -> Command:
        """Two links a satellite, as in a +Grid, all between two namespaces; ten times over."""
        n_links = 2 * n_satellites
        netns = [namespaces.on_own_thread(namespaces.unshare_net) for _ in range(2)]
        backend = self._make()
        try:
            namespaces.raise_descriptor_limit(4 * n_links + 1024)
            backend.start()
            ends = [(LinkEnd(netns[0], f"e{i}"), LinkEnd(netns[1], f"w{i}")) for i in range(n_links)]
            links = backend.attach(ends)
            took_ns = []
            for i in range(11):
                parameters = Setting(delay_ns=_REFERENCE_NS + 1000 * i).parameters(links)
                began_ns = time.monotonic_ns()
                backend.apply(parameters)
                took_ns.append(time.monotonic_ns() - began_ns)
            if isinstance(backend, EndsWithNamespaces):
                backend.let_go()
            return Command(n_satellites, n_links, round(statistics.median(took_ns[1:])))
        except (BackendError, HostError) as error:
            return Command(n_satellites, n_links, None, str(error))
        finally:
            backend.close()
            for fd in netns:
                os.close(fd)

    def _grpc(self) -> dict[str, Any]:
        """Two real node processes, one of which measures the other."""
        seconds = 2.0 if self._quick else 5.0
        with self._line() as line:
            samples = [s for s in _node_samples(line, seconds) if s.ok]
        grpc_ns = [s.measured_ns for s in samples if s.kind == "grpc"]
        udp_ns = [s.measured_ns for s in samples if s.kind == "udp"]
        if not grpc_ns or not udp_ns:
            raise RunError("no call came through between two node processes: is the machine overloaded?")
        p50, p99 = np.percentile(grpc_ns, [50, 99])
        return {"grpc": Grpc(len(grpc_ns), round(p50), round(p99), round(float(np.median(udp_ns))))}

    def _compared(self, calibration: Calibration) -> Calibration:
        """With what packets met in both planes on the same scenario, and where that does not agree."""
        plan = Plan.of(Scenario.load("pocket" if self._quick else "demo"))
        seen = tuple(look(plan, plane, "engine", self._wait) for plane in PLANES)
        own = budget_of(calibration)
        other = store.recall(
            "wired", "engine", self._wait, calibration.machine, is_awake=calibration.is_awake
        )
        wired = None if isinstance(other, str) else budget_of(other)

        def bound_ns(one: Seen, hops: int) -> float:
            budget = own if one.plane == "fabric" else wired
            return LATENESS_P99_BOUND_NS if budget is None else max(budget.path_p99_ns(hops), LEAST_BOUND_NS)

        return replace(calibration, consistency=seen, disagreements=tuple(disagreements(seen, bound_ns)))


def _node_samples(line: Lab, seconds: float) -> Iterator[Sample]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        parent = start_child(
            "node parent",
            "orbitmesh.nodes.parent",
            arguments=("--samples-fd", str(theirs.fileno())),
            pass_fds=(theirs.fileno(),),
            pickles=False,
        )
        try:
            parent.control.settimeout(60)
            probe = ProbeSpec(interval_ns=10 * MS)
            for node, name in enumerate(("node-0", "node-1")):
                spec = NodeSpec(name, "gateway", line.address(node), seed=node, probe=probe)
                order = {"op": "start", "spec": json.loads(spec.to_json())}
                fds = [line.netns_fd(node), line.mntns_fd]
                socket.send_fds(parent.control, [json.dumps(order).encode()], fds)
            for _ in range(2):
                event = json.loads(parent.control.recv(1 << 16) or b'{"event": "gone"}')
                if event["event"] != "ready":
                    raise RunError(f"a node process did not start: {event.get('reason') or event['event']}")
            peer = Peer("node-1", line.address(1))
            quiet_ns = time.monotonic_ns() + 500 * MS
            parent.control.send(
                json.dumps(
                    {
                        "op": "assign",
                        "name": "node-0",
                        "probe_peers": [{"name": peer.name, "address": peer.address}],
                        "quiet_until_mono_ns": quiet_ns,
                    }
                ).encode()
            )
            end = time.monotonic() + 0.5 + seconds
            while (left := end - time.monotonic()) > 0:
                ours.settimeout(left)
                try:
                    data = ours.recv(1 << 16)
                except TimeoutError:
                    return
                if missed.MARK not in data:  # told beside the samples
                    yield Sample.from_json(data)
        except OSError as error:
            raise RunError(f"the node processes broke down: {error}") from error
        finally:
            parent.stop(5.0)
