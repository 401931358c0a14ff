"""What happens in a run, told to whoever listens: here, in the conductor's thread, and by the feed."""

from __future__ import annotations

import logging
from collections.abc import Callable

from ..feed.feed import Feed
from ..feed.parcels import Parcel
from ..scenario.model import Run
from .conductor import LATE_NS, Tick
from .pace import Pace

log = logging.getLogger(__name__)


class News:
    """``on_tick`` are called after each tick, in their order, in the conductor's thread."""

    def __init__(self) -> None:
        self.on_tick: list[Callable[[Tick], None]] = []

    def tick(self, tick: Tick) -> None:
        for hear in self.on_tick:
            hear(tick)


def publish(feed: Feed, tick: Tick) -> None:
    """An epoch that has come into force; holds nobody up."""
    parcel = Parcel.pack(tick.epoch) if tick.parcel is None else tick.parcel
    when = (tick.t0_mono_ns, tick.began_mono_ns, tick.ended_mono_ns)
    feed.put("epoch", (tick.more, *when), parcel)
    if tick.late_ns > LATE_NS:
        feed.put("event", {"event": "late tick", "number": tick.epoch.number, "late_ns": tick.late_ns})


class StepWatch:
    """Lengthens the step where ticks cannot keep up, if the run allows it, and says when it has."""

    def __init__(self, run: Run, lengthen: Callable[[int], None], caution: Callable[[str], None]) -> None:
        self._pace = Pace(run.step_ns) if run.lengthen_step else None
        self._lengthen, self._caution = lengthen, caution
        self.is_running = False  # ticks of the build lengthen nothing
        self.step_ns, self._last_sim_ns = run.step_ns, 0

    def tick(self, tick: Tick) -> None:
        if self._pace is not None and self.is_running:
            step_ns = self._pace.after(tick.computed_ns, tick.applied_ns, is_late=tick.late_ns > LATE_NS)
            if step_ns is not None:
                self._lengthen(step_ns)
        sim_ns = tick.epoch.sim_ns
        apart_ns, self._last_sim_ns = sim_ns - self._last_sim_ns, sim_ns
        if apart_ns > self.step_ns:
            self.step_ns = apart_ns
            told = f"ticks took longer than their period: since {sim_ns / 1e9:g} s it is {apart_ns / 1e9:g} s"
            log.warning("%s", told)
            self._caution(told)
