"""Emulated time of a mesh in somebody's hand: paused, resumed, moved by so much, given another speed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from statistics import median
from typing import Any, Protocol

from ..control.server import Answer, Handler, Request
from ..errors import FailureError, InputError
from ..feed.feed import Feed
from ..shown import plain, shown
from .clock import Clock, PacedClock, SteppedClock
from .conductor import Conductor
from .news import publish_turn
from .ticks import Turn
from .time_orders import GOES_ON, Order

LEAST_RATIO, MOST_RATIO = 0.1, 1000.0
MOST_STEP_NS = 366 * 24 * 3600 * 10**9
# of its time at the new speed a tick may take so much: the next hiccup would make it late
_MOST_BUSY = 0.8


class HandledMesh(Protocol):
    clock: Clock
    feed: Feed
    _conductor: Conductor | None

    @property
    def began_sim_ns(self) -> int | None: ...

    @property
    def ends_sim_ns(self) -> int | None: ...


class InHand:
    """May be asked from any thread; an answer comes once the links go with the new course of time.

    ``paused_ns``, ``pauses``, ``steps``, ``speeds``: for the account of the run.
    """

    def __init__(self, mesh: HandledMesh, step_ns: Callable[[], int]) -> None:
        self._mesh, self._step_ns = mesh, step_ns
        self._still_since_ns: int | None = None  # of the machine's clock
        self._paused_ns = 0
        self.pauses = self.steps = 0
        self.speeds: list[float] = []
        self.on_turn: list[Callable[[Turn], None]] = []

    @property
    def paused_ns(self) -> int:
        """How long emulated time stood still since it was begun."""
        since_ns = self._still_since_ns
        return self._paused_ns + (0 if since_ns is None else time.monotonic_ns() - since_ns)

    def pause(self, by: str = "program") -> dict[str, Any]:
        """Let emulated time stand still; nothing is done where it does."""
        return self._ask(Order("pause", by))

    def resume(self, by: str = "program") -> dict[str, Any]:
        """Let it go on, at the speed it was given last."""
        if isinstance(self._mesh.clock, SteppedClock):
            raise InputError("the clock of this run is stepped: it moves by steps alone (orbitmesh step 1s)")
        return self._ask(Order("resume", by))

    def step(self, by_ns: int, by: str = "program") -> dict[str, Any]:
        """Move it on by so much, through all epochs between; InputError unless it stands still."""
        if not 0 < by_ns <= MOST_STEP_NS:
            raise InputError(f"a step of {by_ns / 1e9:g} s: write more than 0 and at most 366 days")
        if not self._mesh.clock.course.is_still:
            raise InputError(GOES_ON)
        self._refuse_beyond_the_end(by_ns)
        return self._ask(Order("step", by, by_ns=by_ns))

    def speed(self, ratio: float, by: str = "program") -> dict[str, Any]:
        """Let it go so many times as fast as the machine's, now or once it is resumed."""
        if not (math.isfinite(ratio) and LEAST_RATIO <= ratio <= MOST_RATIO):
            raise InputError(f"a speed of {ratio:g}: write from {LEAST_RATIO:g} to {MOST_RATIO:g}")
        clock = self._mesh.clock
        if isinstance(clock, SteppedClock):
            raise InputError("the clock of this run is stepped: it has no speed, and moves by steps")
        if not isinstance(clock, PacedClock):  # that one waits for a host that cannot keep up
            self._refuse_too_fast(ratio)
        return self._ask(Order("speed", by, ratio=ratio))

    def _refuse_beyond_the_end(self, by_ns: int) -> None:
        """Of a run that ends with its time: a slip of the pen must not end it."""
        end_ns = self._mesh.ends_sim_ns
        if end_ns is None:
            return
        left_ns = max(0, end_ns - self._mesh.clock.sim_ns())
        if by_ns > left_ns:
            raise InputError(
                f"a step of {by_ns / 1e9:g} s goes beyond the end of the run, "
                f"which is {left_ns / 1e9:.9g} s away: step less far, "
                "or start the run with --keep or a longer --duration"
            )

    def _refuse_too_fast(self, ratio: float) -> None:
        costs_ns = [*self._conductor.last_cost_ns]
        if ratio <= 1:
            return
        if not costs_ns:
            raise InputError(
                "what a tick takes here is not known before one has come: ask again after "
                f"{self._step_ns() / 1e9:.3g} s, or step over one"
            )
        most = self._step_ns() * _MOST_BUSY / median(costs_ns)
        if ratio > most:
            raise InputError(
                f"at {ratio:g} times the speed a tick comes each {self._step_ns() / ratio / 1e6:.3g} ms, "
                f"and takes {median(costs_ns) / 1e6:.3g} ms here: up to {math.floor(most * 10) / 10:g} times "
                "would do, or a longer run.step, or a run with --clock paced"
            )

    @property
    def _conductor(self) -> Conductor:
        if self._mesh._conductor is None or self._mesh.began_sim_ns is None:
            raise FailureError("the mesh is still being built: ask again in a moment")
        return self._mesh._conductor

    def _ask(self, order: Order) -> dict[str, Any]:
        conductor = self._conductor
        conductor.orders.ask(order)
        while (left_ns := order.in_force_mono_ns - time.monotonic_ns()) > 0:
            time.sleep(left_ns / 1e9)  # what carries the links was given a few ms to follow
        began_ns = self._mesh.began_sim_ns or 0
        return {
            "elapsed_ns": order.course.sim_ns - began_ns,
            "sim_ns": order.course.sim_ns,
            "paused": order.course.is_still,
            "speed_ratio": conductor.orders.ratio,
        }

    def state(self) -> dict[str, Any]:
        """For a status."""
        conductor = self._mesh._conductor
        return {
            "paused": self._mesh.clock.course.is_still,
            "speed_ratio": 1.0 if conductor is None else conductor.orders.ratio,
        }

    # ---- in the conductor's thread

    def began(self) -> None:
        """The run has: time may stand still from its start on."""
        if self._mesh.clock.course.is_still:
            self._still_since_ns = time.monotonic_ns()

    def turned(self, turn: Turn) -> None:
        was_still, is_still = turn.before.is_still, turn.course.is_still
        if is_still and not was_still:
            self._still_since_ns = turn.course.mono_ns
            self.pauses += 1
        if was_still and not is_still and self._still_since_ns is not None:
            self._paused_ns += turn.course.mono_ns - self._still_since_ns
            self._still_since_ns = None
        self.steps += turn.order.verb == "step"
        if turn.order.verb == "speed":
            self.speeds.append(turn.order.ratio)
        publish_turn(self._mesh.feed, turn)
        for hear in self.on_turn:
            hear(turn)

    # ---- from outside

    def handlers(self) -> dict[str, Handler]:
        """By verb, for the control server."""
        return {
            "pause": lambda request: (self.pause(_by(request)), ()),
            "resume": lambda request: (self.resume(_by(request)), ()),
            "step": self._step,
            "speed": self._speed,
        }

    def _step(self, request: Request) -> Answer:
        by_ns = request.get("by_ns")
        if isinstance(by_ns, bool) or not isinstance(by_ns, int):
            raise InputError(f"the request's 'by_ns' is {shown(by_ns)}: give it a whole number of ns")
        return self.step(by_ns, _by(request)), ()

    def _speed(self, request: Request) -> Answer:
        ratio = request.get("ratio")
        if isinstance(ratio, bool) or not isinstance(ratio, int | float):
            raise InputError(f"the request's 'ratio' is {shown(ratio)}: give it a number, as 20")
        return self.speed(float(ratio), _by(request)), ()


def _by(request: Request) -> str:
    return plain(request.text_or_none("by") or "program", 60)
