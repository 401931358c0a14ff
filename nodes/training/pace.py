"""How far a computation is whose speed changes under way.  Pure: it is told the time."""

from __future__ import annotations


class Pace:
    """Work of ``full_ns`` at full speed, from ``now_ns`` on at ``ratio`` of it."""

    def __init__(self, full_ns: int, now_ns: int, ratio: float) -> None:
        self._full_ns, self._began_ns = full_ns, now_ns
        self._done_ns, self._at_ns, self._ratio = 0.0, now_ns, ratio

    def set(self, now_ns: int, ratio: float) -> None:
        self._done_ns += max(0, now_ns - self._at_ns) * self._ratio
        self._at_ns, self._ratio = now_ns, ratio

    def at_ns(self, share: float = 1.0) -> int | None:
        """When so much of it is done, if nothing changes; None: at this speed never."""
        left_ns = self._full_ns * share - self._done_ns
        if left_ns <= 0:
            return self._at_ns
        return None if self._ratio <= 0 else self._at_ns + round(left_ns / self._ratio)
