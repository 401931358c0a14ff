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
from datetime import UTC, datetime
from multiprocessing.connection import wait
from pathlib import Path
from types import TracebackType
from typing import Any

from ..epoch import Bool, Epoch, Nodes
from ..errors import HostError, InputError, ProcessDied, RunError
from ..orbit import Propagation
from ..plane.backend import Carrier, Lateness
from ..plane.choose import choose
from ..plane.kernel import privileges
from ..plane.kernel.awake import StayAwake
from ..plane.mesh import MeshPlane
from ..plane.network import MeshNet
from ..priority import go_before_nodes
from ..record.facts import RunFacts, RunHeader, machine_facts
from ..scenario import Scenario, scenario_hash
from .account import error_budget, run_facts
from .ahead import WINDOW
from .assignment import Assignment
from .clock import CLOCKS, Clock
from .conductor import LATE_NS, Ahead, Conductor, Tick, TickLog
from .control import ControlServer
from .endings import signals_noted
from .node_specs import node_specs, probe_peers
from .pace import Pace
from .parcels import Parcel, receive, send
from .planes import choose_plane, links_for, make_plane
from .processes import Child, describe_status, start_child
from .questions import Questions

log = logging.getLogger(__name__)

Progress = Callable[[str, int, int], None]

_READY_TIMEOUT_S = 60.0
_FINISH_TIMEOUT_S = 60.0
_LAST_REPORTS_S = 0.2
_WARM_UP_NS = 1_000_000_000
_SO_SNDBUFFORCE = 32  # asm-generic/socket.h; the socket module lacks it
_SAMPLES_BUFFER_BYTES = 8 << 20


class Emulation:
    """A mesh that lives as long as its ``with`` block.

    ``clock`` is "real", "paced", or a Clock of the caller's; ``out`` the folder
    of the record (default ``runs/<run id>``); ``links`` a backend's name or
    "auto"; ``plane`` "wired", "fabric" or "auto"; what is None comes from the
    scenario.  Raises OrbitmeshError.
    """

    # set once they are there
    nodes: Nodes
    plane: MeshPlane
    plane_reason: str
    propagation: tuple[Propagation, ...]
    backend: Carrier

    def __init__(
        self,
        scenario: Scenario,
        *,
        duration_ns: int | None = None,
        clock: str | Clock = "real",
        seed: int | None = None,
        out: Path | None = None,
        links: str | None = None,
        plane: str | None = None,
        on_progress: Progress | None = None,
    ) -> None:
        self.scenario = scenario
        self.duration_ns = duration_ns or scenario.run.duration_ns
        self.seed = scenario.run.seed if seed is None else seed
        self.run_id = f"{scenario.name}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
        self.out = Path("runs", self.run_id) if out is None else Path(out)
        self.clock = _clock(clock) if isinstance(clock, str) else clock
        self._asked_plane = plane or scenario.run.plane
        self._links = links_for(self._asked_plane, links or scenario.run.links)
        self.summary: dict[str, Any] = {}
        self.dead_nodes: dict[str, str] = {}
        self._on_progress = on_progress or (lambda stage, done, total: None)
        self._children: list[Child] = []
        self._failure: BaseException | None = None
        self._ended = threading.Event()  # the run is over, for whatever reason
        self._closing = threading.Event()
        self._nodes_stopped = threading.Event()
        self._recorded = threading.Event()
        self._introduction: queue.Queue[tuple[Nodes, Bool, tuple[Propagation, ...]]] = queue.Queue()
        self._epochs: queue.Queue[Ahead] = queue.Queue()
        self._node_events: queue.Queue[dict[str, Any]] = queue.Queue()
        self._assignment: Assignment | None = None
        self.digest: dict[str, Any] = {}  # the recorder's, of the last seconds
        self._conductor: Conductor | None = None
        self._control: ControlServer | None = None
        self._watcher: threading.Thread | None = None
        self._pace = Pace(scenario.run.step_ns)
        self._step_ns, self._last_sim_ns = scenario.run.step_ns, 0
        self._destinations: set[int] = set()
        self._destinations_lock = threading.Lock()
        self._questions = Questions(self, self._ask_for_routes, self._forget_routes)
        self.built_s = 0.0
        self.began_sim_ns: int | None = None
        self.n_ready = 0
        self._made_out = False
        self._awake: StayAwake | None = None
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
        start_ns = self.clock.sim_ns() if duration_ns is not None else self.began_sim_ns or 0
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
        scenario = self.scenario
        self._awake = StayAwake(wanted=scenario.engine.awake)
        links = choose(
            self._links,
            netem_step_ns=scenario.run.netem_step_ns,
            wait=scenario.engine.wait,
            seed=self.seed,
        ).backend
        self._make_out()
        samples_ours, samples_theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        for end in (samples_ours, samples_theirs):
            with contextlib.suppress(PermissionError):  # without root (fake links) there are no samples
                end.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, _SAMPLES_BUFFER_BYTES)
        with samples_ours, samples_theirs:
            self._ahead = self._spawn("geometry", "orbitmesh.emulator.run.ahead")
            self._recorder = self._spawn("recorder", "orbitmesh.emulator.record.process", samples_ours)
            self._parent = self._spawn("node parent", "orbitmesh.nodes.parent", samples_theirs, pickles=False)
        _tell(self._ahead, ("open", scenario, 0, scenario.run.step_ns, self.duration_ns))
        _tell(self._ahead, ("more", WINDOW))
        self._watcher = threading.Thread(target=self._watch, name="watch", daemon=True)
        self._watcher.start()

        introduced = self._await(self._introduction, _READY_TIMEOUT_S, "the geometry process")
        self.nodes, self.hosting, self.propagation = introduced
        choice = choose_plane(self._asked_plane, links.name, self.nodes.n_satellites)
        self.plane = make_plane(
            choice, self.nodes, scenario, self.hosting, links, self.seed, self._on_progress
        )
        self._destinations = set(self.hosting.nonzero()[0].tolist())
        self.plane_reason, self.backend = choice.reason, self.plane.carrier
        self.plane.on_host = lambda node: self._ask_for_routes([node])
        self.plane.on_hosts_gone = self._questions.hosts_gone
        _tell(self._recorder, ("open", self._header()))
        self.plane.net.on_stop = self._ended.set  # net.stop() ends the run, and the run its mesh
        self._conductor = Conductor(self.plane, self.clock, self._epochs, self._after_tick, self._fail)
        self.plane.build()
        self._cautions = tuple(self.backend.cautions())
        for caution in self._cautions:
            log.warning("%s", caution)
        self._conductor.first(self._await(self._epochs, _READY_TIMEOUT_S, "the first epoch"))
        self._conductor.start()
        self._control = ControlServer(self.run_id, self._questions.handlers())
        self._start_nodes()
        self._conductor.count_afresh()
        self._lateness_before = self.backend.lateness()
        self.built_s = (time.monotonic_ns() - began_ns) / 1e9
        self.began_sim_ns = self.clock.sim_ns()

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
        while self.n_ready < len(specs):
            event = self._await(self._node_events, _READY_TIMEOUT_S, "the node processes")
            if event["event"] == "ready":
                self.n_ready += 1
                self._on_progress("node processes", self.n_ready, len(specs))
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
        assert self._awake is not None
        awake = self._awake.state
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
            plane=self.plane.name,
            backend=self.backend.name,
            clock=self.clock.name,
            rate_scale=run.rate_scale,
            nodes=self.nodes,
            propagation=tuple(asdict(each) for each in self.propagation),
            machine=machine,
            awake=awake.to_dict(),
            error_budget=error_budget(self.plane.name, self.backend, machine, is_awake=awake.held),
            addresses={self.nodes.names[node]: self.plane.addresses[node] for node in self._recorded_nodes()},
        )

    def _recorded_nodes(self) -> list[int]:
        """Whose addresses the record names: of a fabric only those in which something runs."""
        if self.plane.name == "wired":
            return list(range(len(self.nodes)))
        return [int(node) for node in self.hosting.nonzero()[0]]

    def _facts(self, error: BaseException | None) -> RunFacts:
        assert self._conductor is not None
        return run_facts(
            error,
            self._conductor.ticks,
            self.lateness(),
            {} if self.backend.failure() else self.plane.counters(),
            emulated_ns=0 if self.began_sim_ns is None else self.clock.sim_ns() - self.began_sim_ns,
            build_ns=round(self.built_s * 1e9),
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
            if self._awake is not None:
                stack.callback(self._awake.close)
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
                stack.callback(self._stop_conductor, self._conductor)
                stack.callback(self._stop_nodes)

    def _stop_conductor(self, conductor: Conductor) -> None:
        conductor.stop()
        if self._failure is None and self.began_sim_ns is not None:
            conductor.note_overdue(self._step_ns)

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
        go_before_nodes()
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
            if hasattr(self, "backend") and (reason := self.backend.failure()) is not None:
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
        message = receive(self._ahead.control)
        match message[0]:
            case "nodes":
                for caution in message[3]:
                    log.warning("%s", caution)
                self._introduction.put((message[1], message[2], message[4]))
            case "epoch":
                _, parcel, assignment, computed_ns = message
                self._epochs.put(Ahead(parcel.open(), assignment, computed_ns, parcel))
            case "routes":
                if self._conductor is not None:
                    self._conductor.more_routes(message[1])
                    self._questions.ticked()
            case "error":
                self._fail(message[1])

    def _from_recorder(self) -> None:
        message = self._recorder.control.recv()
        match message[0]:
            case "digest":
                self.digest = message[1]
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
            case "exited" | "failed" if not self._ended.is_set() and self.began_sim_ns is not None:
                how = event.get("reason") or describe_status(event["status"])
                log.warning("node %s died: %s", event["name"], how)
                self.dead_nodes[event["name"]] = how
            case _:
                self._node_events.put(event)

    def _after_tick(self, tick: Tick) -> None:
        _tell(self._ahead, ("more", 1))
        self._record(tick)
        if self.scenario.run.lengthen_step and self.began_sim_ns is not None:
            self._keep_pace(tick)
        self._note_step(tick.epoch.sim_ns)
        before, self._assignment = self._assignment, tick.assignment
        if self.began_sim_ns is not None:
            self._nearest_changed(before, tick.assignment)
        self._questions.ticked()

    def _record(self, tick: Tick) -> None:
        parcel = Parcel.pack(tick.epoch) if tick.parcel is None else tick.parcel
        when = (tick.t0_mono_ns, tick.began_mono_ns, tick.ended_mono_ns)
        with contextlib.suppress(OSError):  # it has gone: the watcher says so, and why
            send(self._recorder.control, "epoch", parcel, tick.more, *when)
        parcel.close()

    def _keep_pace(self, tick: Tick) -> None:
        step_ns = self._pace.after(tick.computed_ns, tick.applied_ns, is_late=tick.late_ns > LATE_NS)
        if step_ns is not None:
            _tell(self._ahead, ("step", step_ns))

    def _note_step(self, sim_ns: int) -> None:
        """Say it where epochs have begun to come further apart."""
        apart_ns, self._last_sim_ns = sim_ns - self._last_sim_ns, sim_ns
        if apart_ns > self._step_ns:
            self._step_ns = apart_ns
            told = f"ticks took longer than their period: since {sim_ns / 1e9:g} s it is {apart_ns / 1e9:g} s"
            log.warning("%s", told)
            self._cautions += (told,)

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
        return self._questions.status()

    def route_to(self, names: Sequence[str]) -> None:
        """Make nodes destinations that every node has a route to; returns when the routes are in force."""
        self._questions.route_to(names)

    def path(self, source: str, destination: str) -> dict[str, Any]:
        """``path`` as names (None where there is none), ``hops`` and one-way ``delay_ns``, as routed now."""
        return self._questions.path(source, destination)

    def end(self) -> None:
        """Let ``wait`` and ``hold`` return."""
        self._ended.set()

    @property
    def ticks(self) -> TickLog | None:
        return self._conductor.ticks if self._conductor else None

    @property
    def epoch(self) -> Epoch | None:
        """The one in force."""
        return self._conductor.current if self._conductor else None

    def lateness(self) -> Lateness | None:
        """Of the packets, since the mesh was built."""
        now, before = self.backend.lateness(), self._lateness_before
        return now if now is None or before is None else now.since(before)

    def _ask_for_routes(self, nodes: Sequence[int]) -> None:
        """InputError where there is no room for so many."""
        with self._destinations_lock:
            wanted = self._destinations.union(nodes)
            self.plane.check_room(len(wanted))
            self._destinations = wanted
        _tell(self._ahead, ("destinations", list(nodes)))

    def _forget_routes(self, nodes: Sequence[int]) -> None:
        with self._destinations_lock:
            self._destinations -= set(nodes)
        _tell(self._ahead, ("forget", list(nodes)))


def _tell(child: Child, message: tuple[Any, ...]) -> None:
    with contextlib.suppress(OSError):  # it has gone: the watcher says which, and why
        child.control.send(message)


def _clock(name: str) -> Clock:
    try:
        return CLOCKS[name]()
    except KeyError:
        raise InputError(f"no clock is named {name!r}; there are {', '.join(CLOCKS)}") from None
