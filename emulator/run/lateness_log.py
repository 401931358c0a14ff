"""When the link backend was late, by instant: its histogram read ten times a second."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..plane.backend import Carrier, Lateness
from ..record.soundness import ENGINE, LATE_ENGINE_NS, Window, joined
from .rounds import Rounds

_PERIOD_S = 0.1
_MOST = 10_000


class LatenessLog:
    """From ``start`` to ``stop``; ``windows``: when packets left later than the bound."""

    def __init__(self, backend: Carrier, on_failure: Callable[[BaseException], None]) -> None:
        self._backend = backend
        self._windows: list[Window] = []
        self._rounds = Rounds("lateness", _PERIOD_S, self._look, on_failure, at_end=self._look)

    def start(self) -> None:
        self._before, self._before_mono_ns = self._backend.lateness(), time.monotonic_ns()
        if self._before is not None:
            self._rounds.start()

    def stop(self) -> None:
        self._rounds.stop()

    def windows(self) -> tuple[Window, ...]:
        return tuple(self._windows)

    def _look(self) -> None:
        now, mono_ns = self._backend.lateness(), time.monotonic_ns()
        if now is None or self._before is None:
            return
        window = late_window(self._before, now, self._before_mono_ns, mono_ns)
        self._before, self._before_mono_ns = now, mono_ns
        if window is not None:
            self._windows.append(window)
            if len(self._windows) > _MOST:
                self._windows = joined(self._windows)


def late_window(before: Lateness, now: Lateness, before_mono_ns: int, now_mono_ns: int) -> Window | None:
    """None where no packet that left between the two readings was late beyond the bound.

    One that left late should have left before: the window begins that much earlier.
    """
    worst_ns = now.since(before).max_ns
    if worst_ns <= LATE_ENGINE_NS:
        return None
    return Window(before_mono_ns - worst_ns, now_mono_ns, ENGINE, worst_ns)
