"""When the link backend was late, by instant: its histogram read ten times a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from ..plane.backend import Carrier, Lateness
from ..priority import go_before_nodes
from ..record.soundness import ENGINE, LATE_ENGINE_NS, Window, joined

_PERIOD_S = 0.1
_MOST = 10_000


class LatenessLog:
    """A thread of its own from ``start`` to ``stop``; ``windows``: when packets left later than the bound."""

    def __init__(self, backend: Carrier, on_failure: Callable[[BaseException], None]) -> None:
        self._backend, self._on_failure = backend, on_failure
        self._windows: list[Window] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lateness", daemon=True)

    def start(self) -> None:
        self._before, self._before_mono_ns = self._backend.lateness(), time.monotonic_ns()
        if self._before is not None:
            self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def windows(self) -> tuple[Window, ...]:
        return tuple(self._windows)

    def _run(self) -> None:
        try:
            go_before_nodes()
            while not self._stopping.wait(_PERIOD_S):
                self._look()
            self._look()
        except BaseException as error:  # a run of which nobody notes when it was late is not to be trusted
            self._on_failure(error)

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
