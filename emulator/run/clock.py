"""When an emulated instant comes on the machine's clock.

Three clocks with one face: ``RealClock`` runs with the machine's, ``PacedClock``
waits for a host that cannot keep up, ``SteppedClock`` moves when a test says so.
"""

from __future__ import annotations

import threading
import time
from typing import Protocol

from ..errors import InputError

# A wait on an Event wakes up to a scheduler tick late; the last stretch is slept in full.
_COARSE_NS = 20_000_000


class Clock(Protocol):
    name: str

    def start(self, sim_ns: int) -> None:
        """The emulated instant ``sim_ns`` is now."""

    def mono_ns(self, sim_ns: int) -> int:
        """CLOCK_MONOTONIC reading at which an emulated instant comes."""

    def sim_ns(self) -> int:
        """The emulated instant now."""

    def wait(self, sim_ns: int, stop: threading.Event) -> int | None:
        """Sleep until the instant; how late it is in ns then (at least 0), or None when told to stop."""


class RealClock:
    name = "real"

    def __init__(self) -> None:
        self._offset_ns = 0

    def start(self, sim_ns: int) -> None:
        self._offset_ns = time.monotonic_ns() - sim_ns

    def mono_ns(self, sim_ns: int) -> int:
        return sim_ns + self._offset_ns

    def sim_ns(self) -> int:
        return time.monotonic_ns() - self._offset_ns

    def wait(self, sim_ns: int, stop: threading.Event) -> int | None:
        due_ns = self.mono_ns(sim_ns)
        while (left_ns := due_ns - time.monotonic_ns()) > 0:
            if left_ns > _COARSE_NS:
                if stop.wait((left_ns - _COARSE_NS) / 1e9):
                    return None
            else:
                time.sleep(left_ns / 1e9)
        return None if stop.is_set() else time.monotonic_ns() - due_ns


class PacedClock(RealClock):
    """Emulated time that stands still while the host is late.

    Packets still fly in real time; only the geometry slows down.  Call ``hold``
    with the lateness that ``wait`` returned.
    """

    name = "paced"

    def __init__(self) -> None:
        super().__init__()
        self.held_ns = 0

    def wait(self, sim_ns: int, stop: threading.Event) -> int | None:
        late_ns = super().wait(sim_ns, stop)
        if late_ns is None:
            return None
        # a wake-up a few hundred microseconds late is the machine's, not the tick's
        if late_ns > 1_000_000:
            self._offset_ns += late_ns
            self.held_ns += late_ns
            return 0
        return late_ns


class SteppedClock:
    """Moves only by ``advance``; CLOCK_MONOTONIC is anchored where it was started."""

    name = "stepped"

    def __init__(self) -> None:
        self._now_ns = 0
        self._anchor_ns = 0
        self._moved = threading.Condition()

    def start(self, sim_ns: int) -> None:
        self._now_ns = sim_ns
        self._anchor_ns = time.monotonic_ns() - sim_ns

    def advance(self, duration_ns: int) -> None:
        with self._moved:
            self._now_ns += duration_ns
            self._moved.notify_all()

    def mono_ns(self, sim_ns: int) -> int:
        return sim_ns + self._anchor_ns

    def sim_ns(self) -> int:
        return self._now_ns

    def wait(self, sim_ns: int, stop: threading.Event) -> int | None:
        with self._moved:
            while self._now_ns < sim_ns and not stop.is_set():
                self._moved.wait(0.02)
        return None if stop.is_set() else 0


CLOCKS: dict[str, type[RealClock] | type[PacedClock]] = {"real": RealClock, "paced": PacedClock}


def clock_named(name: str) -> Clock:
    try:
        return CLOCKS[name]()
    except KeyError:
        raise InputError(f"no clock is named {name!r}; there are {', '.join(CLOCKS)}") from None
