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
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from ..control.api.listening import Listening
from ..feed.feed import Feed
from ..nursery import kept
from ..plan_customers import light_forbids
from ..plane.planes import links_for
from ..run_names import make_run_id
from ..scenario import Scenario
from ..scenario.customers import loads_of
from ..scenario.seed import checked_seed
from ..web.listening import WebListening
from . import programs
from .books import Books
from .building import MeshBuilding, Progress
from .carried import refuse_too_much
from .clock import Clock, clock_named
from .conductor import Conductor
from .doors import Doors
from .endings import signals_noted
from .folder import RunFolder
from .in_hand import InHand
from .news import News, StepWatch
from .questions import Questions
from .recording import Recording
from .supervision import Supervision
from .watched import Watched

log = logging.getLogger(__name__)


class Emulation(MeshBuilding):
    """A mesh that lives as long as its ``with`` block.

    ``clock`` is "real", "paced", "stepped", or a Clock of the caller's; ``out`` the folder
    of the record (default ``runs/<run id>``); ``links`` a backend's name or
    "auto"; ``plane`` "wired", "fabric" or "auto"; what is None comes from the
    scenario.  ``listen``: where the control API is called by TCP, ``web``: where
    the live page is served, and ``metrics``: a socket that listens for Prometheus,
    all the run's until it ends.  Raises OrbitmeshError.
    """

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
        self.scenario, self._doors = scenario, Doors(listen, web, metrics)
        self.duration_ns = duration_ns or scenario.run.duration_ns
        self.seed = scenario.run.seed if seed is None else checked_seed(seed)
        self.run_id = make_run_id(scenario.name, datetime.now(UTC))
        self.clock = clock_named(clock) if isinstance(clock, str) else clock
        self._asked_plane = plane or scenario.run.plane
        self._links = links_for(self._asked_plane, links or scenario.run.links)
        self._on_progress = on_progress or (lambda stage, done, total: None)
        self._folder = RunFolder(Path("runs", self.run_id) if out is None else Path(out))
        self._recording = Recording(self._folder)
        self._books = Books()
        self._supervision = Supervision()
        self._nursery = contextlib.ExitStack()
        self._news = News()
        self.feed = Feed()
        self.ends_sim_ns: int | None = None  # where somebody waits for it
        self._steps = StepWatch(
            scenario.run, lambda step_ns: self._geometry.lengthen_step(step_ns), self._books.caution
        )
        self._loads = loads_of(scenario, scenario.base, self.seed)
        self._in_hand = InHand(self, lambda: self._steps.step_ns)
        self._questions = Questions(self, self._ask_for_routes, self._forget_routes)

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

    # ---- the start

    def _start(self) -> None:
        self._books.begin_build()
        for sentence in light_forbids(self.scenario, self.duration_ns):
            log.warning("%s", sentence)  # it can be measured all the same
        if self._links != "fake":  # that one has no node processes
            refuse_too_much(self.scenario, self._loads, self.duration_ns)
        links = self._choose_links()
        self._folder.make()
        self._nursery.enter_context(kept()).begin(*programs.ALL)
        self._start_processes()
        self._make_plane(links)
        self._begin_record()
        self._build()
        self._begin_ticks()
        handlers = self._questions.handlers() | self._intervening.handlers() | self._in_hand.handlers()
        self._doors.open(self, handlers | {"watch": Watched(self.feed).answer}, self._supervision.fail)
        self._start_nodes()
        self._count_afresh()
        self._doors.show(self)

    # ---- the end

    def _close(self, error: BaseException | None) -> None:
        """End everything, last first; each step also when the one before failed."""
        self.end()
        self._supervision.let_all_go_on(self._note_stopped)
        with signals_noted(), contextlib.ExitStack() as last_first:
            last_first.callback(self._nursery.close)
            if self._awake is not None:
                last_first.callback(self._awake.close)
            last_first.callback(self.feed.drop)
            last_first.callback(self._doors.close)
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
            if self._recording.is_begun:
                last_first.callback(self._finish_record, error)
            if self._conductor is not None:
                last_first.callback(self._stop_conductor, self._conductor)
                last_first.callback(self._stop_nodes)
            if self._link_watch is not None:
                last_first.callback(self._link_watch.stop)
            if self._course_watch is not None:
                last_first.callback(self._course_watch.stop)
            if self._status_news is not None:
                last_first.callback(self._status_news.stop)

    def _note_stopped(self, sentence: str) -> None:
        log.warning("%s", sentence)
        self._books.caution(sentence)

    def _stop_nodes(self) -> None:
        self._books.end()
        self._orders.stop()

    def _stop_conductor(self, conductor: Conductor) -> None:
        conductor.stop()
        if self._supervision.failure is None and self.began_sim_ns is not None:
            conductor.note_overdue(self._steps.step_ns)

    def _finish_record(self, error: BaseException | None) -> None:
        self._recording.finish(
            lambda: self._books.facts(
                self._supervision.failure or error,
                self.ticks, self.clock, self._in_hand, getattr(self, "_intervening", None),
                self.plane, self.backend, self.dead_nodes,
            )
        )  # fmt: skip

    def _end_as_it_ended(self, error: BaseException | None) -> None:
        """What failed since the facts were told, up to the last process's end, is in the summary too."""
        self._supervision.look()
        failure = self._supervision.failure
        self._recording.end_as_it_ended(failure)
        # that one decides the exit status
        if failure is not None and isinstance(error, SystemExit):
            log.error("%s", failure)
