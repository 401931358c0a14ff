"""What a conductor takes and tells: an epoch that waits, one that came into force, another course of time."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ..assignment import Assignment
from ..course import Course
from ..epoch import Epoch, RouteRows
from ..feed.parcels import Parcel
from ..interventions import NOT_INTERVENED, Intervened
from ..links.changes import NOTHING_CHANGED, LinkChanges
from .time_orders import Order


@dataclass(frozen=True)
class Tick:
    """One epoch as it was applied; instants are CLOCK_MONOTONIC.

    ``parcel`` is what the epoch came in, and is the receiver's to close;
    ``more`` the routes that it has beyond; ``changes`` are of its links since
    the epoch before.  ``t0_mono_ns`` is the instant the epoch is true of, or
    ``ahead_ns`` of emulated time before it; that goes ``ratio`` times as fast
    as the machine's, or stands still (0).  Its
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
    ahead_ns: int = 0
    ratio: float = 1.0

    @property
    def course(self) -> Course:
        """How emulated time goes from this epoch on."""
        return Course(self.epoch.sim_ns + self.ahead_ns, self.t0_mono_ns, self.ratio)

    @property
    def applied_ns(self) -> int:
        return self.prepared_ns + self.committed_ns

    @property
    def cost_ns(self) -> int:
        """All work for this tick, wherever it was done."""
        return self.computed_ns + self.applied_ns


@dataclass(frozen=True)
class Turn:
    """Emulated time goes another way from now on, by an order; the epoch in force stays.

    Links follow it from ``began_mono_ns`` to ``ended_mono_ns`` on, as a tick's.
    """

    order: Order
    course: Course
    before: Course
    began_mono_ns: int
    ended_mono_ns: int


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
