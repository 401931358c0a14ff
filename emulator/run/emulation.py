"""A running mesh, from its first process to its last.

``with Emulation(Scenario.load("demo")) as mesh:`` builds it; ``mesh.wait()``
lets it run; leaving the block ends it, whatever happened inside, and writes
the summary.  All that it makes is held by open descriptors and child
processes, so that even SIGKILL leaves nothing behind.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import secrets
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import wait
from pathlib import Path
from types import TracebackType
from typing import Any

from ..epoch import Bool, Epoch, Nodes
from ..errors import HostError, InputError, ProcessDied, RunError
from ..plane import privileges
from ..plane.backend import Lateness, LinkBackend
from ..plane.choose import choose
from ..plane.network import MeshNet
from ..plane.plane import Plane
from ..record.facts import RunFacts, RunHeader, machine_facts
from ..scenario import Scenario, scenario_hash
from ..scenario.check import suggest
from .account import error_budget, run_facts
from .ahead import WINDOW
from .assignment import Assignment
from .clock import CLOCKS, Clock
from .conductor import Ahead, Conductor, Tick
from .control import ControlServer
from .endings import signals_noted
from .node_specs import node_specs, probe_peers
from .processes import Child, describe_status, start_child

log = logging.getLogger(__name__)

Progress = Callable[[str, int, int], None]

_READY_TIMEOUT_S = 60.0
_FINISH_TIMEOUT_S = 60.0
_ROUTE_TIMEOUT_S = 10.0
_LAST_REPORTS_S = 0.2
_WARM_UP_NS = 1_000_000_000
_SO_SNDBUFFORCE = 32  # asm-generic/socket.h; the socket module lacks it
_SAMPLES_BUFFER_BYTES = 8 << 20


class Emulation:
    """A mesh that lives as long as its ``with`` block.

    ``clock`` is "real", "paced", or a Clock of the caller's; ``out`` the folder
    of the record (default ``runs/<run id>``); ``links`` a backend's name or
    "auto"; what is None comes from the scenario.  Raises OrbitmeshError.
    """

    # set once they are there
    nodes: Nodes
    plane: Plane
    backend: LinkBackend

    def __init__(
        self,
        scenario: Scenario,
        *,
        duration_ns: int | None = None,
        clock: str | Clock = "real",
        seed: int | None = None,
        out: Path | None = None,
        links: str | None = None,
        on_progress: Progress | None = None,
    ) -> None:
        self.scenario = scenario
        self.duration_ns = duration_ns or scenario.run.duration_ns
        self.seed = scenario.run.seed if seed is None else seed
        self.run_id = f"{scenario.name}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
        self.out = Path("runs", self.run_id) if out is None else Path(out)
        self.clock = _clock(clock) if isinstance(clock, str) else clock
        self._links = links or scenario.run.links
        self.summary: dict[str, Any] = {}
        self.dead_nodes: dict[str, str] = {}
        self._on_progress = on_progress or (lambda stage, done, total: None)
        self._children: list[Child] = []
        self._failure: BaseException | None = None
        self._ended = threading.Event()  # the run is over, for whatever reason
        self._closing = threading.Event()
        self._nodes_stopped = threading.Event()
        self._recorded = threading.Event()
        self._introduction: queue.Queue[tuple[Nodes, Bool]] = queue.Queue()
        self._epochs: queue.Queue[Ahead] = queue.Queue()
        self._node_events: queue.Queue[dict[str, Any]] = queue.Queue()
        self._ticked = threading.Condition()
        self._assignment: Assignment | None = None
        self._digest: dict[str, Any] = {}
        self._conductor: Conductor | None = None
        self._control: ControlServer | None = None
        self._watcher: threading.Thread | None = None
        self._built_s = 0.0
        self._began_sim_ns: int | None = None
        self._n_ready = 0
        self._made_out = False
        self._cautions: tuple[str, ...] = ()
        self._lateness_before: Lateness | None = None

    # ---- life cycle

    def __enter__(self) -> Emulation:
        try:
            self._start()
        except BaseException as error:
            self._close(error)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close(error or self._failure)
        if error is None:
            self._check()  # what the recorder found in the last samples

    @property
    def net(self) -> MeshNet:
        """The Mininet object."""
        return self.plane.net

    def wait(self, duration_ns: int | None = None) -> None:
        """Let the mesh run for a duration of emulated time, by default the rest of the run's.

        Returns early when ``orbitmesh down`` ends the run; raises RunError where something died.
        """
        start_ns = self.clock.sim_ns() if duration_ns is not None else self._began_sim_ns or 0
        end_ns = start_ns + (duration_ns if duration_ns is not None else self.duration_ns)
        while (left_ns := end_ns - self.clock.sim_ns()) > 0:
            if self._ended.wait(min(left_ns / 1e9, 0.5)):
                break
        self._check()

    def hold(self) -> None:
        """Keep the mesh until ``orbitmesh down``, Ctrl-C, or a failure."""
        self._ended.wait()
        self._check()

    @property
    def ended(self) -> bool:
        return self._ended.is_set()

    def _start(self) -> None:
        began_ns = time.monotonic_ns()
        self._began_utc = datetime.now(UTC)
        if self._links != "fake":  # that one makes nothing in the kernel
            privileges.require(tun=self._links == "engine")
        self.backend = choose(self._links, netem_step_ns=self.scenario.run.netem_step_ns).backend
        self._make_out()
        samples_ours, samples_theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        for end in (samples_ours, samples_theirs):
            with contextlib.suppress(PermissionError):  # without root (fake links) there are no samples
                end.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, _SAMPLES_BUFFER_BYTES)
        with samples_ours, samples_theirs:
            self._ahead = self._spawn("geometry", "orbitmesh.emulator.run.ahead")
            self._recorder = self._spawn("recorder", "orbitmesh.emulator.record.process", samples_ours)
            self._parent = self._spawn("node parent", "orbitmesh.nodes.parent", samples_theirs, pickles=False)
        _tell(self._ahead, ("open", self.scenario, 0, self.scenario.run.step_ns, self.duration_ns))
        _tell(self._ahead, ("more", WINDOW))
        self._watcher = threading.Thread(target=self._watch, name="watch", daemon=True)
        self._watcher.start()

        self.nodes, self.hosting = self._await(self._introduction, _READY_TIMEOUT_S, "the geometry process")
        self.plane = Plane(self.nodes, self.scenario, self.backend, self._on_progress)
        _tell(self._recorder, ("open", self._header()))
        self.plane.net.on_stop = self._ended.set  # net.stop() ends the run, and the run its mesh
        self._conductor = Conductor(self.plane, self.clock, self._epochs, self._after_tick, self._fail)
        self.plane.build()
        self._cautions = tuple(self.backend.cautions())
        for caution in self._cautions:
            log.warning("%s", caution)
        self._conductor.first(self._await(self._epochs, _READY_TIMEOUT_S, "the first epoch"))
        self._conductor.start()
        self._control = ControlServer(
            self.run_id,
            {
                "status": self._do_status,
                "enter": self._do_enter,
                "path": self._do_path,
                "down": self._do_down,
            },
        )
        self._start_nodes()
        self._conductor.count_afresh()
        self._lateness_before = self.backend.lateness()
        self._built_s = (time.monotonic_ns() - began_ns) / 1e9
        self._began_sim_ns = self.clock.sim_ns()

    def _make_out(self) -> None:
        try:
            self._made_out = not self.out.exists()
            self.out.mkdir(parents=True, exist_ok=True)
            if any(self.out.iterdir()):
                raise InputError(f"{self.out} is not empty; name another folder with --out, or remove it")
        except OSError as error:
            raise HostError(
                f"cannot make the run's folder {self.out}: {error.strerror}; name another with --out"
            ) from error

    def _spawn(
        self, name: str, module: str, samples: socket.socket | None = None, *, pickles: bool = True
    ) -> Child:
        arguments = () if samples is None else ("--samples-fd", str(samples.fileno()))
        fds = () if samples is None else (samples.fileno(),)
        child = start_child(name, module, arguments=arguments, pass_fds=fds, pickles=pickles)
        self._children.append(child)
        return child

    def _start_nodes(self) -> None:
        assert self._assignment is not None
        if self.backend.name == "fake":
            return  # there is no network that a process could be in
        specs = node_specs(self.nodes, self.hosting, self.scenario.compute, self.seed, self._address)
        for spec in specs:
            fds = [self.plane.netns_fd(self.nodes.index[spec.name]), self.plane.mntns_fd]
            message = json.dumps({"op": "start", "spec": json.loads(spec.to_json())}).encode()
            try:
                socket.send_fds(self._parent.control, [message], fds)
            except OSError as error:
                raise ProcessDied(f"the node parent takes no orders: {error.strerror}") from error
        while self._n_ready < len(specs):
            event = self._await(self._node_events, _READY_TIMEOUT_S, "the node processes")
            if event["event"] == "ready":
                self._n_ready += 1
                self._on_progress("node processes", self._n_ready, len(specs))
            else:
                raise ProcessDied(
                    f"node {event['name']} did not start: {event.get('reason') or event.get('status')}"
                )
        # All nodes connect at once; what is measured meanwhile would be that crowd, not the mesh.
        quiet_until_ns = time.monotonic_ns() + _WARM_UP_NS
        self._nearest_changed(None, self._assignment, quiet_until_mono_ns=quiet_until_ns)
        while (left_ns := quiet_until_ns - time.monotonic_ns()) > 0:
            self._ended.wait(left_ns / 1e9)
            self._check()

    def _address(self, node: int) -> str:
        return self.plane.addresses[node]

    def _header(self) -> RunHeader:
        run = self.scenario.run
        machine = machine_facts()
        return RunHeader(
            run_id=self.run_id,
            out=self.out.absolute(),
            scenario_name=self.scenario.name,
            scenario_title=self.scenario.title,
            scenario_hash=scenario_hash(self.scenario),
            seed=self.seed,
            start_utc=run.start_utc,
            began_utc=self._began_utc,
            duration_ns=self.duration_ns,
            step_ns=run.step_ns,
            backend=self.backend.name,
            clock=self.clock.name,
            rate_scale=run.rate_scale,
            nodes=self.nodes,
            machine=machine,
            error_budget=error_budget(self.backend, machine),
            addresses={name: self.plane.addresses[node] for node, name in enumerate(self.nodes.names)},
        )

    def _facts(self, error: BaseException | None) -> RunFacts:
        assert self._conductor is not None
        return run_facts(
            error,
            self._conductor.ticks,
            self._lateness(),
            {} if self.backend.failure() else self.plane.counters(),
            emulated_ns=0 if self._began_sim_ns is None else self.clock.sim_ns() - self._began_sim_ns,
            build_ns=round(self._built_s * 1e9),
            clock_held_ns=getattr(self.clock, "held_ns", 0),
            dead_nodes=dict(self.dead_nodes),
            # some backends know only at the end what made them less exact
            warnings=tuple(dict.fromkeys([*self._cautions, *self.backend.cautions()])),
        )

    # ---- the end

    def _close(self, error: BaseException | None) -> None:
        """End everything; each step also when the one before failed."""
        self._ended.set()
        with signals_noted(), contextlib.ExitStack() as stack:
            stack.callback(self._give_to_user)
            stack.callback(self._remove_empty_out)
            if self._control is not None:
                stack.callback(self._control.close)  # its end tells waiting clients that all is gone
            for child in self._children:
                stack.callback(child.stop, 5.0)
            if hasattr(self, "backend"):
                stack.callback(self.backend.close)
            if hasattr(self, "plane"):
                stack.callback(self.plane.close)
            stack.callback(self._stop_watching)
            if self._conductor is not None:
                stack.callback(self._finish_record, error)
                stack.callback(self._conductor.stop)
                stack.callback(self._stop_nodes)

    def _stop_nodes(self) -> None:
        with contextlib.suppress(OSError):  # it may be what died
            # all first stop to report: a node that ends breaks off what another waits for
            self._parent.control.send(b'{"op":"end"}')
            self._nodes_stopped.wait(_LAST_REPORTS_S)
            self._parent.control.send(b'{"op":"stop"}')
            self._nodes_stopped.wait(5.0)

    def _stop_watching(self) -> None:
        self._closing.set()
        if self._watcher is not None:
            self._watcher.join()

    def _finish_record(self, error: BaseException | None) -> None:
        with contextlib.suppress(OSError):  # it may be what died
            self._recorder.control.send(("finish", self._facts(error)))
            if not self._recorded.wait(_FINISH_TIMEOUT_S):
                log.error(
                    "the recorder did not finish within %.0f s; read %s with: orbitmesh report",
                    _FINISH_TIMEOUT_S,
                    self.out,
                )

    def _remove_empty_out(self) -> None:
        """A run that was refused before it began leaves no folder of its own."""
        if self._made_out:
            with contextlib.suppress(OSError):  # there is something in it: the record
                self.out.rmdir()

    def _give_to_user(self) -> None:
        """A run under sudo leaves its record to whoever called it."""
        if os.geteuid() == 0 and (uid := os.environ.get("SUDO_UID")) and self.out.exists():
            gid = int(os.environ.get("SUDO_GID", uid))
            for path in (self.out, *self.out.rglob("*")):
                os.chown(path, int(uid), gid, follow_symlinks=False)

    # ---- what happens while it runs (in the watcher's and the conductor's threads)

    def _fail(self, error: BaseException) -> None:
        if self._failure is None and not self._closing.is_set():
            self._failure = error
            self._ended.set()

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _await(self, source: queue.Queue[Any], timeout_s: float, what: str) -> Any:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            self._check()
            with contextlib.suppress(queue.Empty):
                return source.get(timeout=0.05)
        self._check()
        raise RunError(f"{what} did not answer within {timeout_s:.0f} s; is the machine overloaded?")

    def _watch(self) -> None:
        handlers: dict[Any, tuple[Child, Callable[[], None]]] = {
            self._ahead.control: (self._ahead, self._from_ahead),
            self._recorder.control: (self._recorder, self._from_recorder),
            self._parent.control: (self._parent, self._from_parent),
        }
        while not self._closing.is_set():
            for source in wait(list(handlers), timeout=0.1):
                child, handle = handlers[source]
                try:
                    handle()
                except (EOFError, ConnectionError):
                    del handlers[source]
                    self._died(child)
                except BaseException as error:  # never watch on half-blind
                    del handlers[source]
                    self._fail(error)
            if (reason := self.backend.failure()) is not None:
                self._fail(ProcessDied(f"the link engine died: {reason}"))

    def _died(self, child: Child) -> None:
        with contextlib.suppress(Exception):
            child.process.wait(2.0)
        self._nodes_stopped.set()
        if child is self._recorder:
            self._recorded.set()
        if not self._ended.is_set():
            self._fail(
                ProcessDied(f"the {child.name} process died: {child.ended() or 'it closed its socket'}")
            )

    def _from_ahead(self) -> None:
        message = self._ahead.control.recv()
        match message[0]:
            case "nodes":
                self._introduction.put((message[1], message[2]))
            case "epoch":
                self._epochs.put(Ahead(*message[1:]))
            case "error":
                self._fail(message[1])

    def _from_recorder(self) -> None:
        message = self._recorder.control.recv()
        match message[0]:
            case "digest":
                self._digest = message[1]
            case "fault":
                self._fail(message[1])
            case "finished":
                self.summary = message[1]
                self._recorded.set()

    def _from_parent(self) -> None:
        data = self._parent.control.recv(1 << 16)
        if not data:
            raise EOFError
        event = json.loads(data)
        match event["event"]:
            case "stopped":
                self._nodes_stopped.set()
            case "exited" | "failed" if not self._ended.is_set() and self._began_sim_ns is not None:
                how = event.get("reason") or describe_status(event["status"])
                log.warning("node %s died: %s", event["name"], how)
                self.dead_nodes[event["name"]] = how
            case _:
                self._node_events.put(event)

    def _after_tick(self, tick: Tick) -> None:
        _tell(self._ahead, ("more", 1))
        _tell(self._recorder, ("epoch", tick.epoch, tick.t0_mono_ns, tick.began_mono_ns, tick.ended_mono_ns))
        before, self._assignment = self._assignment, tick.assignment
        if self._began_sim_ns is not None:
            self._nearest_changed(before, tick.assignment)
        with self._ticked:
            self._ticked.notify_all()

    def _nearest_changed(self, before: Assignment | None, now: Assignment, **more: int) -> None:
        """Tell each node what is new to it; ``more`` goes into each order."""
        for satellite, gateways in now.probe_gateways.items():
            if before is None or before.probe_gateways.get(satellite) != gateways:
                peers = [asdict(peer) for peer in probe_peers(self.nodes, gateways, self._address)]
                self._order(
                    {"op": "assign", "name": self.nodes.names[satellite], "probe_peers": peers} | more
                )
        for gateway, nearest in now.nearest.items():
            if before is None or before.nearest.get(gateway) != nearest:
                name = None if nearest is None else self.nodes.names[nearest]
                self._order({"op": "assign", "name": self.nodes.names[gateway], "nearest": name} | more)

    def _order(self, message: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):  # the watcher says that the parent died
            self._parent.control.send(json.dumps(message).encode())

    # ---- questions from outside

    def status(self) -> dict[str, Any]:
        """The run now, for a screen: times, ticks, links, and the recorder's digest per gateway."""
        ticks = self._conductor.ticks if self._conductor else None
        epoch = self._conductor.current if self._conductor else None
        began_ns = self._began_sim_ns
        sim_ns = self.clock.sim_ns()
        lateness = self._lateness()
        return {
            "run_id": self.run_id,
            "scenario": self.scenario.name,
            "out": str(self.out.absolute()),
            "pid": os.getpid(),
            "backend": self.backend.name,
            "clock": self.clock.name,
            "sim_utc": (self.scenario.run.start_utc + timedelta(microseconds=sim_ns // 1000)).isoformat(),
            "built_s": self._built_s,
            "elapsed_s": 0.0 if began_ns is None else (sim_ns - began_ns) / 1e9,
            "duration_s": self.duration_ns / 1e9,
            "satellites": self.nodes.n_satellites,
            "gateways": self.nodes.n_gateways,
            "nodes_ready": self._n_ready,
            "dead_nodes": dict(self.dead_nodes),
            "lasers": 0 if epoch is None else int((epoch.links.kind == 0).sum()),
            "ground_links": 0 if epoch is None else int((epoch.links.kind == 1).sum()),
            "ticks": len(ticks.cost_ns) if ticks else 0,
            "late_ticks": len(ticks.late) if ticks else 0,
            "engine_lateness_p50_ns": lateness.quantile_ns(0.5) if lateness else None,
            "engine_lateness_p99_ns": lateness.quantile_ns(0.99) if lateness else None,
            "engine_lateness_max_ns": lateness.max_ns if lateness else None,
            "digest": self._digest,
        }

    def _lateness(self) -> Lateness | None:
        """The backend's, since the mesh was built."""
        now, before = self.backend.lateness(), self._lateness_before
        return now if now is None or before is None else now.since(before)

    def route_to(self, names: Sequence[str]) -> None:
        """Make nodes destinations that every node has a route to; returns when the routes are in force."""
        wanted = [self._node(name) for name in names]
        if self._all_routed(wanted):
            return
        self._ahead.control.send(("destinations", wanted))
        with self._ticked:
            if not self._ticked.wait_for(lambda: self._all_routed(wanted) or self.ended, _ROUTE_TIMEOUT_S):
                raise RunError(
                    f"no routes to {', '.join(names)} within {_ROUTE_TIMEOUT_S:.0f} s; are the ticks late?"
                )

    def _all_routed(self, wanted: Sequence[int]) -> bool:
        epoch = self._epoch()
        return set(wanted) <= set(epoch.routes.destinations.tolist())

    def path(self, source: str, destination: str) -> dict[str, Any]:
        """``path`` as names (None where there is none), ``hops`` and one-way ``delay_ns``, as routed now."""
        a, b = self._node(source), self._node(destination)
        self.route_to([source, destination])
        epoch = self._epoch()
        path = epoch.path(a, b)
        if path is None:
            return {"path": None, "hops": None, "delay_ns": None}
        return {
            "path": [self.nodes.names[node] for node in path],
            "hops": len(path) - 1,
            "delay_ns": epoch.path_delay_ns(path, self.clock.sim_ns()),
        }

    def _epoch(self) -> Epoch:
        assert self._conductor is not None
        assert self._conductor.current is not None
        return self._conductor.current

    def _node(self, name: str) -> int:
        try:
            return self.nodes.index[name]
        except KeyError:
            known = (
                *self.nodes.names[self.nodes.n_satellites :],
                *self.nodes.names[: self.nodes.n_satellites],
            )
            raise InputError(f"there is no node {name!r}: {suggest(name, known, 'nodes')}") from None

    def _do_status(self, request: dict[str, Any]) -> tuple[dict[str, Any], Sequence[int]]:
        return self.status(), ()

    def _do_enter(self, request: dict[str, Any]) -> tuple[dict[str, Any], Sequence[int]]:
        node = self._node(request["node"])
        self.route_to([request["node"]])
        return {}, (self.plane.netns_fd(node), self.plane.program_mntns_fd(node))

    def _do_path(self, request: dict[str, Any]) -> tuple[dict[str, Any], Sequence[int]]:
        return self.path(request["source"], request["destination"]), ()

    def _do_down(self, request: dict[str, Any]) -> tuple[dict[str, Any], Sequence[int]]:
        self._ended.set()
        return {}, ()


def _tell(child: Child, message: tuple[Any, ...]) -> None:
    with contextlib.suppress(OSError):  # it has gone: the watcher says which, and why
        child.control.send(message)


def _clock(name: str) -> Clock:
    try:
        return CLOCKS[name]()
    except KeyError:
        raise InputError(f"no clock is named {name!r}; there are {', '.join(CLOCKS)}") from None
