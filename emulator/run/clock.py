"""When an emulated instant comes on the machine's clock.

Three clocks with one face: ``RealClock`` runs with the machine's, ``PacedClock``
waits for a host that cannot keep up, ``SteppedClock`` stands still and moves when
it is told to.  Each of the first two can be paused, and be given another speed.
"""

from __future__ import annotations

import threading
import time
from typing import Protocol

from ..course import Course
from ..errors import InputError

# A wait on an Event wakes up to a scheduler tick late; the last stretch is slept in full.
_COARSE_NS = 20_000_000


class Clock(Protocol):
    name: str

    @property
    def course(self) -> Course:
        """How emulated time goes now."""

    def start(self, sim_ns: int) -> None:
        """The emulated instant ``sim_ns`` is now."""

    def go(self, course: Course) -> None:
        """From now on time goes like this.  For the conductor, whose links go with it."""

    def mono_ns(self, sim_ns: int) -> int:
        """CLOCK_MONOTONIC reading at which an emulated instant comes."""

    def sim_ns(self) -> int:
        """The emulated instant now."""

    def due_by(self, sim_ns: int) -> None:
        """The next epoch is of that instant, or of one before."""

    def wait(self, sim_ns: int, stop: threading.Event) -> int | None:
        """Sleep until the instant; how late it is in ns then (at least 0), or None when told to stop."""


class RealClock:
    name = "real"

    def __init__(self) -> None:
        self._course = Course(0, 0)

    @property
    def course(self) -> Course:
        return self._course

    def start(self, sim_ns: int) -> None:
        self._course = Course(sim_ns, time.monotonic_ns())

    def go(self, course: Course) -> None:
        self._course = course

    def mono_ns(self, sim_ns: int) -> int:
        return self._course.mono_at(sim_ns)

    def sim_ns(self) -> int:
        course = self._course
        # one that begins in a moment has not gone backwards until then
        return course.sim_at(max(time.monotonic_ns(), course.mono_ns))

    def due_by(self, sim_ns: int) -> None:
        """Goes on beyond it, whatever comes."""

    def wait(self, sim_ns: int, stop: threading.Event) -> int | None:
        due_ns = self.mono_ns(sim_ns)
        while (left_ns := due_ns - time.monotonic_ns()) > 0:
            if left_ns > _COARSE_NS:
                if stop.wait(min((left_ns - _COARSE_NS) / 1e9, threading.TIMEOUT_MAX)):
                    return None
            else:
                time.sleep(left_ns / 1e9)
        return None if stop.is_set() else time.monotonic_ns() - due_ns


class PacedClock(RealClock):
    """Emulated time that stands still while the host is late: at the instant of the epoch it waits for.

    Packets still fly in real time; only the geometry slows down.
    """

    name = "paced"

    def __init__(self) -> None:
        super().__init__()
        self.held_ns = 0
        self._due_by_sim_ns: int | None = None

    def due_by(self, sim_ns: int) -> None:
        self._due_by_sim_ns = sim_ns

    def sim_ns(self) -> int:
        due_ns = self._due_by_sim_ns
        return super().sim_ns() if due_ns is None else min(super().sim_ns(), due_ns)

    def wait(self, sim_ns: int, stop: threading.Event) -> int | None:
        late_ns = super().wait(sim_ns, stop)
        if late_ns is None:
            return None
        # a wake-up a few hundred microseconds late is the machine's, not the tick's
        if late_ns > 1_000_000:
            course = self._course
            self._course = Course(course.sim_ns, course.mono_ns + late_ns, course.ratio)
            self.held_ns += late_ns
            return 0
        return late_ns


class SteppedClock(RealClock):
    """Stands still from its start on; see ``Handled.step``."""

    name = "stepped"

    def start(self, sim_ns: int) -> None:
        self._course = Course(sim_ns, time.monotonic_ns(), 0.0)


CLOCKS: dict[str, type[RealClock]] = {"real": RealClock, "paced": PacedClock, "stepped": SteppedClock}


def clock_named(name: str) -> Clock:
    try:
        return CLOCKS[name]()
    except KeyError:
        raise InputError(f"no clock is named {name!r}; there are {', '.join(CLOCKS)}") from None
