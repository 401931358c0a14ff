"""What a group of accelerators has drawn up to an instant.  Pure: the caller says what happens when.

In a step as its capacity lets it; between steps at rest; nothing while there is no power.  Beside it what it
would have drawn with all its power: in a step, and without power where there was something to compute, as at
full speed.
"""

from __future__ import annotations


class Meter:
    """Steps are told in their order, each when it begins; its end may lie ahead."""

    def __init__(self, idle_w: float, full_w: float, begin_ns: int) -> None:
        self._idle_w, self._full_w = idle_w, full_w
        self._at_ns = begin_ns  # up to here all is known, and in the sums
        self._drawn_j = self._asked_j = 0.0
        self._step_end_ns, self._step_w = begin_ns, 0.0
        self._rest_w = self._rest_asked_w = idle_w  # beyond the step

    def step(self, start_ns: int, end_ns: int, drawn_j: float) -> None:
        self._settle(max(start_ns, self._step_end_ns))
        self._step_end_ns = max(end_ns, self._at_ns)
        duration_ns = self._step_end_ns - self._at_ns
        self._step_w = drawn_j * 1e9 / duration_ns if duration_ns else 0.0

    def off(self, at_ns: int, *, has_work: bool) -> None:
        """No power from now on, but for the step under way."""
        self._settle(at_ns)
        self._rest_w, self._rest_asked_w = 0.0, self._full_w if has_work else self._idle_w

    def on(self, at_ns: int) -> None:
        self._settle(at_ns)
        self._rest_w = self._rest_asked_w = self._idle_w

    def read(self, at_ns: int) -> tuple[float, float]:
        """Drawn and asked for by an instant, J; a later one may find a little more in the time before it."""
        in_step_s = max(0, min(at_ns, self._step_end_ns) - self._at_ns) / 1e9
        at_rest_s = max(0, at_ns - max(self._at_ns, self._step_end_ns)) / 1e9
        return (
            self._drawn_j + in_step_s * self._step_w + at_rest_s * self._rest_w,
            self._asked_j + in_step_s * self._full_w + at_rest_s * self._rest_asked_w,
        )

    def _settle(self, at_ns: int) -> None:
        if at_ns > self._at_ns:
            self._drawn_j, self._asked_j = self.read(at_ns)
            self._at_ns = at_ns
