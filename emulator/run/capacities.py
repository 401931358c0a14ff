"""What share of their speed accelerators have: each satellite that serves is told where it changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..epoch import Platforms

LEAST_CHANGE = 1e-3  # smaller ones are told once they add up to it; to none, and from none, at once


class Capacities:
    """``satellites``: index and name of those that serve; ``tell`` takes a name and a ratio, from 0 to 1."""

    def __init__(self, satellites: Mapping[int, str], tell: Callable[[str, float], None]) -> None:
        self._satellites, self._tell = satellites, tell
        self._told = dict.fromkeys(satellites, 1.0)  # as they start
        self._last: Platforms | None = None
        self._are_there = False

    def begin(self) -> None:
        """Their processes are there: from now on they are told."""
        self._are_there = True
        self.tick(self._last)

    def tick(self, platforms: Platforms | None) -> None:
        self._last = platforms
        if platforms is None or not self._are_there:
            return
        for index, name in self._satellites.items():
            ratio = round(min(1.0, max(0.0, float(platforms.capacity_ratio[index]))), 4)
            told = self._told[index]
            if abs(ratio - told) >= LEAST_CHANGE or (ratio != told and 0.0 in (ratio, told)):
                self._told[index] = ratio
                self._tell(name, ratio)
