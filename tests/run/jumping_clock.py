"""A clock that moves when a test says so, and of which time goes with the machine's all the same."""

from __future__ import annotations

import threading
import time

from orbitmesh.emulator.course import Course


class JumpingClock:
    """Moves only by ``advance``; CLOCK_MONOTONIC is anchored where it was started."""

    name = "jumping"

    def __init__(self) -> None:
        self._now_ns = 0
        self.course = Course(0, 0)
        self._moved = threading.Condition()

    def start(self, sim_ns: int) -> None:
        self._now_ns = sim_ns
        self.course = Course(sim_ns, time.monotonic_ns())

    def go(self, course: Course) -> None:
        raise NotImplementedError

    def advance(self, duration_ns: int) -> None:
        with self._moved:
            self._now_ns += duration_ns
            self._moved.notify_all()

    def mono_ns(self, sim_ns: int) -> int:
        return self.course.mono_at(sim_ns)

    def sim_ns(self) -> int:
        return self._now_ns

    def due_by(self, sim_ns: int) -> None:
        """It does not move by itself."""

    def wait(self, sim_ns: int, stop: threading.Event) -> int | None:
        with self._moved:
            while self._now_ns < sim_ns and not stop.is_set():
                self._moved.wait(0.02)
        return None if stop.is_set() else 0
