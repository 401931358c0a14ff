"""What is asked of emulated time: to stand still, to go on, to move by so much, to go faster or slower.

Asked from any thread, and done in the conductor's, between two epochs, one after the other.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from ..course import Course
from ..errors import OrbitmeshError, RunEnded

Verb = Literal["pause", "resume", "step", "speed"]
_ENDING = "the run is ending"
GOES_ON = "emulated time goes on, and a step is for one that stands still: pause it first"


@dataclass(eq=False)
class Order:
    """``by_ns``: of a step; ``ratio``: of a speed; ``until_sim_ns``: where a step that is under way ends.

    ``cut_by``: of a step, who does not let it come to its end.
    """

    verb: Verb
    by: str
    by_ns: int = 0
    ratio: float = 1.0
    until_sim_ns: int | None = None
    cut_by: str | None = None
    course: Course = field(default_factory=lambda: Course(0, 0))  # once it is done
    in_force_mono_ns: int = 0
    error: OrbitmeshError | None = None
    done: threading.Event = field(default_factory=threading.Event, repr=False)

    def is_cut_short_at(self, sim_ns: int) -> bool:
        """Whether this step is to end there, before its own end."""
        return self.cut_by is not None and (self.until_sim_ns is None or sim_ns < self.until_sim_ns)


def cut_short(step: Order, sim_ns: int) -> str:
    return (
        f"the step ended early, at the emulated instant {sim_ns / 1e9:.9g} s: {step.cut_by} paused the mesh"
    )


class TimeOrders:
    """``wake`` tells the conductor that there is one; ``ratio``: how fast time goes where it goes."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._waiting: deque[Order] = deque()
        self._turn = threading.Lock()
        self._is_closed = False
        self.ratio = 1.0

    def ask(self, order: Order) -> Order:
        """Returns once it is done.  RunEnded: the run ends before; InputError: another order came between.

        A pause ends the steps before it where they are; so does who asked for one and waits no more.
        """
        with self._turn:
            if self._is_closed:
                raise RunEnded(_ENDING)
            if order.verb == "pause":
                for before in self._waiting:
                    before.cut_by = order.by
            self._waiting.append(order)
        self._wake()
        try:
            order.done.wait()
        except BaseException:
            order.cut_by = order.by
            self._wake()
            raise
        if order.error is not None:
            raise order.error
        return order

    # ---- in the conductor's thread

    @property
    def first(self) -> Order | None:
        return self._waiting[0] if self._waiting else None

    def is_done(self, order: Order, course: Course, in_force_mono_ns: int) -> None:
        order.course, order.in_force_mono_ns = course, in_force_mono_ns
        self._leave(order)

    def refuse(self, order: Order, error: OrbitmeshError) -> None:
        order.error = error
        self._leave(order)

    def _leave(self, order: Order) -> None:
        with self._turn:
            self._waiting.remove(order)
        order.done.set()

    def close(self) -> None:
        """None is done any more."""
        with self._turn:
            self._is_closed = True
            left, self._waiting = [*self._waiting], deque()
        for order in left:
            order.error = RunEnded(_ENDING)
            order.done.set()
