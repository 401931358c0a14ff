"""What happens in a run, told to whoever listens: here, in the conductor's thread, and by the feed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from ..course import Course
from ..epoch import LinkKind, RouteRows
from ..feed.feed import Feed
from ..feed.parcels import Parcel
from ..links.changes import MOST_NAMED, NOTHING_CHANGED, LinkChanges
from ..scenario.model import Run
from .conductor import LATE_NS
from .pace import Pace
from .rounds import Rounds
from .ticks import Tick, Turn

log = logging.getLogger(__name__)

_STATUS_S = 1.0
# Of interventions that begin or end with one epoch: more have entries in common, or they would push each
# other, and the epoch, out of the feed before a reader has them.
_MOST_SINGLY, _MOST_TOGETHER = 20, 500


class News:
    """``on_tick`` are called after each tick, in their order, in the conductor's thread."""

    def __init__(self) -> None:
        self.on_tick: list[Callable[[Tick], None]] = []

    def tick(self, tick: Tick) -> None:
        for hear in self.on_tick:
            hear(tick)


@dataclass(frozen=True)
class EpochNews:
    """An epoch that has come into force; instants of the machine's clock as in Tick."""

    number: int
    sim_ns: int
    t0_mono_ns: int
    began_mono_ns: int
    in_force_mono_ns: int
    late_ns: int
    lasers: int
    ground_links: int
    more: RouteRows | None = field(default=None, repr=False)  # routes beyond those of the parcel
    # at t0_mono_ns it is t0_sim_ns, and emulated time goes so many times as fast; 0: it stands still
    t0_sim_ns: int | None = None
    ratio: float = 1.0
    changes: LinkChanges = field(default=NOTHING_CHANGED, repr=False)  # of handovers more than are told

    @property
    def course(self) -> Course:
        return Course(self.sim_ns if self.t0_sim_ns is None else self.t0_sim_ns, self.t0_mono_ns, self.ratio)

    def to_dict(self) -> dict[str, Any]:
        told = (each.name for each in fields(self) if each.name not in ("more", "changes"))
        return {name: getattr(self, name) for name in told}


def publish(feed: Feed, tick: Tick, names: Sequence[str]) -> None:
    """An epoch that has come into force, and what happened with it; holds nobody up."""
    epoch, changes = tick.epoch, tick.changes
    ground_links = int(np.count_nonzero(epoch.links.kind == LinkKind.GROUND))
    news = EpochNews(
        epoch.number, epoch.sim_ns, tick.t0_mono_ns, tick.began_mono_ns, tick.ended_mono_ns, tick.late_ns,
        len(epoch.links) - ground_links, ground_links, tick.more, tick.course.sim_ns, tick.ratio,
        changes,
    )  # fmt: skip
    feed.put("epoch", news, Parcel.pack(epoch) if tick.parcel is None else tick.parcel, stands=True)
    when = {"number": epoch.number, "sim_ns": epoch.sim_ns}
    for event, n, pairs in (
        ("laser lost", changes.n_lasers_lost, changes.lasers_lost),
        ("laser gained", changes.n_lasers_gained, changes.lasers_gained),
    ):
        if n:
            feed.put(
                "event", {"event": event} | when | {"n": n, "of": [[names[a], names[b]] for a, b in pairs]}
            )
    if changes.n_handovers:
        told = [
            {
                "gateway": names[each.gateway],
                "left": [names[satellite] for satellite in each.left],
                "joined": [names[satellite] for satellite in each.joined],
            }
            | ({} if each.cause is None else {"cause": each.cause})
            for each in changes.handovers[:MOST_NAMED]
        ]
        feed.put("event", {"event": "handover"} | when | {"n": changes.n_handovers, "of": told})
    for event, of in (("intervention", tick.intervened.begun), ("intervention ended", tick.intervened.ended)):
        if len(of) <= _MOST_SINGLY:
            for each in of:
                feed.put("event", {"event": event} | when | each)
            continue
        for first in range(0, len(of), _MOST_TOGETHER):
            some = of[first : first + _MOST_TOGETHER]
            feed.put("event", {"event": event} | when | {"n": len(some), "of": list(some)})
    if tick.late_ns > LATE_NS:
        feed.put("event", {"event": "late tick"} | when | {"late_ns": tick.late_ns})


_TURNS = {"pause": "paused", "resume": "resumed", "step": "stepped", "speed": "speed"}


def publish_turn(feed: Feed, turn: Turn) -> None:
    """Emulated time goes another way: for those who turn the machine's instants into emulated ones."""
    course, order = turn.course, turn.order
    feed.put("clock", ClockNews(course, turn.began_mono_ns, turn.ended_mono_ns), stands=True)
    told: dict[str, Any] = {"event": _TURNS[order.verb], "sim_ns": course.sim_ns, "by": order.by}
    if order.verb == "speed":
        told["ratio"] = order.ratio
    if order.verb == "step":
        told["by_ns"] = order.by_ns
    feed.put("event", told)


@dataclass(frozen=True)
class ClockNews:
    """The epoch in force stays, and time goes on by another course; instants as in EpochNews."""

    course: Course
    began_mono_ns: int
    in_force_mono_ns: int

    def to_dict(self) -> dict[str, Any]:
        return {
            "t0_sim_ns": self.course.sim_ns,
            "t0_mono_ns": self.course.mono_ns,
            "ratio": self.course.ratio,
            "began_mono_ns": self.began_mono_ns,
            "in_force_mono_ns": self.in_force_mono_ns,
        }


class StatusNews:
    """Puts the run's status into the feed each second: asked once, for all who watch."""

    def __init__(
        self, feed: Feed, status: Callable[[], dict[str, Any]], on_failure: Callable[[BaseException], None]
    ) -> None:
        self._feed, self._status = feed, status
        self._rounds = Rounds("status", _STATUS_S, self._put, on_failure)

    def start(self) -> None:
        self._put()
        self._rounds.start()

    def stop(self) -> None:
        self._rounds.stop()

    def _put(self) -> None:
        self._feed.put("status", self._status(), stands=True)


class StepWatch:
    """Lengthens the step where ticks cannot keep up, if the run allows it, and says when it has."""

    def __init__(self, run: Run, lengthen: Callable[[int], None], caution: Callable[[str], None]) -> None:
        self._pace = Pace(run.step_ns) if run.lengthen_step else None
        self._lengthen, self._caution = lengthen, caution
        self.is_running = False  # ticks of the build lengthen nothing
        self.step_ns, self._last_sim_ns = run.step_ns, 0

    def tick(self, tick: Tick) -> None:
        if self._pace is not None and self.is_running:
            # of emulated time: at twice the speed a step has half as long to be made in
            work_ns = (round(each * (tick.ratio or 1.0)) for each in (tick.computed_ns, tick.applied_ns))
            step_ns = self._pace.after(*work_ns, is_late=tick.late_ns > LATE_NS)
            if step_ns is not None:
                self._lengthen(step_ns)
        sim_ns = tick.epoch.sim_ns
        apart_ns, self._last_sim_ns = sim_ns - self._last_sim_ns, sim_ns
        if apart_ns > self.step_ns:
            self.step_ns = apart_ns
            told = f"ticks took longer than their period: since {sim_ns / 1e9:g} s it is {apart_ns / 1e9:g} s"
            log.warning("%s", told)
            self._caution(told)


def singly(event: dict[str, Any]) -> list[dict[str, Any]]:
    """One that is told with others, as one each."""
    if "of" not in event:
        return [event]
    common = {key: value for key, value in event.items() if key not in ("n", "of")}
    return [common | each for each in event["of"]]
