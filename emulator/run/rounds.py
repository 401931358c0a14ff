"""What looks at a run again and again, beside its ticks."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ..priority import go_before_nodes


class Rounds:
    """Calls ``look`` in a thread of its own, each ``period_s`` from ``start`` to ``stop``.

    What it raises goes to ``on_failure``: a run at which nobody looks any more is not to be trusted.
    """

    def __init__(
        self,
        name: str,
        period_s: float,
        look: Callable[[], None],
        on_failure: Callable[[BaseException], None],
        *,
        at_end: Callable[[], None] = lambda: None,
    ) -> None:
        """``at_end``: once more, where it had been started and nothing failed."""
        self._period_s, self._look, self._at_end, self._on_failure = period_s, look, at_end, on_failure
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Safe also where it was never started."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        try:
            go_before_nodes()
            while not self._stopping.wait(self._period_s):
                self._look()
            self._at_end()
        except BaseException as error:
            self._on_failure(error)
