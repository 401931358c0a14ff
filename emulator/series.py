"""Epochs one after the other, each following from the one before; made anew where something comes between."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .epoch import Epoch, Int32
from .links.ground import Selection
from .links.lasers import Held
from .platform.fleet import Kept

#: Up to so many nodes an epoch is made for a fault between two steps; of more it would be late.
EXACT_UP_TO = 20_000
TOGETHER_NS = 20_000_000  # what comes so shortly before a step waits for it
_MOST_BACK = 16  # epochs that can be made anew


@dataclass(frozen=True)
class Before:
    """What the next epoch follows from, beside its instant: which links there were.

    ``parted``: (m, 2) satellites and gateways whose link was left, and until when it may linger.
    """

    selection: Selection
    lasers: Held
    platforms: Kept | None = None
    parted: tuple[tuple[int, Int32], ...] = ()


@dataclass(frozen=True)
class _Made:
    """An epoch that was made: its instant, and what it followed from."""

    sim_ns: int
    before: Before
    step_sim_ns: int


class Series(Iterator[Epoch]):
    """See Geometry.epochs.  ``step_ns`` may be set between two: it counts from the next one on."""

    def __init__(
        self,
        epoch: Callable[[int, int, Before], tuple[Epoch, Before]],
        before: Before,
        start_sim_ns: int,
        step_ns: int,
        next_change_ns: Callable[[int], int | None],
    ) -> None:
        self._epoch, self._before, self._next_change_ns = epoch, before, next_change_ns
        self._number, self.step_ns = 0, step_ns
        self._step_sim_ns = start_sim_ns  # the next one that a step leads to
        self._made: deque[_Made] = deque(maxlen=_MOST_BACK)
        self._wanted: list[int] = []  # instants that are to have an epoch, whatever else there is

    def __next__(self) -> Epoch:
        sim_ns = self._next_sim_ns()
        self._made.append(_Made(sim_ns, self._before, self._step_sim_ns))
        epoch, self._before = self._epoch(self._number, sim_ns, self._before)
        self._number += 1
        if sim_ns >= self._step_sim_ns:
            self._step_sim_ns += self.step_ns
        return epoch

    def want(self, sim_ns: int) -> None:
        """An epoch of that instant, which is later than the last: time stands still there."""
        self._wanted = [*(each for each in self._wanted if each > self._last_ns()), sim_ns]

    def _last_ns(self) -> int:
        return self._made[-1].sim_ns if self._made else -1

    def back_to(self, sim_ns: int) -> int:
        """Make those from an instant on anew: how many they are.  Their numbers are not given again."""
        n = 0
        while self._made and self._made[-1].sim_ns >= sim_ns:
            last = self._made.pop()
            self._before, self._step_sim_ns = last.before, last.step_sim_ns
            n += 1
        return n

    def _next_sim_ns(self) -> int:
        if not self._made:
            return self._step_sim_ns
        last_ns = self._made[-1].sim_ns
        wanted_ns = min((each for each in self._wanted if each > last_ns), default=None)
        if wanted_ns is not None and wanted_ns < self._step_sim_ns:
            return wanted_ns
        change_ns = self._next_change_ns(last_ns)
        # what comes just before a step waits for it
        is_early = change_ns is not None and change_ns + TOGETHER_NS <= self._step_sim_ns
        return change_ns if change_ns is not None and is_early else self._step_sim_ns
