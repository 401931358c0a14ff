"""A running mesh, from its first process to its last.

``with Emulation(Scenario.load("demo")) as mesh:`` builds it; ``mesh.wait()``
lets it run; leaving the block ends it, whatever happened inside, and writes
the summary.  All that it makes is held by open descriptors and child
processes, so that even SIGKILL leaves nothing behind.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from ..control.server import ControlServer
from ..epoch import Bool, Epoch, Nodes
from ..errors import InputError
from ..feed.feed import Feed
from ..orbit import Propagation
from ..plane.backend import Carrier, Lateness, LinkBackend
from ..plane.choose import choose
from ..plane.kernel import privileges
from ..plane.kernel.awake import StayAwake
from ..plane.mesh import MeshPlane
from ..plane.mininet import MeshNet
from ..record.due import Schedule
from ..record.facts import RunFacts, RunHeader, machine_facts
from ..run_names import make_run_id
from ..safe_files import Folder
from ..scenario import Scenario, scenario_hash
from .account import error_budget, run_facts
from .assignment import Assignment
from .clock import CLOCKS, Clock
from .conductor import Conductor, Tick, TickLog
from .endings import release_ending, signals_noted, summarise_without_recorder, tell_failure
from .folder import RunFolder
from .geometry_process import GeometryProcess
from .lateness_log import LatenessLog
from .news import News, StepWatch, publish
from .node_processes import NodeProcesses
from .node_specs import node_specs, schedule_of
from .planes import choose_plane, links_for, make_plane
from .questions import Questions
from .recorder_process import RecorderProcess
from .supervision import Supervision

log = logging.getLogger(__name__)

Progress = Callable[[str, int, int], None]

_READY_TIMEOUT_S = 60.0
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
    hosting: Bool
    plane: MeshPlane
    plane_reason: str
    propagation: tuple[Propagation, ...]
    offsets: tuple[str, ...]  # of each shell, which slots +grid joins across planes
    ground_links: str  # by which policy stations choose satellites
    backend: Carrier
    _awake: StayAwake | None = None
    _conductor: Conductor | None = None
    _control: ControlServer | None = None
    _recorder: RecorderProcess | None = None
    _is_recorded = False  # there is a record: it gets a summary, however the run goes
    _node_processes: NodeProcesses | None = None

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
        self.run_id = make_run_id(scenario.name, datetime.now(UTC))
        self.clock = _clock(clock) if isinstance(clock, str) else clock
        self.built_s = 0.0
        self.began_sim_ns: int | None = None
        self._asked_plane = plane or scenario.run.plane
        self._links = links_for(self._asked_plane, links or scenario.run.links)
        self._on_progress = on_progress or (lambda stage, done, total: None)
        self._folder = RunFolder(Path("runs", self.run_id) if out is None else Path(out))
        self._supervision = Supervision()
        self._news = News()
        self.feed = Feed()  # for whoever watches
        self._steps = StepWatch(
            scenario.run, lambda step_ns: self._geometry.lengthen_step(step_ns), self._warn
        )
        self._questions = Questions(self, self._ask_for_routes, self._forget_routes)
        self.summary: dict[str, Any] = {}  # as it was written; empty until the run has ended
        self._assignment: Assignment | None = None
        self._cautions: tuple[str, ...] = ()
        self._lateness_before: Lateness | None = None
        self._lateness_log: LatenessLog | None = None
        self._began_mono_ns: int | None = None  # the nodes' measuring, and its end
        self._ended_mono_ns: int | None = None

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
        self._close(error)
        if error is None:
            self._supervision.check()  # what the recorder found in the last samples

    def wait(self, duration_ns: int | None = None) -> None:
        """Let the mesh run for a duration of emulated time, by default the rest of the run's.

        Returns early when ``orbitmesh down`` ends the run; raises RunError where something died.
        """
        start_ns = self.clock.sim_ns() if duration_ns is not None else self.began_sim_ns or 0
        end_ns = start_ns + (duration_ns if duration_ns is not None else self.duration_ns)
        while (left_ns := end_ns - self.clock.sim_ns()) > 0:
            if self._supervision.ended.wait(min(left_ns / 1e9, 0.5)):
                break
        self._supervision.check()

    def hold(self) -> None:
        """Keep the mesh until ``orbitmesh down``, Ctrl-C, or a failure."""
        self._supervision.ended.wait()
        self._supervision.check()

    def end(self) -> None:
        """Let ``wait`` and ``hold`` return."""
        self._supervision.ended.set()

    @property
    def ended(self) -> bool:
        return self._supervision.ended.is_set()

    # ---- the start

    def _start(self) -> None:
        began_ns = time.monotonic_ns()
        self._began_utc = datetime.now(UTC)
        links = self._choose_links()
        self._folder.make()
        self._start_processes()
        self._make_plane(links)
        self._record.open(self._header())
        self._is_recorded = True
        self._build()
        self._begin_ticks()
        self._control = ControlServer(self.run_id, self._questions.handlers())
        self._start_nodes()
        self._count_afresh()
        self.built_s = (time.monotonic_ns() - began_ns) / 1e9
        self.began_sim_ns = self.clock.sim_ns()
        self._began_mono_ns = time.monotonic_ns()
        self._steps.is_running = True

    def _choose_links(self) -> LinkBackend:
        if self._links != "fake":  # that one makes nothing in the kernel
            privileges.require(tun=self._links == "engine")
        scenario = self.scenario
        self._awake = StayAwake(wanted=scenario.engine.awake)
        return choose(
            self._links,
            netem_step_ns=scenario.run.netem_step_ns,
            wait=scenario.engine.wait,
            seed=self.seed,
        ).backend

    def _start_processes(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        for end in (ours, theirs):
            with contextlib.suppress(PermissionError):  # without root (fake links) there are no samples
                end.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, _SAMPLES_BUFFER_BYTES)
        with ours, theirs:
            self._geometry = GeometryProcess(self._supervision)
            self._recorder = RecorderProcess(self._supervision, ours, self.feed, self._folder.opened)
            self._node_processes = NodeProcesses(self._supervision, theirs, self.feed)
        self._geometry.open(self.scenario, self.duration_ns)
        self._supervision.watch()

    def _make_plane(self, links: LinkBackend) -> None:
        introduction = self._supervision.answer(
            self._geometry.introduction, _READY_TIMEOUT_S, "the geometry process"
        )
        self.nodes, self.hosting, self.propagation, self.offsets, self.ground_links = introduction
        choice = choose_plane(self._asked_plane, links.name, self.nodes.n_satellites)
        self.plane = make_plane(
            choice, self.nodes, self.scenario, self.hosting, links, self.seed, self._on_progress
        )
        self.plane_reason, self.backend = choice.reason, self.plane.carrier
        self._geometry.routed_from_the_start(self.hosting.nonzero()[0].tolist())
        self.plane.on_host = lambda node: self._ask_for_routes([node])
        self.plane.on_hosts_gone = self._questions.hosts_gone
        self.plane.net.route_first = self.route_to
        self.plane.net.on_stop = self.end  # net.stop() ends the run, and the run its mesh

    def _build(self) -> None:
        self._supervision.watch_over(self.backend.failure)
        self.plane.build()
        self._cautions = (*self.backend.cautions(), *self.plane.kernel.cautions())
        for caution in self._cautions:
            log.warning("%s", caution)

    def _begin_ticks(self) -> None:
        """The first epoch comes into force here; those that follow, in the conductor's thread."""
        self._news.on_tick = [
            lambda tick: self._geometry.more(),
            lambda tick: publish(self.feed, tick),
            self._steps.tick,
            self._assign,
            lambda tick: self._questions.ticked(),
        ]
        self._conductor = Conductor(
            self.plane, self.clock, self._geometry.epochs, self._news.tick, self._supervision.fail
        )
        self._geometry.on_routes = self._more_routes
        self._conductor.first(
            self._supervision.answer(self._geometry.epochs, _READY_TIMEOUT_S, "the first epoch")
        )
        self._conductor.start()

    def _start_nodes(self) -> None:
        if self.backend.name == "fake":
            return  # there is no network that a process could be in
        specs = node_specs(self.nodes, self.hosting, self.scenario.compute, self.seed, self._address)
        self._orders.start(specs, self.plane, self._on_progress)
        # All nodes connect at once; what is measured meanwhile would be that crowd, not the mesh.
        quiet_until_ns = time.monotonic_ns() + _WARM_UP_NS
        assert self._assignment is not None
        self._orders.assign(
            None, self._assignment, self.nodes, self._address, quiet_until_mono_ns=quiet_until_ns
        )
        while (left_ns := quiet_until_ns - time.monotonic_ns()) > 0:
            self._supervision.ended.wait(left_ns / 1e9)
            self._supervision.check()

    def _count_afresh(self) -> None:
        """While the mesh was built, ticks and packets said nothing of how it runs."""
        assert self._conductor is not None
        self._conductor.count_afresh()
        self._lateness_before = self.backend.lateness()
        self._lateness_log = LatenessLog(self.backend)
        self._lateness_log.start()

    # ---- the end

    def _close(self, error: BaseException | None) -> None:
        """End everything, last first; each step also when the one before failed."""
        self.end()
        with signals_noted(), contextlib.ExitStack() as last_first:
            if self._awake is not None:
                last_first.callback(self._awake.close)
            last_first.callback(self._folder.close)
            last_first.callback(self._folder.give_to_user)
            last_first.callback(self._folder.remove_if_empty)
            last_first.callback(self._end_as_it_ended, error)
            last_first.callback(self.feed.drop)
            if self._control is not None:
                last_first.callback(self._control.close)  # its end tells waiting clients that all is gone
            for child in self._supervision.children:
                last_first.callback(child.stop, 5.0)
            if hasattr(self, "backend"):
                last_first.callback(self.backend.close)
            if hasattr(self, "plane"):
                last_first.callback(self.plane.close)
            last_first.callback(self._supervision.stop_watching)
            if self._is_recorded:
                last_first.callback(self._finish_record, error)
            if self._conductor is not None:
                last_first.callback(self._stop_conductor, self._conductor)
                last_first.callback(self._stop_nodes)

    def _stop_nodes(self) -> None:
        self._ended_mono_ns = time.monotonic_ns()
        self._orders.stop()

    def _stop_conductor(self, conductor: Conductor) -> None:
        conductor.stop()
        if self._supervision.failure is None and self.began_sim_ns is not None:
            conductor.note_overdue(self._steps.step_ns)

    def _finish_record(self, error: BaseException | None) -> None:
        facts = self._facts(self._supervision.failure or error)
        if self._record.finish(facts):
            self.summary = self._record.summary
        else:
            facts = self._facts(self._supervision.failure or error)
            self.summary = summarise_without_recorder(self._folder.opened, facts)

    def _end_as_it_ended(self, error: BaseException | None) -> None:
        """What failed since the facts were told, up to the last process's end, is in the summary too."""
        self._supervision.look()
        failure = self._supervision.failure
        if self._is_recorded:
            if failure is not None:
                tell_failure(self._folder.opened, self.summary, str(failure))
            release_ending(self._folder.opened, self.summary)
        # that one decides the exit status
        if failure is not None and isinstance(error, KeyboardInterrupt | SystemExit):
            log.error("%s", failure)

    # ---- what the record says of the run

    def _header(self) -> RunHeader:
        assert self._awake is not None
        run, awake = self.scenario.run, self._awake.state
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
            plane=self.plane.name,
            backend=self.backend.name,
            clock=self.clock.name,
            rate_scale=run.rate_scale,
            nodes=self.nodes,
            propagation=tuple(asdict(each) for each in self.propagation),
            cross_plane_offsets=self.offsets,
            ground_links=self.ground_links,
            machine=machine,
            awake=awake.to_dict(),
            error_budget=error_budget(self.plane.name, self.backend, machine, is_awake=awake.held),
            schedule=self._schedule(),
            addresses={self.nodes.names[node]: self.plane.addresses[node] for node in self._recorded_nodes()},
        )

    def _schedule(self) -> Schedule | None:
        if self.backend.name == "fake":
            return None
        return schedule_of(self.nodes, self.hosting, self.scenario.compute, self.seed)

    def _recorded_nodes(self) -> list[int]:
        """Whose addresses the record names: of a fabric only those in which something runs."""
        if self.plane.name == "wired":
            return list(range(len(self.nodes)))
        return [int(node) for node in self.hosting.nonzero()[0]]

    def _facts(self, error: BaseException | None) -> RunFacts:
        is_built = self._conductor is not None
        if self._lateness_log is not None:
            self._lateness_log.stop()
        return run_facts(
            error,
            self.ticks or TickLog(),
            self.lateness() if is_built else None,
            self.plane.counters() if is_built and not self.backend.failure() else {},
            emulated_ns=0 if self.began_sim_ns is None else self.clock.sim_ns() - self.began_sim_ns,
            build_ns=round(self.built_s * 1e9),
            clock_held_ns=getattr(self.clock, "held_ns", 0),
            dead_nodes=dict(self.dead_nodes),
            began_mono_ns=self._began_mono_ns,
            ended_mono_ns=self._ended_mono_ns,
            windows=() if self._lateness_log is None else self._lateness_log.windows(),
            # some backends know only at the end what made them less exact
            warnings=tuple(
                dict.fromkeys([*self._cautions, *self.backend.cautions(), *self.plane.kernel.cautions()])
            ),
        )

    # ---- what follows from ticks, routes and questions (in other threads)

    def _assign(self, tick: Tick) -> None:
        before, self._assignment = self._assignment, tick.assignment
        if self.began_sim_ns is not None:
            self._orders.assign(before, tick.assignment, self.nodes, self._address)

    def _warn(self, caution: str) -> None:
        self._cautions += (caution,)

    def _more_routes(self, routes: dict[int, Any]) -> None:
        assert self._conductor is not None
        self._conductor.more_routes(routes)
        self._questions.ticked()

    def _ask_for_routes(self, nodes: Sequence[int]) -> None:
        """InputError where there is no room for so many."""
        self._geometry.route_to(nodes, self.plane.check_room)

    def _forget_routes(self, nodes: Sequence[int]) -> None:
        self._geometry.forget(nodes)

    def _address(self, node: int) -> str:
        return self.plane.addresses[node]

    # ---- the run as it is now

    @property
    def out(self) -> Path:
        return self._folder.path

    @property
    def folder(self) -> Folder:
        """The same, open, while the run lasts."""
        return self._folder.opened

    @property
    def net(self) -> MeshNet:
        """The Mininet object."""
        return self.plane.net

    @property
    def ticks(self) -> TickLog | None:
        return self._conductor.ticks if self._conductor else None

    @property
    def epoch(self) -> Epoch | None:
        """The one in force."""
        return self._conductor.current if self._conductor else None

    @property
    def n_ready(self) -> int:
        return self._node_processes.n_ready if self._node_processes else 0

    @property
    def dead_nodes(self) -> dict[str, str]:
        return self._node_processes.dead if self._node_processes else {}

    @property
    def digest(self) -> dict[str, Any]:
        """The recorder's, of the last seconds."""
        return self._recorder.digest if self._recorder else {}

    def lateness(self) -> Lateness | None:
        """Of the packets, since the mesh was built."""
        now, before = self.backend.lateness(), self._lateness_before
        return now if now is None or before is None else now.since(before)

    def status(self) -> dict[str, Any]:
        """The run now, for a screen: times, ticks, links, and the recorder's digest per gateway."""
        return self._questions.status()

    def route_to(self, names: Sequence[str]) -> None:
        """Make nodes destinations that every node has a route to; returns when the routes are in force."""
        self._questions.route_to(names)

    def path(self, source: str, destination: str) -> dict[str, Any]:
        """``path`` as names (None where there is none), ``hops`` and one-way ``delay_ns``, as routed now."""
        return self._questions.path(source, destination)

    @property
    def _record(self) -> RecorderProcess:
        assert self._recorder is not None
        return self._recorder

    @property
    def _orders(self) -> NodeProcesses:
        assert self._node_processes is not None
        return self._node_processes


def _clock(name: str) -> Clock:
    try:
        return CLOCKS[name]()
    except KeyError:
        raise InputError(f"no clock is named {name!r}; there are {', '.join(CLOCKS)}") from None
