"""Applies each epoch at its instant; counts the ticks that were late."""

from __future__ import annotations

import logging
import queue
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

from ..course import Course
from ..epoch import Epoch, RouteRows
from ..errors import InputError
from ..interventions import NOT_INTERVENED
from ..links.changes import LinkChanges, caused_as, link_changes
from ..plane.mesh import CommitReport
from ..priority import First
from .clock import Clock
from .ticks import Ahead, LateTick, Tick, TickLog, Turn
from .time_orders import GOES_ON, Order, TimeOrders, cut_short

log = logging.getLogger(__name__)

# A tick begun later than this after its instant is late.  Delays stay right in
# between (their slope goes on); what is late are routes, handovers and rates.
LATE_NS = 10_000_000
_SETTLE_EVERY_NS = 200_000_000
_LAST_TICKS = 20
# so long another thread of this process keeps the interpreter from the conductor; 5 ms is Python's own
_SWITCH_S = 0.0005
_TOLD = -1  # in place of how late an epoch is: something was asked for, and comes first


class AppliesEpochs(Protocol):
    """The part of a MeshPlane that the conductor drives."""

    @property
    def lead_ns(self) -> int: ...

    def prepare(self, old: Epoch | None, new: Epoch) -> Any: ...
    def commit(
        self, change: Any, t0_mono_ns: int, *, ahead_ns: int = 0, ratio: float = 1.0
    ) -> CommitReport: ...
    def abandon(self, change: Any) -> None: ...
    def settle(self, now_mono_ns: int) -> None: ...
    def more_routes(self, epoch: Epoch, more: RouteRows) -> Epoch: ...


class Conductor:
    """``first()`` once, in the caller's thread; then ``start()`` and ``stop()``.

    ``on_tick`` is called after each commit, in the conductor's thread.  If
    anything raises there, ``on_failure`` gets it and the conductor ends.
    """

    def __init__(
        self,
        plane: AppliesEpochs,
        clock: Clock,
        epochs: queue.Queue[Ahead],
        on_tick: Callable[[Tick], None],
        on_failure: Callable[[BaseException], None],
    ) -> None:
        self._plane, self._clock, self._epochs = plane, clock, epochs
        self._on_tick, self._on_failure = on_tick, on_failure
        self._stop = threading.Event()
        self._wake = threading.Event()  # to stop, or since what it waits for is superseded
        self._superseded: set[int] = set()  # numbers of epochs that others have taken the place of
        self._told: tuple[set[object], set[object]] = set(), set()  # of interventions: begun, and ended
        self._passed_over = NOT_INTERVENED  # what began and ended with epochs that came too late
        self._not_in_force: list[LinkChanges] = []  # of epochs that were made, and came to nothing
        self._thread = threading.Thread(target=self._run, name="conductor", daemon=True)
        self.orders = TimeOrders(self._wake.set)
        self.on_turn: Callable[[Turn], None] = lambda turn: None
        #: often, between ticks
        self.on_wait: Callable[[int], None] = lambda now_mono_ns: None
        self.before_prepare: Callable[[Epoch | None, Ahead], None] = lambda current, ahead: None
        self.before_commit: Callable[[], None] = lambda: None
        self._until_sim_ns = 0  # while time stands still: epochs up to here are let through
        self._switch_s = sys.getswitchinterval()
        self.step_ns = 0  # of the run, where the clock is to know it
        self.on_let_go: Callable[[int], None] = lambda number: None  # of an epoch that is not to be
        self.ticks = TickLog()
        self.last_cost_ns: deque[int] = deque(maxlen=_LAST_TICKS)  # of ticks, but for the first
        self.current: Epoch | None = None
        self._prepared: Ahead | None = None
        self._more: dict[int, RouteRows] = {}  # by number of the epochs that were not prepared yet
        self._turn = threading.RLock()  # between an epoch's routes and more of them

    def first(self, ahead: Ahead) -> None:
        """Apply the first epoch, whenever it is ready; the clock starts with it."""
        began_ns = time.monotonic_ns()
        change = self._prepare(ahead)
        prepared_ns = time.monotonic_ns() - began_ns
        self._clock.start(ahead.epoch.sim_ns)
        self._apply(change, prepared_ns, late_ns=0)
        self.last_cost_ns.clear()  # it built all links

    def start(self) -> None:
        sys.setswitchinterval(min(self._switch_s, _SWITCH_S))
        self._thread.start()

    def count_afresh(self) -> None:
        """Forget the ticks until now: while the mesh is built they say nothing of how it runs."""
        self.ticks = TickLog()

    def more_routes(self, more: dict[int, RouteRows]) -> None:
        """Routes to more destinations, by number, for epochs that were computed before these were asked for.

        In force when it returns, where the plane can do so; may be called from any thread.
        """
        with self._turn:
            for number, routes in more.items():
                if self.current is not None and number <= self.current.number:
                    if number == self.current.number:
                        self.current = self._plane.more_routes(self.current, routes)
                elif self._prepared is not None and number == self._prepared.epoch.number:
                    epoch = self._plane.more_routes(self._prepared.epoch, routes)
                    self._prepared = replace(self._prepared.joined(routes), epoch=epoch)
                else:
                    known = self._more.get(number)
                    self._more[number] = routes if known is None else known.joined(routes)

    def anew(self, first: int, last: int) -> None:
        """Epochs of these numbers, computed ahead, are not to come into force: others follow."""
        with self._turn:
            self._superseded.update(range(first, last + 1))
        self._wake.set()

    def stop(self) -> None:
        self._stop.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        sys.setswitchinterval(self._switch_s)
        self.orders.close()

    def reach(self, sim_ns: int) -> None:
        """Where time stands still: an epoch up to that instant is made just now, and is to come through."""
        with self._turn:
            self._until_sim_ns = max(self._until_sim_ns, sim_ns)
        self._wake.set()

    def note_overdue(self, step_ns: int) -> None:
        """Once it has stopped: the tick that should have come and has not is a late one too."""
        if self.current is None:
            return
        due_ns, ratio = self.current.sim_ns + step_ns, self._clock.course.ratio
        late_ns = round((self._clock.sim_ns() - due_ns) / ratio) if ratio else 0
        if late_ns > LATE_NS:
            self.ticks.late.append(LateTick(self.current.number + 1, due_ns, late_ns))

    def _run(self) -> None:
        first = First()
        try:
            while not self._stop.is_set():
                first.worked()
                if self._has_turn(None):
                    self._take_turn(None)
                    continue
                try:
                    ahead = self._epochs.get(timeout=0.02)
                except queue.Empty:
                    self.on_wait(time.monotonic_ns())
                    continue
                self._bring(ahead)
        except BaseException as error:
            self._on_failure(error)
        finally:
            self.orders.close()

    def _bring(self, ahead: Ahead) -> None:
        """Into force at its instant, unless it is superseded, or all is over."""
        prepared_ns = 0
        while not self._is_superseded(ahead):
            began_ns = time.monotonic_ns()
            change = self._prepare(ahead)
            prepared_ns += time.monotonic_ns() - began_ns
            late_ns = self._wait_for(ahead)
            if late_ns is None and self._stop.is_set():
                return
            if late_ns is not None and late_ns != _TOLD:
                self._apply(change, prepared_ns, late_ns)
                return
            ahead = self._abandon(change)
            if late_ns == _TOLD:
                self._take_turn(ahead)
        self._let_go(ahead)

    # ---- the course of time

    def _has_turn(self, ahead: Ahead | None) -> bool:
        """Whether what was asked for is to be done now; ``ahead``: the epoch that comes next, if known."""
        order, course = self.orders.first, self._clock.course
        if order is None:
            return False
        if order.until_sim_ns is not None:  # a step under way: all epochs before its end come first
            return (
                course.sim_ns >= order.until_sim_ns
                or order.cut_by is not None
                or (ahead is not None and ahead.epoch.sim_ns > order.until_sim_ns)
            )
        # an epoch that is due by the time links could follow comes first
        soon_ns = time.monotonic_ns() + self._plane.lead_ns
        return course.is_still or ahead is None or course.sim_at(soon_ns) < ahead.epoch.sim_ns

    def _take_turn(self, ahead: Ahead | None) -> None:
        order, course = self.orders.first, self._clock.course
        assert order is not None
        before_ns = None if ahead is None else ahead.epoch.sim_ns - 1

        def reached_ns(at_mono_ns: int) -> int:
            if course.is_still:
                return course.sim_ns
            sim_ns = course.sim_at(at_mono_ns)
            return sim_ns if before_ns is None else max(min(sim_ns, before_ns), self._clock.sim_ns())

        match order.verb:
            case "pause" if not course.is_still:
                self._go(order, lambda at_ns: Course(reached_ns(at_ns), at_ns, 0.0))
                with self._turn:
                    self._until_sim_ns = self._clock.course.sim_ns
            case "resume" if course.is_still:
                self._go(order, lambda at_ns: Course(course.sim_ns, at_ns, self.orders.ratio))
            case "speed":
                self.orders.ratio = order.ratio
                is_new = not course.is_still and course.ratio != order.ratio
                if is_new:
                    self._go(order, lambda at_ns: Course(reached_ns(at_ns), at_ns, order.ratio))
                else:
                    self.on_turn(Turn(order, course, course, time.monotonic_ns(), time.monotonic_ns()))
            case "step" if not course.is_still:  # resumed by another, since this was asked for
                self.orders.refuse(order, InputError(GOES_ON))
                return
            case "step" if order.is_cut_short_at(course.sim_ns):
                if order.until_sim_ns is not None:
                    self._go(order, lambda at_ns: Course(course.sim_ns, at_ns, 0.0))
                    with self._turn:
                        self._until_sim_ns = course.sim_ns
                self.orders.refuse(order, InputError(cut_short(order, course.sim_ns)))
                return
            case "step" if order.until_sim_ns is None:
                order.until_sim_ns = course.sim_ns + order.by_ns
                self.reach(order.until_sim_ns)
                return  # not done before all that lies between has come
            case "step":
                end_ns = max(order.until_sim_ns or 0, course.sim_ns)
                self._go(order, lambda at_ns: Course(end_ns, at_ns, 0.0))
        self.orders.is_done(order, self._clock.course, self._clock.course.mono_ns)

    def _go(self, order: Order, course_at: Callable[[int], Course]) -> None:
        """The epoch in force again, with its links as they are by now, and as they are to go on."""
        with self._turn:
            epoch, before = self.current, self._clock.course
            assert epoch is not None
            change = self._plane.prepare(epoch, epoch)
            course = course_at(time.monotonic_ns() + self._plane.lead_ns)
            self._clock.go(course)
            report = self._plane.commit(
                change, course.mono_ns, ahead_ns=course.sim_ns - epoch.sim_ns, ratio=course.ratio
            )
        self.on_turn(Turn(order, course, before, report.began_mono_ns, report.ended_mono_ns))

    # ---- one epoch

    def _prepare(self, ahead: Ahead) -> Any:
        with self._turn:
            more = self._more.pop(ahead.epoch.number, None)
            if more is not None:
                ahead = ahead.joined(more)
            self.before_prepare(self.current, ahead)
            change = self._plane.prepare(self.current, ahead.epoch)
            self._prepared = ahead
            return change

    def _wait_for(self, ahead: Ahead) -> int | None:
        """Until its instant; how late it is then, or None: it is superseded, or all is over."""
        lead_ns, sim_ns = self._plane.lead_ns, ahead.epoch.sim_ns
        while not self._stop.is_set() and not self._is_superseded(ahead):
            self._wake.clear()
            if self._stop.is_set() or self._is_superseded(ahead):
                break  # told just before it was cleared
            if self._has_turn(ahead):
                return _TOLD
            course = self._clock.course
            if course.is_still and sim_ns <= self._until_sim_ns:
                return 0
            self._settle_until(course.mono_at(sim_ns) - _SETTLE_EVERY_NS)
            late_ns = self._clock.wait(sim_ns - round(lead_ns * course.ratio), self._wake)
            if late_ns is not None:
                return max(0, late_ns - lead_ns)
        return None

    def _is_superseded(self, ahead: Ahead) -> bool:
        """Also one of before the epoch in force: a tick came between, and the next has it all.

        One of the same instant is that tick made anew, heard of too late: it comes into force at once.
        """
        with self._turn:
            return self._is_old(ahead) or ahead.epoch.number in self._superseded

    def _is_old(self, ahead: Ahead) -> bool:
        return self.current is not None and ahead.epoch.sim_ns < self.current.sim_ns

    def _let_go(self, ahead: Ahead) -> None:
        with self._turn:
            if self._is_old(ahead) and ahead.epoch.number not in self._superseded:
                self._passed_over = self._passed_over.then(ahead.intervened)  # told with the next
            self._not_in_force.append(ahead.changes)
        if ahead.parcel is not None:
            ahead.parcel.close()
        self.on_let_go(ahead.epoch.number)

    def _abandon(self, change: Any) -> Ahead:
        """What was prepared, with the routes that were asked for since."""
        with self._turn:
            ahead, self._prepared = self._prepared, None
            assert ahead is not None
            self._plane.abandon(change)
            return ahead

    def _settle_until(self, mono_ns: int) -> None:
        """Let the plane remove what has had its time, well before the next instant."""
        self._plane.settle(time.monotonic_ns())
        while time.monotonic_ns() < mono_ns and not self._wake.wait(_SETTLE_EVERY_NS / 1e9):
            self._plane.settle(time.monotonic_ns())
            self.on_wait(time.monotonic_ns())

    def _apply(self, change: Any, prepared_ns: int, late_ns: int) -> None:
        with self._turn:
            ahead = self._prepared
            assert ahead is not None
            self.before_commit()
            course = self._course_of(ahead.epoch)
            t0_mono_ns, ahead_ns = course.mono_ns, course.sim_ns - ahead.epoch.sim_ns
            report = self._plane.commit(change, t0_mono_ns, ahead_ns=ahead_ns, ratio=course.ratio)
            self._clock.due_by(ahead.epoch.sim_ns + self.step_ns)
            changes = self._changes_since_the_last(ahead)
            self.current, self._prepared = ahead.epoch, None
            self._superseded = {n for n in self._superseded if n > ahead.epoch.number}
            # an epoch may have been overtaken, and made anew
            intervened = self._passed_over.then(ahead.intervened).once(*self._told)
            self._passed_over = NOT_INTERVENED
        tick = Tick(
            ahead.epoch, ahead.more, ahead.parcel, ahead.assignment, changes,
            t0_mono_ns, report.began_mono_ns, report.ended_mono_ns, late_ns,
            ahead.computed_ns, prepared_ns, report.total_ns, intervened, ahead_ns, course.ratio,
        )  # fmt: skip
        if late_ns > LATE_NS:
            log.warning("tick %d was %.1f ms late", ahead.epoch.number, late_ns / 1e6)
            self.ticks.late.append(LateTick(ahead.epoch.number, ahead.epoch.sim_ns, late_ns))
        self.ticks.cost_ns.append(tick.cost_ns)
        self.last_cost_ns.append(tick.cost_ns)
        self.ticks.commit_ns.append(report.total_ns)
        self._on_tick(tick)

    def _changes_since_the_last(self, ahead: Ahead) -> LinkChanges:
        """Since the epoch in force: geometry told of those since one that may have come to nothing."""
        gone, self._not_in_force = self._not_in_force, []
        if not gone or self.current is None:
            return ahead.changes
        return caused_as(link_changes(self.current.links, ahead.epoch.links), (*gone, ahead.changes))

    def _course_of(self, epoch: Epoch) -> Course:
        """How time goes as an epoch comes into force; where it stands, it is at that epoch from now on."""
        course = self._clock.course
        if not course.is_still:
            return Course(epoch.sim_ns, course.mono_at(epoch.sim_ns), course.ratio)
        at_ns = time.monotonic_ns() + (self._plane.lead_ns if epoch.sim_ns == self._until_sim_ns else 0)
        course = Course(max(course.sim_ns, epoch.sim_ns), at_ns, 0.0)
        self._clock.go(course)
        return course
