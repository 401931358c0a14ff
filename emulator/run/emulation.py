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
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from ..control.api.listening import Listening
from ..control.server import ControlServer
from ..feed.feed import Feed
from ..interventions import Intervention
from ..plan_customers import light_forbids
from ..plane.backend import LinkBackend
from ..plane.choose import choose
from ..plane.kernel import privileges
from ..plane.kernel.awake import StayAwake
from ..plane.planes import choose_plane, links_for, make_plane
from ..platform.of_scenario import platform_cautions
from ..processes import sample_sockets
from ..record.scenario_kept import keep_elements
from ..run_names import make_run_id
from ..scenario import Scenario
from ..scenario.customers import loads_of
from ..scenario.seed import checked_seed
from ..scenario.serving import serving_cautions
from ..web.listening import WebListening
from .api_process import ApiProcess
from .books import Books
from .carried import refuse_too_much
from .clock import Clock, clock_named
from .conductor import Conductor
from .endings import finish, release_ending, signals_noted, tell_failure
from .folder import RunFolder
from .geometry_process import GeometryProcess
from .header import run_header
from .in_hand import InHand
from .intervening import Intervening
from .link_watch import LinkWatch
from .metrics_process import MetricsProcess
from .news import News, StatusNews, StepWatch, publish
from .node_processes import NodeProcesses
from .placement_news import PlacementNews
from .power_news import PowerNews
from .questions import Questions
from .recorder_process import RecorderProcess
from .running import RunningMesh
from .supervision import Supervision
from .ticks import Tick
from .watched import Watched
from .web_process import WebProcess
from .workload import Workload

log = logging.getLogger(__name__)

Progress = Callable[[str, int, int], None]

_READY_TIMEOUT_S = 60.0
_WARM_UP_NS = 1_000_000_000


class Emulation(RunningMesh):
    """A mesh that lives as long as its ``with`` block.

    ``clock`` is "real", "paced", "stepped", or a Clock of the caller's; ``out`` the folder
    of the record (default ``runs/<run id>``); ``links`` a backend's name or
    "auto"; ``plane`` "wired", "fabric" or "auto"; what is None comes from the
    scenario.  ``listen``: where the control API is called by TCP, ``web``: where
    the live page is served, and ``metrics``: a socket that listens for Prometheus,
    all the run's until it ends.  Raises OrbitmeshError.
    """

    _awake: StayAwake | None = None
    _control: ControlServer | None = None
    _api: ApiProcess | None = None
    _web_process: WebProcess | None = None
    _status_news: StatusNews | None = None
    _metrics: MetricsProcess | None = None
    _is_recorded = False  # there is a record: it gets a summary, however the run goes

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
        listen: Listening | None = None,
        web: WebListening | None = None,
        metrics: socket.socket | None = None,
        on_progress: Progress | None = None,
    ) -> None:
        self.scenario, self._listen, self._web, self._metrics_tcp = scenario, listen, web, metrics
        self.duration_ns = duration_ns or scenario.run.duration_ns
        self.seed = scenario.run.seed if seed is None else checked_seed(seed)
        self.run_id = make_run_id(scenario.name, datetime.now(UTC))
        self.clock = clock_named(clock) if isinstance(clock, str) else clock
        self._asked_plane = plane or scenario.run.plane
        self._links = links_for(self._asked_plane, links or scenario.run.links)
        self._on_progress = on_progress or (lambda stage, done, total: None)
        self._folder = RunFolder(Path("runs", self.run_id) if out is None else Path(out))
        self._books = Books()
        self._supervision = Supervision()
        self._news = News()
        self.feed = Feed()
        self.ends_sim_ns: int | None = None  # where somebody waits for it
        self._steps = StepWatch(
            scenario.run, lambda step_ns: self._geometry.lengthen_step(step_ns), self._books.caution
        )
        self._loads = loads_of(scenario, scenario.base, self.seed)
        self._link_watch: LinkWatch | None = None
        self._in_hand = InHand(self, lambda: self._steps.step_ns)
        self._questions = Questions(self, self._ask_for_routes, self._forget_routes)
        self.summary = {}

    # ---- life cycle

    def __enter__(self) -> Emulation:
        try:
            self._start()
        except BaseException as error:
            self._close(error)
            if isinstance(error, KeyboardInterrupt):
                self._supervision.check()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close(error)
        if error is None or isinstance(error, KeyboardInterrupt):  # a death goes before a Ctrl-C
            self._supervision.check()  # what the recorder found in the last samples, too

    def wait(self, duration_ns: int | None = None) -> None:
        """Let the mesh run for a duration of emulated time, by default the rest of the run's.

        Returns early when ``orbitmesh down`` ends the run; raises RunError where something died.
        """
        start_ns = self.clock.sim_ns() if duration_ns is not None else self.began_sim_ns or 0
        end_ns = start_ns + (duration_ns if duration_ns is not None else self.duration_ns)
        self.ends_sim_ns = end_ns
        try:
            while (left_ns := end_ns - self.clock.sim_ns()) > 0:
                if self._supervision.ended.wait(min(left_ns / 1e9 / max(self.clock.course.ratio, 1.0), 0.5)):
                    break
        finally:
            self.ends_sim_ns = None
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
        self._books.begin_build()
        for sentence in light_forbids(self.scenario, self.duration_ns):
            log.warning("%s", sentence)  # it can be measured all the same
        if self._links != "fake":  # that one has no node processes
            refuse_too_much(self.scenario, self._loads, self.duration_ns)
        links = self._choose_links()
        self._folder.make()
        self._start_processes()
        self._make_plane(links)
        self._begin_record()
        self._build()
        self._begin_ticks()
        self._control = ControlServer(
            self.run_id,
            self._questions.handlers()
            | self._intervening.handlers()
            | self._in_hand.handlers()
            | {"watch": Watched(self.feed).answer},
            self._supervision.fail,
        )
        self._api = ApiProcess(self, self._control.entry, self._listen)
        self._start_nodes()
        self._count_afresh()
        if self._metrics_tcp is not None:
            self._metrics = MetricsProcess(self.run_id, self._metrics_tcp)

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
        with sample_sockets() as (ours, theirs):
            self._geometry = GeometryProcess(self._supervision)
            self._recorder = RecorderProcess(self._supervision, ours, self.feed, self._folder.opened)
            self._node_processes = NodeProcesses(self._supervision, theirs, self.feed)
        self._geometry.open(self.scenario, self.duration_ns)
        self._supervision.watch()

    def _make_plane(self, links: LinkBackend) -> None:
        self.introduced = self._supervision.answer(
            self._geometry.introduction, _READY_TIMEOUT_S, "the geometry process"
        )
        self._intervening = Intervening(self, self.introduced.interventions, self._intervene)
        choice = choose_plane(self._asked_plane, links.name, self.nodes.n_satellites)
        self.plane = make_plane(
            choice, self.nodes, self.scenario, self.hosting, links, self.seed, self._on_progress
        )
        self.plane_reason, self.backend = choice.reason, self.plane.carrier
        self._intervening.count_on(self.plane)
        self._geometry.routed_from_the_start(self.hosting.nonzero()[0].tolist())
        self.plane.on_host = lambda node: self._ask_for_routes([node])
        self.plane.on_hosts_gone = self._questions.hosts_gone
        self.plane.net.route_first = self.route_to
        self.plane.net.on_stop = self.end  # net.stop() ends the run, and the run its mesh

    def _begin_record(self) -> None:
        assert self._awake is not None
        keep_elements(self.folder, self.scenario)
        self._record.open(run_header(self, self._awake.state, self._books.began_utc))
        self._is_recorded = True

    def _build(self) -> None:
        self._supervision.watch_over(self.backend.failure)
        self.plane.build()
        cautions = [*self.backend.cautions(), *self.plane.kernel.cautions()]
        if self.scenario.serving is not None:
            cautions += serving_cautions(self.scenario.serving)
        cautions += platform_cautions(self.scenario)
        self._books.caution(*cautions)
        for caution in cautions:
            log.warning("%s", caution)
        # building took longer than that, but for a handful of nodes: nothing is measured before
        self._supervision.answer(self._record.opened, _READY_TIMEOUT_S, "the recorder")

    def _begin_ticks(self) -> None:
        """The first epoch comes into force here; those that follow, in the conductor's thread."""
        self._workload = Workload(self, self._loads, self._orders, self._geometry.draws, self._books.caution)
        asking = [(gateway, each.customer_class) for gateway, of in self._loads.items() for each in of]
        self._link_watch = LinkWatch(self.plane, self.nodes, asking, self.feed, self._supervision.fail)
        self._news.on_tick = [
            self._workload.feel,
            lambda tick: self._geometry.done(tick.epoch.number),
            lambda tick: publish(self.feed, tick, self.nodes.names),
            lambda tick: self._intervening.ticked(tick),  # who asked for it waits
            PlacementNews(self.feed, self.nodes.names).tick,
            PowerNews(self.feed, self.nodes.names, self.hosting, self.nodes.n_satellites).tick,
            self._steps.tick,
            self._follow_step,
            self._workload.tick,
            self._link_watch.tick,
            lambda tick: self._questions.ticked(),
        ]
        self._conductor = Conductor(
            self.plane, self.clock, self._geometry.epochs, self._news.tick, self._supervision.fail
        )
        self._conductor.step_ns = self.scenario.run.step_ns
        self._conductor.on_turn = self._in_hand.turned
        self._conductor.on_wait = self._workload.beat
        self._conductor.before_prepare = self._intervening.losses.prepare
        self._conductor.before_commit = self._intervening.losses.begin
        self._in_hand.on_turn = [lambda turn: self._workload.turned()]
        self._geometry.on_routes = self._more_routes
        self._geometry.on_anew = self._conductor.anew
        self._conductor.on_let_go = self._geometry.done
        self._conductor.first(
            self._supervision.answer(self._geometry.epochs, _READY_TIMEOUT_S, "the first epoch")
        )
        self._conductor.start()

    def _start_nodes(self) -> None:
        assert self.epoch is not None
        specs = self._workload.specs(self.epoch)
        if self.backend.name == "fake":
            return  # there is no network that a process could be in
        self._orders.start(specs, self.plane, self._on_progress)
        # All nodes connect at once; what is measured meanwhile would be that crowd, not the mesh.
        quiet_until_ns = time.monotonic_ns() + _WARM_UP_NS
        self._workload.begin(quiet_until_ns)
        while (left_ns := quiet_until_ns - time.monotonic_ns()) > 0:
            self._supervision.ended.wait(left_ns / 1e9)
            self._supervision.check()

    def _count_afresh(self) -> None:
        """While the mesh was built, ticks and packets said nothing of how it runs."""
        assert self._conductor is not None
        self._conductor.count_afresh()
        self._books.count_afresh(self.backend, self._supervision.fail)
        self._books.begin(self.clock)
        self._in_hand.began()
        self._steps.is_running = True
        assert self._link_watch is not None
        self._link_watch.start()
        self._status_news = StatusNews(self.feed, self.status, self._supervision.fail)
        self._status_news.start()
        if self._web is not None:
            self._web_process = WebProcess(self, self._web)

    # ---- the end

    def _close(self, error: BaseException | None) -> None:
        """End everything, last first; each step also when the one before failed."""
        self.end()
        with signals_noted(), contextlib.ExitStack() as last_first:
            if self._awake is not None:
                last_first.callback(self._awake.close)
            last_first.callback(self.feed.drop)
            for listens in (self._listen, self._metrics_tcp, self._web):
                if listens is not None:
                    last_first.callback(listens.close)
            for serves in (self._web_process, self._api):
                if serves is not None:
                    last_first.callback(serves.close)
            if self._control is not None:  # its end tells waiting clients that all is written and gone
                last_first.callback(self._control.close)
            if self._metrics is not None:  # it reads by the door, and would be started again without
                last_first.callback(self._metrics.close)
            last_first.callback(self._folder.close)
            last_first.callback(self._folder.give_to_user)
            last_first.callback(self._folder.remove_if_empty)
            last_first.callback(self._end_as_it_ended, error)
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
            if self._link_watch is not None:
                last_first.callback(self._link_watch.stop)
            if self._status_news is not None:
                last_first.callback(self._status_news.stop)

    def _stop_nodes(self) -> None:
        self._books.end()
        self._orders.stop()

    def _stop_conductor(self, conductor: Conductor) -> None:
        conductor.stop()
        if self._supervision.failure is None and self.began_sim_ns is not None:
            conductor.note_overdue(self._steps.step_ns)

    def _finish_record(self, error: BaseException | None) -> None:
        self.summary = finish(
            self._record,
            self._folder.opened,
            lambda: self._books.facts(
                self._supervision.failure or error,
                self.ticks, self.clock, self._in_hand, getattr(self, "_intervening", None),
                self.plane, self.backend, self.dead_nodes,
            ),
        )  # fmt: skip

    def _end_as_it_ended(self, error: BaseException | None) -> None:
        """What failed since the facts were told, up to the last process's end, is in the summary too."""
        self._supervision.look()
        failure = self._supervision.failure
        if self._is_recorded:
            if failure is not None:
                tell_failure(self._folder.opened, self.summary, str(failure))
            release_ending(self._folder.opened, self.summary)
        # that one decides the exit status
        if failure is not None and isinstance(error, SystemExit):
            log.error("%s", failure)

    # ---- what follows from routes and questions (in other threads)

    def _intervene(
        self, more: Sequence[Intervention], lifted: Sequence[int], sim_ns: int, at_once: bool
    ) -> None:
        if at_once:
            assert self._conductor is not None
            self._conductor.reach(sim_ns)
        self._geometry.intervene(more, lifted, sim_ns, at_once)

    def _follow_step(self, tick: Tick) -> None:
        assert self._conductor is not None
        self._conductor.step_ns = self._steps.step_ns

    def _more_routes(self, routes: dict[int, Any]) -> None:
        assert self._conductor is not None
        self._conductor.more_routes(routes)
        self._questions.ticked()

    def _ask_for_routes(self, nodes: Sequence[int]) -> None:
        """InputError where there is no room for so many."""
        self._geometry.route_to(nodes, self.plane.check_room)

    def _forget_routes(self, nodes: Sequence[int]) -> None:
        self._geometry.forget(nodes)

    @property
    def _record(self) -> RecorderProcess:
        assert self._recorder is not None
        return self._recorder

    @property
    def _orders(self) -> NodeProcesses:
        assert self._node_processes is not None
        return self._node_processes
