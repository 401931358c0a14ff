"""Applies each epoch at its instant; counts the ticks that were late."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from ..assignment import Assignment
from ..epoch import Epoch, RouteRows
from ..feed.parcels import Parcel
from ..interventions import NOT_INTERVENED, Intervened
from ..links.changes import NOTHING_CHANGED, LinkChanges
from ..plane.mesh import CommitReport
from ..priority import go_before_nodes
from .clock import Clock

log = logging.getLogger(__name__)

# A tick begun later than this after its instant is late.  Delays stay right in
# between (their slope goes on); what is late are routes, handovers and rates.
LATE_NS = 10_000_000
_SETTLE_EVERY_NS = 200_000_000


class AppliesEpochs(Protocol):
    """The part of a MeshPlane that the conductor drives."""

    @property
    def lead_ns(self) -> int: ...

    def prepare(self, old: Epoch | None, new: Epoch) -> Any: ...
    def commit(self, change: Any, t0_mono_ns: int) -> CommitReport: ...
    def abandon(self, change: Any) -> None: ...
    def settle(self, now_mono_ns: int) -> None: ...
    def more_routes(self, epoch: Epoch, more: RouteRows) -> Epoch: ...


@dataclass(frozen=True)
class Tick:
    """One epoch as it was applied; instants are CLOCK_MONOTONIC.

    ``parcel`` is what the epoch came in, and is the receiver's to close;
    ``more`` the routes that it has beyond; ``changes`` are of its links since
    the epoch before.  ``t0_mono_ns`` is the instant the epoch is true of; its
    links and routes came into force between ``began_mono_ns`` and
    ``ended_mono_ns``.
    ``computed_ns`` was spent on geometry ahead of time, ``prepared_ns`` on
    interfaces ahead of time, ``committed_ns`` at the instant or just before it.
    """

    epoch: Epoch
    more: RouteRows | None
    parcel: Parcel | None
    assignment: Assignment
    changes: LinkChanges
    t0_mono_ns: int
    began_mono_ns: int
    ended_mono_ns: int
    late_ns: int
    computed_ns: int
    prepared_ns: int
    committed_ns: int
    intervened: Intervened = NOT_INTERVENED

    @property
    def applied_ns(self) -> int:
        return self.prepared_ns + self.committed_ns

    @property
    def cost_ns(self) -> int:
        """All work for this tick, wherever it was done."""
        return self.computed_ns + self.applied_ns


@dataclass(frozen=True)
class LateTick:
    number: int
    sim_ns: int
    late_ns: int


@dataclass
class TickLog:
    """What the summary says of the ticks."""

    cost_ns: list[int] = field(default_factory=list)
    commit_ns: list[int] = field(default_factory=list)
    late: list[LateTick] = field(default_factory=list)


@dataclass(frozen=True)
class Ahead:
    """An epoch that has been computed and waits for its instant.

    ``parcel`` is what it came in, without ``more``: routes that were asked for since.
    """

    epoch: Epoch
    assignment: Assignment
    computed_ns: int
    parcel: Parcel | None = None
    more: RouteRows | None = None
    changes: LinkChanges = NOTHING_CHANGED
    intervened: Intervened = NOT_INTERVENED

    def joined(self, more: RouteRows) -> Ahead:
        return replace(
            self,
            epoch=replace(self.epoch, routes=self.epoch.routes.joined(more)),
            more=more if self.more is None else self.more.joined(more),
        )


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
        self._passed_over = NOT_INTERVENED  # what began and ended with epochs that came too late
        self._thread = threading.Thread(target=self._run, name="conductor", daemon=True)
        self.on_let_go: Callable[[int], None] = lambda number: None  # of an epoch that is not to be
        self.ticks = TickLog()
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

    def start(self) -> None:
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

    def note_overdue(self, step_ns: int) -> None:
        """Once it has stopped: the tick that should have come and has not is a late one too."""
        if self.current is None:
            return
        due_ns = self.current.sim_ns + step_ns
        late_ns = self._clock.sim_ns() - due_ns
        if late_ns > LATE_NS:
            self.ticks.late.append(LateTick(self.current.number + 1, due_ns, late_ns))

    def _run(self) -> None:
        go_before_nodes()
        try:
            while not self._stop.is_set():
                try:
                    ahead = self._epochs.get(timeout=0.1)
                except queue.Empty:
                    continue
                if self._is_superseded(ahead):
                    self._let_go(ahead)
                    continue
                began_ns = time.monotonic_ns()
                change = self._prepare(ahead)
                prepared_ns = time.monotonic_ns() - began_ns
                late_ns = self._wait_for(ahead)
                if late_ns is not None:
                    self._apply(change, prepared_ns, late_ns)
                elif not self._stop.is_set():
                    self._abandon(change)
                    self._let_go(ahead)
        except BaseException as error:
            self._on_failure(error)

    def _prepare(self, ahead: Ahead) -> Any:
        with self._turn:
            more = self._more.pop(ahead.epoch.number, None)
            if more is not None:
                ahead = ahead.joined(more)
            change = self._plane.prepare(self.current, ahead.epoch)
            self._prepared = ahead
            return change

    def _wait_for(self, ahead: Ahead) -> int | None:
        """Until its instant; how late it is then, or None: it is superseded, or all is over."""
        lead_ns = self._plane.lead_ns
        while not self._stop.is_set() and not self._is_superseded(ahead):
            self._wake.clear()
            if self._stop.is_set() or self._is_superseded(ahead):
                break  # told just before it was cleared
            self._settle_until(self._clock.mono_ns(ahead.epoch.sim_ns) - _SETTLE_EVERY_NS)
            late_ns = self._clock.wait(ahead.epoch.sim_ns - lead_ns, self._wake)
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
        if ahead.parcel is not None:
            ahead.parcel.close()
        self.on_let_go(ahead.epoch.number)

    def _abandon(self, change: Any) -> None:
        with self._turn:
            self._plane.abandon(change)
            self._prepared = None

    def _settle_until(self, mono_ns: int) -> None:
        """Let the plane remove what has had its time, well before the next instant."""
        self._plane.settle(time.monotonic_ns())
        while time.monotonic_ns() < mono_ns and not self._wake.wait(_SETTLE_EVERY_NS / 1e9):
            self._plane.settle(time.monotonic_ns())

    def _apply(self, change: Any, prepared_ns: int, late_ns: int) -> None:
        with self._turn:
            ahead = self._prepared
            assert ahead is not None
            t0_mono_ns = self._clock.mono_ns(ahead.epoch.sim_ns)
            report = self._plane.commit(change, t0_mono_ns)
            self.current, self._prepared = ahead.epoch, None
            self._superseded = {n for n in self._superseded if n > ahead.epoch.number}
            intervened, self._passed_over = self._passed_over.then(ahead.intervened), NOT_INTERVENED
        tick = Tick(
            ahead.epoch, ahead.more, ahead.parcel, ahead.assignment, ahead.changes,
            t0_mono_ns, report.began_mono_ns, report.ended_mono_ns, late_ns,
            ahead.computed_ns, prepared_ns, report.total_ns, intervened,
        )  # fmt: skip
        if late_ns > LATE_NS:
            log.warning("tick %d was %.1f ms late", ahead.epoch.number, late_ns / 1e6)
            self.ticks.late.append(LateTick(ahead.epoch.number, ahead.epoch.sim_ns, late_ns))
        self.ticks.cost_ns.append(tick.cost_ns)
        self.ticks.commit_ns.append(report.total_ns)
        self._on_tick(tick)
