"""What the accelerators of a member have drawn up to an instant.  Pure.

While they compute as their capacity lets them; while they wait for a sum at rest, which is an estimate: what
moves the gradient draws something too; nothing without power.  Beside it what they would have drawn at full
speed.
"""

from __future__ import annotations


class Meter:
    """Told of changes in their order; of one before the latest, it counts from the latest on."""

    def __init__(self, idle_w: float, full_w: float, exponent: float, begin_ns: int) -> None:
        self._idle_w, self._full_w, self._exponent = idle_w, full_w, exponent
        self._at_ns = begin_ns
        self._drawn_j = self._asked_j = 0.0
        self._computes, self._ratio = False, 1.0

    def computes(self, at_ns: int, computes: bool) -> None:
        self._settle(at_ns)
        self._computes = computes

    def capacity(self, at_ns: int, ratio: float) -> None:
        self._settle(at_ns)
        self._ratio = ratio

    def read(self, at_ns: int) -> tuple[float, float]:
        """Drawn and asked for by an instant, J."""
        seconds = max(0, at_ns - self._at_ns) / 1e9
        return (
            self._drawn_j + seconds * self._drawn_w(),
            self._asked_j + seconds * (self._full_w if self._computes else self._idle_w),
        )

    def _drawn_w(self) -> float:
        """rate = ((P - P_idle) / (P_max - P_idle))^g, with the platform's g."""
        if self._ratio <= 0:
            return 0.0
        if not self._computes:
            return self._idle_w
        return self._idle_w + (self._full_w - self._idle_w) * float(self._ratio ** (1 / self._exponent))

    def _settle(self, at_ns: int) -> None:
        if at_ns > self._at_ns:
            self._drawn_j, self._asked_j = self.read(at_ns)
            self._at_ns = at_ns
