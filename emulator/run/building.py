"""How a mesh is built: processes, plane, record, the first epoch, nodes; and who hears of what from then on.

``Emulation`` takes the steps in their order, and ends what they began.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from orbitmesh.wire.load import LoadSpec

from ..interventions import Intervention
from ..plane.backend import LinkBackend
from ..plane.choose import choose
from ..plane.kernel import privileges
from ..plane.kernel.awake import StayAwake
from ..plane.planes import choose_plane, make_plane
from ..platform.of_scenario import platform_cautions
from ..processes import sample_sockets
from ..scenario.serving import serving_cautions
from .conductor import Conductor
from .course_watch import CourseWatch
from .geometry_process import GeometryProcess
from .header import run_header
from .intervening import Intervening
from .link_watch import LinkWatch
from .news import News, StatusNews, StepWatch, publish
from .node_processes import NodeProcesses
from .placement_news import PlacementNews
from .power_news import PowerNews
from .running import RunningMesh
from .ticks import Tick
from .workload import Workload

log = logging.getLogger(__name__)

Progress = Callable[[str, int, int], None]

_READY_TIMEOUT_S = 60.0
_WARM_UP_NS = 1_000_000_000


class MeshBuilding(RunningMesh):
    """Each step once, in the order in which they stand here."""

    _asked_plane: str
    _links: str
    _on_progress: Progress
    _news: News
    _steps: StepWatch
    _loads: Mapping[str, tuple[LoadSpec, ...]]
    _awake: StayAwake | None = None
    _link_watch: LinkWatch | None = None
    _course_watch: CourseWatch | None = None
    _status_news: StatusNews | None = None

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
            self._recording.start(self._supervision, ours, self.feed)
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
        header = run_header(self, self._awake.state, self._books.began_utc)
        self._recording.begin(header, self.scenario)

    def _build(self) -> None:
        self._supervision.watch_over(self.backend.failure, self.backend.helper_pid)
        self.plane.build()
        cautions = [*self.backend.cautions(), *self.plane.kernel.cautions()]
        if self.scenario.serving is not None:
            cautions += serving_cautions(self.scenario.serving)
        cautions += platform_cautions(self.scenario)
        self._books.caution(*cautions)
        for caution in cautions:
            log.warning("%s", caution)
        # building took longer than that, but for a handful of nodes: nothing is measured before
        self._supervision.answer(self._recording.process.opened, _READY_TIMEOUT_S, "the recorder")

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
        self._course_watch = CourseWatch(
            self.plane, self.backend, self.clock, lambda: self.epoch, self.feed, self._supervision.fail
        )
        self._course_watch.start()
        self._status_news = StatusNews(self.feed, self.status, self._supervision.fail)
        self._status_news.start()

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
    def _orders(self) -> NodeProcesses:
        assert self._node_processes is not None
        return self._node_processes
