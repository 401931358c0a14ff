"""What share of their speed accelerators have: each satellite that serves is told where it changes.

One that has none is told when that is expected to end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..epoch import Platforms

_AGAIN_NS = 1_000_000_000  # by so much the expected instant has to change before it is told anew
LEAST_CHANGE = 1e-3  # smaller ones are told once they add up to it; to none, and from none, at once


class Capacities:
    """``satellites``: index and name of those that serve; ``tell`` takes a name, a ratio, from 0 to 1, and
    where that is 0 the emulated instant from which on it will not be, if it is known."""

    def __init__(self, satellites: Mapping[int, str], tell: Callable[[str, float, int | None], None]) -> None:
        self._satellites, self._tell = satellites, tell
        self._told = dict.fromkeys(satellites, 1.0)  # as they start
        self._again: dict[int, int | None] = {}
        self._last: tuple[Platforms | None, Mapping[int, int | None]] = None, {}
        self._are_there = False

    def begin(self) -> None:
        """Their processes are there: from now on they are told."""
        self._are_there = True
        self.tick(*self._last)

    def anew(self) -> None:
        """Instants have come to others of the machine's clock: who has none is told again when that ends."""
        for index, again in self._again.items():
            if self._told[index] == 0 and again is not None:
                self._tell(self._satellites[index], 0.0, again)

    def tick(self, platforms: Platforms | None, again_sim_ns: Mapping[int, int | None] | None = None) -> None:
        again_sim_ns = again_sim_ns or {}
        self._last = platforms, again_sim_ns
        if platforms is None or not self._are_there:
            return
        for index, name in self._satellites.items():
            ratio = round(min(1.0, max(0.0, float(platforms.capacity_ratio[index]))), 4)
            told = self._told[index]
            again = again_sim_ns.get(index) if ratio == 0 else None
            if (
                abs(ratio - told) >= LEAST_CHANGE
                or (ratio != told and 0.0 in (ratio, told))
                or _differ(again, self._again.get(index))
            ):
                self._told[index], self._again[index] = ratio, again
                self._tell(name, ratio, again)


def _differ(one: int | None, other: int | None) -> bool:
    if one is None or other is None:
        return one is not other
    return abs(one - other) >= _AGAIN_NS
