"""When delays that change are set anew: every step, and for how long each has to hold."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from ...priority import go_before_nodes

#: A step commands for at most this much longer than the next is due.
MOST_MARGIN_NS = 10_000_000_000
# Of how late steps are: on a machine that is being swamped each is later than the one before.
_AHEAD = 2
# what is left of a margin after a step that was in time
_FADING = 31 / 32


class Horizon:
    """For how long from now a delay has to hold: until the next step, and twice as long as steps are late.

    Pure.  A late step is met by the margin only from the next one on: what lay
    between is for ``NetemBackend`` to tell.
    """

    def __init__(self, step_ns: int) -> None:
        self._step_ns, self._margin_ns = step_ns, 0

    @property
    def ns(self) -> int:
        return self._step_ns + self._margin_ns

    def stepped(self, gap_ns: int) -> None:
        """A step came this long after the one before."""
        late_ns = min(_AHEAD * max(gap_ns - self._step_ns, 0), MOST_MARGIN_NS)
        self._margin_ns = max(late_ns, int(self._margin_ns * _FADING))


class Steps:
    """A thread that calls ``step`` every ``step_ns``, until it is stopped or the step fails."""

    def __init__(self, step_ns: int, step: Callable[[], object]) -> None:
        self._step_ns, self._step = step_ns, step
        self._horizon = Horizon(step_ns)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.failure: str | None = None

    @property
    def horizon_ns(self) -> int:
        return self._horizon.ns

    @property
    def is_stopped(self) -> bool:
        return self._stop.is_set()

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="netem-steps", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        go_before_nodes()
        last_ns = due_ns = time.monotonic_ns()
        try:
            while True:
                due_ns = max(due_ns + self._step_ns, time.monotonic_ns())
                if self._stop.wait((due_ns - time.monotonic_ns()) / 1e9):
                    return
                now_ns = time.monotonic_ns()
                self._horizon.stepped(now_ns - last_ns)
                last_ns = now_ns
                self._step()
        except Exception as error:
            self.failure = f"netem: a delay could not be set: {error}"
