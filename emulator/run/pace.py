"""When ticks take longer than their period: how long the period has to be.  Pure."""

from __future__ import annotations

from statistics import median

# so many late ticks in a row are no accident
_IN_A_ROW = 3
# what the period has to be longer than the work by, or the next hiccup makes it late again
_ROOM = 1.25


class Pace:
    """``after`` each tick; the step grows in whole multiples of the scenario's, and never shrinks."""

    def __init__(self, step_ns: int) -> None:
        self._first_ns = self.step_ns = step_ns
        self._work_ns: list[int] = []

    def after(self, computed_ns: int, applied_ns: int, *, is_late: bool) -> int | None:
        """A new step, or None where the old one does.

        The two stages of a tick, computing an epoch ahead and applying it, run side by side.
        """
        self._work_ns = [*self._work_ns, max(computed_ns, applied_ns)] if is_late else []
        if len(self._work_ns) < _IN_A_ROW:
            return None
        needed_ns = round(median(self._work_ns) * _ROOM)
        self._work_ns = []
        if needed_ns <= self.step_ns:  # late for another reason: a longer step would not help
            return None
        self.step_ns = -(-needed_ns // self._first_ns) * self._first_ns
        return self.step_ns
